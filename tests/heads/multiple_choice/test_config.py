import pytest

from polyhead.errors import ConfigError
from polyhead.heads import MultipleChoiceHead, MultipleChoiceHeadConfig


def test_it_survives_json():
    config = MultipleChoiceHeadConfig(layers=1, activation="relu", pooling="cls", hidden=2)
    assert MultipleChoiceHeadConfig.model_validate_json(config.model_dump_json()) == config


def test_the_number_of_choices_is_none_of_its_fields():
    with pytest.raises(ConfigError, match="unknown field 'num_choices'"):
        MultipleChoiceHead.configure({"num_choices": 2}, [])
