from dataclasses import replace

import pytest
import torch

from polyhead.batch import Row
from polyhead.pipelines.answer_spans import (
    AnswerSpan,
    WindowScores,
    best_answers,
    words_of_context,
)

# [CLS] q [SEP] ab c d [SEP], where "ab" is two sub-words of one word
ROW = Row(
    ids=(2, 5, 3, 6, 7, 8, 9, 3),
    offsets=((0, 0), (0, 1), (0, 0), (0, 1), (1, 2), (3, 4), (5, 6), (0, 0)),
    segments=(-1, 0, -1, 1, 1, 1, 1, -1),
    words=(-1, 0, -1, 0, 0, 1, 2, -1),
)


def window(start: list[float], end: list[float]) -> WindowScores:
    return WindowScores.of(ROW, torch.tensor([start, end]))


LOGITS = [1.0, 9.0, 9.0, 3.0, 1.0, 2.0, 0.0, 9.0]


def test_probabilities_are_those_of_the_context_and_of_no_answer():
    scores = window(LOGITS, LOGITS)
    expected = torch.tensor([1.0, 3, 1, 2, 0]).softmax(dim=0)
    torch.testing.assert_close(scores.start[[0, 3, 4, 5, 6]], expected)
    assert scores.start[[1, 2, 7]].tolist() == [0, 0, 0]
    assert scores.null_score == pytest.approx(float(expected[0] ** 2))


def test_spans_are_ordered_pairs_of_context_tokens():
    spans = window(LOGITS, LOGITS).spans(100, 15)
    assert {(span.start, span.end) for span in spans} == {
        *((0, 1), (0, 2), (0, 4), (0, 6), (1, 2), (1, 4), (1, 6), (3, 4), (3, 6), (5, 6)),
    }
    scores = [span.score for span in spans]
    assert scores == sorted(scores, reverse=True)
    assert (spans[0].start, spans[0].end) == (0, 1)


def test_no_span_has_more_tokens_than_asked():
    spans = window(LOGITS, LOGITS).spans(100, 2)
    assert {(span.start, span.end) for span in spans} == {
        *((0, 1), (0, 2), (1, 2), (1, 4), (3, 4), (3, 6), (5, 6)),
    }


def test_spans_grow_to_words():
    spans = window(LOGITS, LOGITS).spans(100, 1, words_of_context([ROW]))
    assert [(span.start, span.end) for span in spans] == [(0, 2), (3, 4), (0, 2), (5, 6)]


def test_a_window_without_context_has_no_span():
    row = Row(ids=(2, 3), offsets=((0, 0),) * 2, segments=(-1, -1), words=(-1, -1))
    assert WindowScores.of(row, torch.zeros(2, 2)).spans(5, 5) == []


def test_a_word_that_windows_cut_is_whole_where_both_are_seen():
    other = replace(ROW, offsets=(*ROW.offsets[:3], (2, 4), *ROW.offsets[4:]))
    assert words_of_context([ROW])[0] == (0, 2)
    assert words_of_context([ROW, other])[0] == (0, 4)


def test_scores_of_one_text_are_added_wherever_it_stands():
    context = "Red cat, red dog"
    spans = [AnswerSpan(0, 3, 0.25), AnswerSpan(4, 7, 0.375), AnswerSpan(9, 12, 0.25)]
    assert best_answers(context, spans, None, 5) == [
        {"score": 0.5, "start": 0, "end": 3, "answer": "Red"},
        {"score": 0.375, "start": 4, "end": 7, "answer": "cat"},
    ]


def test_no_answer_is_ranked_among_the_others():
    spans = [AnswerSpan(0, 3, 0.25), AnswerSpan(4, 7, 0.75)]
    found = best_answers("red cat", spans, 0.5, 2)
    assert [item["answer"] for item in found] == ["cat", ""]
