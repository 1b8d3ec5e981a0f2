import pytest
from pydantic import ValidationError

from polyhead.errors import ConfigError
from polyhead.heads import MaskedLMHead, MaskedLMHeadConfig


def test_it_starts_with_the_shares_of_the_paper():
    config = MaskedLMHeadConfig()
    assert (config.mask_probability, config.mask_share, config.random_share) == (0.15, 0.8, 0.1)
    assert not config.whole_words


def test_it_survives_json():
    config = MaskedLMHeadConfig(mask_probability=0.3, whole_words=True, top_k=2, hidden="mix")
    assert MaskedLMHeadConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    "fields",
    [
        {"mask_probability": 0},
        {"mask_probability": 1.1},
        {"mask_share": -0.1},
        {"random_share": 2},
        {"top_k": 0},
        {"activation": "gel"},
        {"vocab_size": 100},
    ],
)
def test_fields_out_of_range_are_refused(fields):
    with pytest.raises(ValidationError):
        MaskedLMHeadConfig(**fields)


def test_shares_of_more_than_one_are_refused():
    with pytest.raises(ConfigError, match=r"mask_share 0.8 and random_share 0.3 are more than 1"):
        MaskedLMHead.configure({"mask_share": 0.8, "random_share": 0.3}, [])


@pytest.mark.parametrize("random_share", [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.9])
def test_shares_of_one_are_taken(random_share):
    config = MaskedLMHeadConfig(mask_share=1 - random_share, random_share=random_share)
    assert config.random_share == random_share
