import re

import pytest

from polyhead.errors import ConfigError, InputError
from polyhead.heads import RegressionExample, RegressionHead, RegressionHeadConfig
from polyhead.registry import registry


def examples(*labels):
    return [RegressionExample(text="a text", label=label) for label in labels]


def configure(options, labels=(1.0, 2.0, 6.0)):
    return RegressionHead.configure(options, examples(*labels))


def test_mean_and_scale_are_those_of_the_labels():
    config = configure({})
    assert config.outputs == ("score",)
    assert config.target_mean == (3.0,)
    assert config.target_scale == pytest.approx(((4 + 1 + 9) ** 0.5 / 3**0.5,))


def test_every_output_has_its_own_mean_and_scale():
    config = configure({"outputs": ("a", "b")}, ([0, 100], [2, 300]))
    assert config.target_mean == (1.0, 200.0)
    assert config.target_scale == (1.0, 100.0)


def test_mappings_name_the_outputs_in_sorted_order():
    config = configure({}, ({"b": 1, "a": 10}, {"a": 30, "b": 3}))
    assert config.outputs == ("a", "b")
    assert config.target_mean == (20.0, 2.0)


def test_given_outputs_keep_their_order():
    config = configure({"outputs": ("b", "a")}, ({"b": 1, "a": 10}, {"a": 30, "b": 3}))
    assert config.outputs == ("b", "a")
    assert config.target_mean == (2.0, 20.0)


@pytest.mark.parametrize(
    "off", [{"target_mean": None, "target_scale": None}, {"target_mean": 0, "target_scale": 1}]
)
def test_a_given_mean_and_scale_are_kept(off):
    assert configure(off).mean_and_scale == ((0.0,), (1.0,))


def test_what_is_not_given_of_mean_and_scale_is_learnt():
    config = configure({"target_mean": 2.5}, (1.0, 3.0))
    assert config.mean_and_scale == ((2.5,), (1.0,))


def test_a_head_without_examples_needs_both_given():
    config = RegressionHead.configure({"target_mean": None, "target_scale": 2}, [])
    assert config.mean_and_scale == ((0.0,), (2.0,))
    with pytest.raises(InputError, match="there are no training examples for a regression task"):
        RegressionHead.configure({"target_scale": 2}, [])


def test_a_config_string_takes_one_name_and_one_number():
    head, options = registry().head_spec("regression[outputs=price,target_mean=5,target_scale=0.5]")
    assert head is RegressionHead
    config = head.configure(options, [])
    assert config.outputs == ("price",)
    assert config.mean_and_scale == ((5.0,), (0.5,))


def test_lists_may_stand_beside_mappings_where_the_order_is_given():
    config = configure({"outputs": ("b", "a")}, ({"a": 1, "b": 2}, [4, 3]))
    assert config.target_mean == (3.0, 2.0)


@pytest.mark.parametrize(
    ("options", "labels", "message"),
    [
        ({}, (), "there are no training examples for a regression task to learn from."),
        ({}, (1.0, None), "1 of 2 training examples have no label; a regression task"),
        ({}, (3.0,), "all 1 training examples have the same value of 'score', or nearly: 3;"),
        ({}, (3.0, 3.0), "all 2 training examples have the same value of 'score', or nearly: 3;"),
        ({}, (0.1, 0.1, 0.1), "the same value of 'score', or nearly: 0.1;"),
        ({}, (0.0, 0.0), "the same value of 'score', or nearly: 0;"),
        ({}, (1e9, 1e9 + 1), "the same value of 'score', or nearly: 1e+09;"),
        (
            {"target_mean": 0, "target_scale": 1},
            (3.0, 3.0),
            "all 2 training examples have the same value of 'score'",
        ),
        ({"outputs": ("a", "b")}, ([1, 5], [2, 5]), "the same value of 'b', or nearly: 5;"),
        ({}, (1.0, [1, 2]), "example 2: the label has 2 values and this head 1 output: 'score'"),
        ({}, ([1, 2], [3, 4]), "example 1: the label has 2 values and this head 1 output"),
        ({"outputs": ("a", "b")}, (1.0, 2.0), "example 1: the label has 1 value and this head 2"),
        ({}, ({"a": 1}, 2.0), "example 2: the label names no outputs, as 1 of 2 training labels"),
        ({}, ([1, 2], {"a": 1, "b": 2}), "example 1: the label names no outputs"),
        ({}, ({"a": 1}, {"b": 1}), "example 2: the label has a value for 'b', which is no output"),
        ({}, ({"a": 1, "b": 2}, {"b": 1}), "example 2: the label has no value for the output 'a'"),
    ],
)
def test_examples_that_make_no_task_are_refused_in_one_line(options, labels, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        configure(options, labels)
    assert "\n" not in str(caught.value)


def test_the_example_at_fault_is_told_by_its_place():
    with pytest.raises(InputError) as caught:
        configure({}, (1.0, 2.0, [1, 2]))
    assert caught.value.index == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "a"}, "unknown field 'output'. The fields of head kind 'regression' are:"),
        ({"outputs": ()}, "outputs: Tuple should have at least 1 item"),
        ({"outputs": ("a", "a")}, "outputs: 'a' is there twice"),
        ({"outputs": ("",)}, "outputs.0: a label is a text that is not empty"),
        ({"outputs": True}, "outputs: Input should be a valid tuple"),
        ({"target_mean": (1, 2)}, "target_mean has 2 numbers for 1 outputs"),
        ({"target_scale": (1, 2)}, "target_scale has 2 numbers for 1 outputs"),
        ({"target_scale": 0}, "target_scale.0: Input should be greater than 0"),
        ({"target_scale": -1}, "target_scale.0: Input should be greater than 0"),
        ({"target_mean": float("nan")}, "target_mean.0: Input should be a finite number"),
        ({"target_scale": "auto"}, "target_scale.0: Input should be a valid number"),
        ({"layers": 0}, "layers: Input should be greater than or equal to 1 (got 0)"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_one_line(options, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        configure(options)
    assert "\n" not in str(caught.value)


def test_a_config_survives_json():
    config = RegressionHeadConfig(
        outputs=("a", "é"), target_mean=(0.1, -2), target_scale=(1e-3, 7), hidden="mix"
    )
    assert RegressionHeadConfig.model_validate_json(config.model_dump_json()) == config
    assert config.model_copy().mean_and_scale == ((0.1, -2.0), (1e-3, 7.0))


def test_by_default_the_outputs_are_not_scaled():
    config = RegressionHeadConfig()
    assert (config.target_mean, config.target_scale) == (None, None)
    assert config.mean_and_scale == ((0.0,), (1.0,))
