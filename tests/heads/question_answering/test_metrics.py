import json
from pathlib import Path

import pytest
import torch

from polyhead.contracts import Encoded
from polyhead.errors import InputError
from polyhead.heads import (
    QuestionAnsweringExample,
    QuestionAnsweringHead,
    QuestionAnsweringHeadConfig,
)
from polyhead.heads.question_answering.metrics import QuestionAnsweringMetrics
from polyhead.tokenizer import TextSettings

OFFICIAL = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "squad" / "official_metrics.json").read_text(
        encoding="utf-8"
    )
)
CONTEXT = "the red cat sat"


@pytest.fixture
def update(tiny_tokenizer):
    """Gives metrics a question on "the red cat sat" whose best span and margin are chosen."""

    def give(metrics, golds, first, last, *, margin=-1.0, context=CONTEXT):
        tokenizer = tiny_tokenizer.with_settings(TextSettings(max_length=32))
        [rows] = tokenizer.windows(["cat"], [context], overlap=0)
        start, end = torch.zeros(2, 1, len(rows[0]))
        start[0, 3:-1][first] = end[0, 3:-1][last] = 10
        start[0, 0] = 20 + margin
        answers = None if golds is None else [_answer(context, gold) for gold in golds]
        example = QuestionAnsweringExample(question="cat", context=context, answers=answers)
        metrics.update({"start": start, "end": end}, [Encoded(example, rows)])

    return give


def _answer(context, text):
    return {"text": text, "answer_start": max(0, context.find(text))}


def metrics(**fields):
    return QuestionAnsweringMetrics(QuestionAnsweringHeadConfig(**fields))


def test_figures_are_means_over_the_questions(update):
    found = metrics()
    update(found, ["red cat"], 1, 2)  # right
    update(found, ["sat", "cat sat"], 2, 2)  # "cat": F1 2/3 with the second gold answer
    update(found, ["red"], 3, 3)  # wrong
    assert found.primary == "f1"
    assert found.compute() == pytest.approx({"exact_match": 1 / 3, "f1": (1 + 2 / 3) / 3})


def test_articles_do_not_count(update):
    found = metrics()
    update(found, ["red cat"], 0, 2)
    assert found.compute() == {"exact_match": 1, "f1": 1}


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_null_answers_are_measured_as_the_official_script_does(update, threshold):
    found = metrics(null_answers=True, null_threshold=threshold)
    for question in OFFICIAL["questions"]:
        # the whole context is the answer
        margin, answer = question["margin"], question["answer"]
        update(found, question["golds"], 0, -1, margin=margin, context=answer)
    expected = OFFICIAL["figures"][str(threshold)]
    assert found.compute() == pytest.approx(
        {
            "exact_match": expected["exact"] / 100,
            "f1": expected["f1"] / 100,
            "has_answer_f1": expected["HasAns_f1"] / 100,
            "no_answer_f1": expected["NoAns_f1"] / 100,
            "best_f1": expected["best_f1"] / 100,
            "best_threshold": expected["best_f1_thresh"],
        }
    )


def test_the_best_threshold_gives_the_best_f1(update):
    questions = [(["red"], 1, 2.0), ([], 1, 3.0), ([], 2, -4.0), (["cat"], 0, 1.0)]

    def figures(threshold):
        found = metrics(null_answers=True, null_threshold=threshold)
        for golds, token, margin in questions:
            update(found, golds, token, token, margin=margin)
        return found.compute()

    first = figures(0.0)
    assert first["best_f1"] > first["f1"]
    assert figures(first["best_threshold"])["f1"] == first["best_f1"]


def test_a_kind_of_question_that_is_not_there_has_no_figure(update):
    found = metrics(null_answers=True)
    update(found, [], 1, 1, margin=1.0)
    assert found.compute() == {
        "exact_match": 1,
        "f1": 1,
        "no_answer_f1": 1,
        "best_f1": 1,
        "best_threshold": pytest.approx(1.0),
    }


def test_without_null_answers_every_question_gets_a_span(update):
    found = metrics()
    update(found, [], 1, 1, margin=50.0)
    assert found.compute() == {"exact_match": 0, "f1": 0}


def test_nothing_to_evaluate_is_refused(update):
    with pytest.raises(InputError, match="no labelled examples"):
        metrics().compute()
    with pytest.raises(InputError, match="no answers to compare with"):
        update(metrics(), None, 1, 1)


def test_the_head_gives_a_fresh_collector_of_its_own_settings(tiny_model, update):
    config = QuestionAnsweringHeadConfig(null_answers=True, max_answer_length=1)
    head = QuestionAnsweringHead(config, tiny_model.shape)
    found = head.metrics()
    update(found, ["red cat"], 1, 2)
    assert "best_f1" in found.compute()
    assert found.compute()["exact_match"] == 0  # "red cat" is longer than an answer may be
    assert head.metrics() is not found
