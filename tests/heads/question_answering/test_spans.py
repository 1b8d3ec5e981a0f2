import pytest
import torch

from polyhead.contracts import Encoded
from polyhead.errors import InputError
from polyhead.heads import QuestionAnsweringExample, TextExample
from polyhead.heads.question_answering.spans import Span, SpanSearch, WindowLogits, window_logits
from polyhead.tokenizer import TextSettings

CONTEXT = "the red cat's xyz sat on a mat, the bad dog ran"


@pytest.fixture(scope="module")
def windows(tiny_tokenizer):
    """The windows of one context behind a question of one token."""

    def make(context, max_length=64, overlap=4):
        tokenizer = tiny_tokenizer.with_settings(TextSettings(max_length=max_length))
        [rows] = tokenizer.windows(["cat"], [context], overlap=overlap)
        return rows

    return make


def random_logits(context, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(rows), max(len(row) for row in rows))
    start, end = torch.randn(2, *shape, generator=generator)
    return WindowLogits(QuestionAnsweringExample(question="cat", context=context), rows, start, end)


def peaks(context, rows, *places):
    """Logits of 0 with peaks at (window, first token, last token, score)."""
    start = torch.zeros(len(rows), max(len(row) for row in rows))
    end = torch.zeros_like(start)
    for window, first, last, score in places:
        start[window, first] = end[window, last] = score / 2
    return WindowLogits(QuestionAnsweringExample(question="cat", context=context), rows, start, end)


def by_trying_all(search, logits):
    """The same spans, found one by one."""
    rows, words, best = logits.rows, {}, {}
    for row in rows:
        for segment, word, (left, right) in zip(row.segments, row.words, row.offsets, strict=True):
            if segment == 1:
                known = words.get(word, (left, right))
                words[word] = (min(left, known[0]), max(right, known[1]))
    for number, row in enumerate(rows):
        places = [place for place, segment in enumerate(row.segments) if segment == 1]
        for first in places:
            for last in places:
                if not 0 <= last - first < search.max_length:
                    continue
                ends = (row.offsets[first][0], row.offsets[last][1])
                if search.align_to_words:
                    ends = (words[row.words[first]][0], words[row.words[last]][1])
                score = float(logits.start[number, first] + logits.end[number, last])
                best[ends] = max(score, best.get(ends, score))
    spans = [Span(start, end, score) for (start, end), score in best.items()]
    return sorted(spans, key=lambda span: -span.score)[: search.n_best]


@pytest.mark.parametrize("max_length", [64, 12, 6])
@pytest.mark.parametrize("align_to_words", [True, False])
@pytest.mark.parametrize(("n_best", "longest"), [(1, 30), (7, 3), (100, 1), (10_000, 50)])
def test_spans_are_those_that_trying_all_of_them_gives(
    windows, max_length, align_to_words, n_best, longest
):
    logits = random_logits(CONTEXT, windows(CONTEXT, max_length))
    search = SpanSearch(n_best, longest, align_to_words)
    assert search.spans(logits) == by_trying_all(search, logits)


def test_a_span_is_never_of_the_question_or_of_special_tokens(windows):
    # [CLS] cat [SEP] the dog [SEP]
    rows = windows("the dog")
    logits = peaks("the dog", rows, (0, 1, 1, 90.0), (0, 0, 0, 80.0), (0, 5, 5, 70.0))
    spans = SpanSearch(10, 30).spans(logits)
    assert {(span.start, span.end) for span in spans} == {(0, 3), (4, 7), (0, 7)}


def test_a_start_behind_the_end_is_no_span(windows):
    rows = windows("the dog ran")
    logits = peaks("the dog ran", rows, (0, 5, 3, 20.0))
    # starts at "ran" and ends at "the", so each only counts with an end and a start of its own
    assert SpanSearch(1, 30).spans(logits)[0].score == 10.0


def test_a_place_in_two_windows_counts_once_with_its_best_score(windows):
    context = "the red cat sat on"
    rows = windows(context, max_length=7, overlap=1)
    assert [row.start for row in rows] == [0, 2]
    # "cat" is the last token of the first window and the first of the second
    logits = peaks(context, rows, (0, 5, 5, 4.0), (1, 3, 3, 6.0))
    found = SpanSearch(20, 30).spans(logits)
    assert [span for span in found if (span.start, span.end) == (8, 11)] == [Span(8, 11, 6.0)]
    assert len({(span.start, span.end) for span in found}) == len(found)


def test_words_are_whole_even_where_a_window_cuts_them(windows):
    # x ##y ##z is one word, and no window has all of it
    context = "the xyz"
    rows = windows(context, max_length=6, overlap=0)
    assert [row.start for row in rows] == [0, 2]
    logits = peaks(context, rows, (1, 3, 3, 8.0))
    assert SpanSearch(1, 30).spans(logits)[0] == Span(4, 7, 8.0)
    assert SpanSearch(1, 30, align_to_words=False).spans(logits)[0] == Span(5, 6, 8.0)


def test_combining_marks_stay_with_their_letter(windows):
    context = "bad cafe\u0301 sat"
    rows = windows(context)
    [row] = rows
    last = row.offsets.index((7, 8))
    logits = peaks(context, rows, (0, row.offsets.index((4, 5)), last, 8.0))
    [span] = SpanSearch(1, 30).spans(logits)
    assert context[span.start : span.end] == "cafe\u0301"


def test_leading_white_space_and_emoji_count_as_characters(windows):
    context = " \n👩\u200d💻 cat"
    rows = windows(context)
    [span] = SpanSearch(1, 30).spans(peaks(context, rows, (0, 4, 4, 8.0)))
    assert context[span.start : span.end] == "cat"


def test_no_answer_scores_what_its_worst_window_gives(windows):
    rows = windows(CONTEXT, 12)
    logits = random_logits(CONTEXT, rows)
    both = logits.start[:, 0] + logits.end[:, 0]
    assert logits.null_score == both.min().item()


def test_rows_go_back_to_their_examples(windows):
    encoded = [
        Encoded(QuestionAnsweringExample(question="cat", context=context), windows(context, 12))
        for context in (CONTEXT, "the mat")
    ]
    n_rows = sum(len(item.rows) for item in encoded)
    values = torch.arange(n_rows * 12.0).view(n_rows, 12)
    first, second = window_logits({"start": values, "end": -values}, encoded)
    assert torch.equal(first.start[:, 0], values[:-1, 0])
    assert torch.equal(second.end[0, :6], -values[-1, :6])
    assert (first.rows, second.rows) == (encoded[0].rows, encoded[1].rows)


@pytest.mark.parametrize("part", ["start", "end"])
def test_only_logits_of_tokens_must_be_finite(windows, part):
    rows = windows("the mat")  # 6 tokens
    item = Encoded(QuestionAnsweringExample(question="cat", context="the mat"), rows)
    output = {"start": torch.zeros(1, 8), "end": torch.zeros(1, 8)}
    output[part][0, 6:] = -torch.inf
    [found] = window_logits(output, [item])
    assert found.null_score == 0
    output[part][0, 5] = torch.nan
    with pytest.raises(InputError, match="logits of row 1 are not finite"):
        list(window_logits(output, [item]))


def test_other_outputs_and_examples_are_refused(windows):
    item = Encoded(TextExample(text="the mat"), windows("the mat"))
    with pytest.raises(TypeError, match="dict of start and end logits"):
        list(window_logits(torch.zeros(1, 6), [item]))
    output = {"start": torch.zeros(1, 6), "end": torch.zeros(1, 6)}
    with pytest.raises(TypeError, match="not a question: TextExample"):
        list(window_logits(output, [item]))
