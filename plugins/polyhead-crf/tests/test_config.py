import pytest
from polyhead_crf import CRFHead, CRFHeadConfig
from pydantic import ValidationError

from polyhead import ConfigError, InputError
from polyhead.heads import TaggingExample

EXAMPLES = [
    TaggingExample(tokens=("a", "b"), tags=("B-X", "I-X")),
    TaggingExample(text="a b", entities=[(2, 3, "Y")]),
]


def test_labels_and_scheme_follow_from_the_examples():
    config = CRFHead.configure({}, EXAMPLES)
    assert config == CRFHeadConfig(labels=("O", "B-X", "I-X", "B-Y", "I-Y"), scheme="bio")
    assert CRFHead.configure({"scheme": "bioes"}, EXAMPLES[1:]).labels == (
        *("O", "B-Y", "I-Y", "E-Y", "S-Y"),
    )
    plain = CRFHead.configure({}, [TaggingExample(tokens=("a", "b"), tags=("NN", "VB"))])
    assert (plain.labels, plain.scheme) == (("NN", "VB"), "plain")


def test_a_word_has_the_average_score_of_its_sub_words_unless_said_otherwise():
    assert CRFHeadConfig(labels=("O", "B-X")).aggregation == "average"
    with pytest.raises(ValidationError, match="'first' or 'average'"):
        CRFHeadConfig(labels=("O", "B-X"), aggregation="max")


@pytest.mark.parametrize("options", [{"class_weights": "balanced"}, {"label_all": True}])
def test_what_only_separate_tags_can_have_is_refused(options):
    with pytest.raises(ConfigError, match=r"'crf': unknown field .* The fields of head kind 'crf'"):
        CRFHead.configure(options, EXAMPLES)


def test_examples_without_tags_teach_nothing():
    with pytest.raises(InputError, match="1 of 1 training examples have neither tags nor"):
        CRFHead.configure({}, [TaggingExample(text="a")])


def test_the_config_survives_the_way_through_json():
    config = CRFHeadConfig(labels=("O", "B-X", "I-X"), aggregation="first", follows_scheme=False)
    assert CRFHeadConfig.model_validate_json(config.model_dump_json()) == config
