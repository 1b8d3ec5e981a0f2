import pytest
from polyhead_dependency import DependencyExample, DependencyHead, DependencyHeadConfig

import polyhead as ph

EXAMPLES = [
    DependencyExample(tokens=["Ada", "wrote"], heads=[2, 0], deprels=["nsubj", "root"]),
    DependencyExample(tokens=["Go", "!"], heads=[0, 1], deprels=["root", "punct"]),
]
UNLABELLED = DependencyExample(text="Ada wrote")


def test_the_relations_are_all_that_occur_sorted():
    config = DependencyHead.configure({"arc_width": 64}, EXAMPLES)
    assert config.labels == ("nsubj", "punct", "root")
    assert config.arc_width == 64


def test_given_relations_keep_their_order_and_need_no_examples():
    labels = ("root", "punct", "nsubj")
    assert DependencyHead.configure({"labels": labels}, []).labels == labels
    assert DependencyHead.configure({"labels": labels}, EXAMPLES).labels == labels


def test_the_root_relation_is_the_one_that_roots_alone_have():
    assert DependencyHead.configure({}, EXAMPLES).root_relation == "root"
    assert DependencyHead.configure({"root_relation": None}, EXAMPLES).root_relation is None
    other_root = DependencyExample(tokens=["Ada"], heads=[0], deprels=["nsubj"])
    assert DependencyHead.configure({}, [*EXAMPLES, other_root]).root_relation is None
    other_word = DependencyExample(tokens=["a", "b"], heads=[0, 1], deprels=["root", "root"])
    assert DependencyHead.configure({}, [*EXAMPLES, other_word]).root_relation is None


@pytest.mark.parametrize(
    ("options", "examples", "reason"),
    [
        ({}, [], "there are no training examples for a dependency task to learn from"),
        ({}, [*EXAMPLES, UNLABELLED], "1 of 3 training examples have no heads"),
        ({"labels": ("root", "nsubj")}, EXAMPLES, "example 2: the relation 'punct' is unknown"),
    ],
)
def test_examples_that_make_no_task_are_refused(options, examples, reason):
    with pytest.raises(ph.InputError, match=reason):
        DependencyHead.configure(options, examples)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"labels": ()}, "labels"),
        ({"labels": ("root", "root")}, "'root' is there twice"),
        ({"arc_width": 0}, "arc_width is 0 and relation_width is 128; both are 0 or none is"),
        ({"root_relation": "top"}, "root_relation 'top' is none of the labels"),
        ({"decoding": "eisner"}, "'projective', 'nonprojective' or 'greedy'"),
        ({"pooling": "last"}, "'first' or 'mean'"),
        ({"activation": "step"}, "unknown activation"),
        ({"dropout": 1.0}, "dropout"),
        ({"width": 3}, "unknown field 'width'"),
    ],
)
def test_a_config_that_does_not_hold_together_is_refused(options, reason):
    with pytest.raises(ph.ConfigError) as caught:
        DependencyHead.configure({"labels": ("root", "punct"), **options}, [])
    assert "head kind 'dependency'" in str(caught.value)
    assert reason in str(caught.value)


def test_a_config_survives_json():
    config = DependencyHeadConfig(labels=("a", "b"), activation="GELU", hidden=2)
    assert config.activation == "gelu"
    assert DependencyHeadConfig.model_validate_json(config.model_dump_json()) == config
