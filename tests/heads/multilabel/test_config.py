import re

import pytest

from polyhead.errors import ConfigError, InputError
from polyhead.heads import MultilabelExample, MultilabelHead, MultilabelHeadConfig
from polyhead.registry import registry

TWO = ("joy", "fear")


def examples(*labels):
    return [MultilabelExample(text="a text", labels=found) for found in labels]


def configure(options, labels=(["joy"], ["fear", "joy"], [])):
    return MultilabelHead.configure(options, examples(*labels))


def test_labels_are_those_of_the_examples_in_sorted_order():
    assert configure({}).labels == ("fear", "joy")


def test_given_labels_keep_their_order_and_may_be_more_than_the_data_has():
    assert configure({"labels": ["joy", "anger", "fear"]}).labels == ("joy", "anger", "fear")


def test_given_labels_need_no_examples():
    assert MultilabelHead.configure({"labels": TWO}, []).labels == TWO


def test_a_single_label_is_enough_where_some_texts_lack_it():
    assert configure({}, (["spam"], [])).labels == ("spam",)


def test_balanced_weights_are_the_texts_without_by_those_with():
    labels = (["a"], ["a", "b"], ["a"], [])
    assert configure({"pos_weight": "balanced"}, labels).pos_weight == (1 / 3, 3.0)
    given = configure({"pos_weight": "balanced", "labels": ("b", "a")}, labels)
    assert given.pos_weight == (3.0, 1 / 3)


def test_one_threshold_is_that_of_every_label():
    assert MultilabelHeadConfig(labels=TWO).thresholds == (0.5, 0.5)
    assert MultilabelHeadConfig(labels=TWO, threshold=0.3).thresholds == (0.3, 0.3)


def test_a_label_left_out_of_a_mapping_keeps_one_half():
    assert MultilabelHeadConfig(labels=TWO, threshold={"fear": 0.2}).thresholds == (0.5, 0.2)


def test_a_config_string_takes_thresholds_by_label():
    head, options = registry().head_spec("multilabel[labels=('a','b'),threshold={'b': 0.25}]")
    assert head is MultilabelHead
    assert head.configure(options, []).thresholds == (0.5, 0.25)


@pytest.mark.parametrize(
    ("options", "labels", "message"),
    [
        ({}, (), "there are no training examples for a multilabel task to learn from."),
        ({}, (["a"], None), "1 of 2 training examples have no label; a multilabel task"),
        ({"labels": TWO}, (["joy"], None), "1 of 2 training examples have no label"),
        ({}, (["a", "b"], ["b", "a"]), "all 2 training examples have the labels 'a', 'b'; a multi"),
        ({}, ([], []), "all 2 training examples have an empty list of labels; a multilabel task"),
        ({"labels": TWO}, ([], []), "all 2 training examples have an empty list of labels"),
        (
            {"labels": TWO},
            (["joy"], ["anger"]),
            "example 2: the label 'anger' is not among the given ones: 'joy', 'fear'.",
        ),
        (
            {"labels": TWO, "pos_weight": "balanced"},
            (["joy"], []),
            "no training example has the label 'fear', so pos_weight='balanced' cannot weigh it",
        ),
        (
            {"pos_weight": "balanced"},
            (["joy"], ["joy", "fear"]),
            "every training example has the label 'joy', so pos_weight='balanced' cannot weigh it",
        ),
        (
            {"labels": TWO, "pos_weight": "balanced"},
            (),
            "no training example has the label 'joy'",
        ),
    ],
)
def test_examples_that_make_no_task_are_refused_in_one_line(options, labels, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        configure(options, labels)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": TWO}, "unknown field 'label'. The fields of head kind 'multilabel' are:"),
        ({"labels": ()}, "labels: Tuple should have at least 1 item"),
        ({"labels": ("joy", "joy")}, "labels: 'joy' is there twice"),
        ({"labels": "joy"}, "labels: Input should be a valid tuple"),
        ({"threshold": 0}, "threshold: must be a number between 0 and 1, or a mapping"),
        ({"threshold": 1}, "threshold: must be a number between 0 and 1, or a mapping"),
        ({"threshold": True}, "threshold: must be a number between 0 and 1, or a mapping"),
        ({"threshold": "high"}, "threshold: must be a number between 0 and 1, or a mapping"),
        ({"threshold": float("nan")}, "threshold: must be a number between 0 and 1"),
        ({"threshold": None}, "threshold: must be a number between 0 and 1"),
        ({"threshold": {"joy": 1.5}}, "threshold: must be a number between 0 and 1"),
        (
            {"threshold": {"anger": 0.5}},
            "threshold names the label 'anger', which is not among the labels: 'fear', 'joy'",
        ),
        ({"pos_weight": (1.0,)}, "there are 1 pos_weight for 2 labels"),
        ({"pos_weight": (1.0, 0.0)}, "pos_weight.1: Input should be greater than 0"),
        ({"pos_weight": (1.0, float("inf"))}, "pos_weight.1: Input should be a finite number"),
        ({"pos_weight": "even"}, "pos_weight: must be 'balanced' or a list of numbers"),
        ({"layers": 0}, "layers: Input should be greater than or equal to 1 (got 0)"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_one_line(options, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        configure(options)
    assert "\n" not in str(caught.value)


def test_a_config_survives_json():
    config = MultilabelHeadConfig(
        labels=("a", "é"), threshold={"é": 0.25}, pos_weight=(1, 2.5), hidden=2
    )
    assert MultilabelHeadConfig.model_validate_json(config.model_dump_json()) == config
