import re

import pytest

from polyhead.errors import ConfigError, InputError
from polyhead.heads import EmbeddingExample, EmbeddingHead, EmbeddingHeadConfig


def scored(*scores):
    return [EmbeddingExample(text=f"a{n}", text_pair="b", label=s) for n, s in enumerate(scores)]


def pairs(n=3, **fields):
    return [EmbeddingExample(text="a", text_pair=f"b{number}", **fields) for number in range(n)]


def test_pairs_without_scores_are_told_apart_within_the_batch():
    config = EmbeddingHead.configure({}, pairs())
    assert config.loss == "in_batch"
    assert not config.is_scored


def test_the_order_of_scored_pairs_is_learnt():
    config = EmbeddingHead.configure({}, scored(0.2, 4.8))
    assert config.loss == "cosent"
    assert config.is_scored
    assert config.score_range is None


@pytest.mark.parametrize(
    ("scores", "expected"),
    [((0.2, 4.8), (0, 5)), ((0, 1), (0, 1)), ((-0.5, 0.5), (-1, 1)), ((0.2, 0.7), (0, 1))],
)
def test_the_score_range_reaches_to_the_whole_numbers_around_the_scores(scores, expected):
    config = EmbeddingHead.configure({"loss": "cosine"}, scored(*scores))
    assert config.score_range == expected


def test_a_given_loss_and_range_are_kept():
    config = EmbeddingHead.configure({"loss": "cosine", "score_range": [0, 10]}, scored(1, 2))
    assert (config.loss, config.score_range) == ("cosine", (0, 10))


def test_no_examples_make_a_head_that_is_not_trained():
    assert EmbeddingHead.configure({"pooling": "cls"}, []) == EmbeddingHeadConfig(pooling="cls")


def test_one_pair_with_a_negative_is_enough():
    assert EmbeddingHead.configure({}, pairs(1, negatives=("c",))).loss == "in_batch"


@pytest.mark.parametrize(
    ("options", "examples", "message"),
    [
        (
            {},
            [*pairs(), EmbeddingExample(text="a")],
            "example 4: there is no second text, as in 1 of 4 training examples; an embedding task",
        ),
        (
            {},
            [*pairs(), *scored(1, 2)],
            "example 1: 2 of 5 training pairs have a score, and this one has none",
        ),
        ({}, scored(3, 3), "all 2 training pairs have the score 3;"),
        ({}, pairs(1), "one second text among them and no negatives"),
        ({"loss": "in_batch"}, scored(1, 2), "2 of 2 training pairs have a score, and loss="),
        ({"loss": "cosent"}, pairs(), "have no scores, and loss='cosent' learns from them"),
        (
            {"loss": "cosent", "score_range": (0, 1)},
            scored(0.5, 4),
            "example 2: the score 4 is outside score_range 0 to 1",
        ),
    ],
)
def test_examples_that_make_no_task_are_refused_in_one_line(options, examples, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        EmbeddingHead.configure(options, examples)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 3}, "unknown field 'width'"),
        ({"projection": 0}, "projection: Input should be greater than or equal to 1 (got 0)"),
        ({"dropout": 1}, "dropout: Input should be less than 1"),
        ({"scale": 0}, "scale: Input should be greater than 0"),
        ({"loss": "triplet"}, "loss: Input should be 'in_batch', 'cosent' or 'cosine'"),
        ({"pooling": "first"}, "pooling: Input should be 'mean', 'cls' or 'max'"),
        ({"score_range": (5, 0)}, "from the lowest score to the highest"),
        ({"loss": "cosine"}, "loss='cosine' needs a score_range"),
    ],
)
def test_odd_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        EmbeddingHead.configure(options, [])
