import json
from pathlib import Path

import pytest

from polyhead.heads.question_answering.squad_metrics import (
    answer_f1,
    best_threshold,
    exact_match,
    normalised,
    scores,
)

# written by the implementation of the official script that transformers 4.57 ships
OFFICIAL = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "squad" / "official_metrics.json").read_text(
        encoding="utf-8"
    )
)
QUESTIONS = OFFICIAL["questions"]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["answer"])
def test_scores_are_those_of_the_official_script(question):
    found = scores(question["golds"], question["answer"])
    assert found == pytest.approx((question["exact"], question["f1"]), abs=1e-12)


def test_the_best_threshold_is_that_of_the_official_script():
    best, threshold = best_threshold(
        [scores(question["golds"], question["answer"])[1] for question in QUESTIONS],
        [not question["golds"] for question in QUESTIONS],
        [question["margin"] for question in QUESTIONS],
    )
    figures = OFFICIAL["figures"]["0.0"]
    assert 100 * best == pytest.approx(figures["best_f1"])
    assert threshold == figures["best_f1_thresh"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The  Cat,\n a dog & an ANT!", "cat dog ant"),
        ("theatre another banana", "theatre another banana"),
        ("U.S.A.", "usa"),
        ("«Été»", "«été»"),
        ("", ""),
    ],
)
def test_normalisation_drops_case_punctuation_articles_and_white_space(answer, expected):
    assert normalised(answer) == expected


def test_f1_counts_each_word_as_often_as_it_is_there():
    # 2 of 3 words of the answer and 2 of 4 of the gold one: 2 * (2/3 * 1/2) / (2/3 + 1/2)
    assert answer_f1("x x y z", "x x x") == pytest.approx(4 / 7)


@pytest.mark.parametrize(("gold", "answer", "f1"), [("", "", 1), ("", "x", 0), ("x", "", 0)])
def test_f1_of_no_words_is_1_only_against_no_words(gold, answer, f1):
    assert answer_f1(gold, answer) == f1
    assert exact_match(gold, answer) == f1


def test_the_gold_answer_that_fits_best_counts():
    assert scores(["red", "red mat"], "the red mat") == (1, 1)
    assert scores([], "") == (1, 1)
    assert scores([], "red") == (0, 0)


def test_a_threshold_that_refuses_everything_does():
    best, threshold = best_threshold([0.0, 0.5], [True, True], [-3.0, -1.0])
    assert best == 1
    assert threshold < -3.0


def test_questions_with_one_margin_share_their_fate():
    # refusing only one of the two is not possible, and both is better than none
    best, threshold = best_threshold([1.0, 0.0, 0.0], [False, True, True], [2.0, 2.0, 5.0])
    assert best == pytest.approx(2 / 3)
    assert threshold < 2.0
