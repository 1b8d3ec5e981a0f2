import re

import pytest

from polyhead.errors import ConfigError, InputError
from polyhead.heads import ClassificationHead, ClassificationHeadConfig, TextExample

TWO = ("no", "yes")


def examples(*labels):
    return [TextExample(text="a text", label=label) for label in labels]


def configure(options, labels=("yes", "no", "yes")):
    return ClassificationHead.configure(options, examples(*labels))


def test_labels_are_those_of_the_examples_in_sorted_order():
    assert configure({}, ("b", "a", "B", "10", "9")).labels == ("10", "9", "B", "a", "b")


def test_given_labels_keep_their_order_and_may_be_more_than_the_data_has():
    assert configure({"labels": ["yes", "maybe", "no"]}).labels == ("yes", "maybe", "no")


def test_given_labels_may_be_numbers():
    assert configure({"labels": (1, 0)}, (0, 1)).labels == ("1", "0")


def test_given_labels_need_no_examples():
    assert ClassificationHead.configure({"labels": TWO}, []).labels == TWO


def test_options_become_fields():
    config = configure({"layers": 1, "dropout": 0.3, "pooling": "mean", "bias": False})
    expected = {"layers": 1, "dropout": 0.3, "pooling": "mean", "bias": False}
    assert config.model_dump(include=set(expected)) == expected


def test_balanced_weights_give_every_label_the_same_share_of_the_loss():
    config = configure({"class_weights": "balanced"}, ("a", "a", "a", "b"))
    assert config.class_weights == (4 / (2 * 3), 4 / (2 * 1))


def test_balanced_weights_follow_the_order_of_given_labels():
    config = configure({"class_weights": "balanced", "labels": ("b", "a")}, ("a", "a", "a", "b"))
    assert config.class_weights == (2.0, 4 / 6)


@pytest.mark.parametrize(
    ("options", "labels", "message"),
    [
        ({}, (), "there are no training examples for a classification task to learn from."),
        ({"class_weights": "balanced"}, (), "there are no training examples"),
        ({}, ("a", None), "1 of 2 training examples have no label"),
        ({"labels": TWO}, ("yes", None, None), "2 of 3 training examples have no label"),
        ({}, ("a", "a"), "all 2 training examples have the label 'a'"),
        ({"labels": TWO}, ("yes", "yes"), "all 2 training examples have the label 'yes'"),
        (
            {"labels": TWO},
            ("yes", "no", "maybe"),
            "example 3: the label 'maybe' is not among the given ones: 'no', 'yes'.",
        ),
        (
            {"labels": ("no", "yes", "maybe"), "class_weights": "balanced"},
            ("yes", "no"),
            "no training example has the label 'maybe'",
        ),
        (
            {"labels": TWO, "class_weights": "balanced"},
            (),
            "no training example has the label 'no'",
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
        (
            {"layer": 1},
            "unknown field 'layer'. The fields of head kind 'classification' are: labels,",
        ),
        ({"layers": 0}, "layers: Input should be greater than or equal to 1 (got 0)"),
        ({"dropout": 1}, "dropout: Input should be less than 1"),
        ({"first_dropout": -0.1}, "first_dropout: Input should be greater than or equal to 0"),
        ({"activation": "tan"}, "activation: unknown activation; known: gelu"),
        ({"pooling": "first"}, "pooling: Input should be 'mean', 'max' or 'cls'"),
        ({"labels": "yes,no"}, "labels: Input should be a valid tuple"),
        ({"labels": ("yes",)}, "labels: Tuple should have at least 2 items"),
        ({"labels": ("yes", "")}, "labels.1: a label is a text that is not empty"),
        ({"labels": ("yes", "no", "yes")}, "labels: 'yes' is there twice"),
        ({"class_weights": (1.0,)}, "there are 1 class_weights for 2 labels"),
        ({"class_weights": (1.0, 0.0)}, "class_weights.1: Input should be greater than 0"),
        (
            {"class_weights": (1.0, float("inf"))},
            "class_weights.1: Input should be a finite number",
        ),
        ({"class_weights": "even"}, "class_weights: must be 'balanced' or a list of numbers"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_one_line(options, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        configure(options)
    assert "\n" not in str(caught.value)


def test_a_long_list_of_labels_is_cut_short_in_messages():
    labels = [f"l{number}" for number in range(100)]
    with pytest.raises(InputError, match="'l11' and 88 more"):
        configure({"labels": labels}, ("other", "l0"))


def test_a_config_survives_json():
    config = ClassificationHeadConfig(
        labels=("a", "é", "1"),
        layers=3,
        activation="GELU",
        class_weights=(1, 2.5, 3),
        pooling="max",
    )
    assert ClassificationHeadConfig.model_validate_json(config.model_dump_json()) == config
    assert config.activation == "gelu"


def test_defaults_are_those_of_the_adapters_library_but_for_dropout_and_pooling():
    config = ClassificationHeadConfig(labels=TWO)
    assert config.model_dump() == {
        "hidden": "last",
        "labels": TWO,
        "layers": 2,
        "activation": "tanh",
        "dropout": 0.1,
        "first_dropout": None,
        "pooling": "mean",
        "class_weights": None,
        "bias": True,
    }
