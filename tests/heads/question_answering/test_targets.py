import json
import unicodedata
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.errors import InputError
from polyhead.heads import QuestionAnsweringExample
from polyhead.heads.question_answering.targets import answer_places, window_targets
from polyhead.tokenizer import TextSettings

SQUAD = Path(__file__).parents[4] / "shared" / "data" / "squad_v1" / "dev.jsonl"
CHARACTERS = "abTHE é É ñ 12.,!?'-£€ 東京タ 한국 \u0301\u0308 \u200d\u200b \t\n\u00a0 👩👍🏽☃️ अनु़ ẞİ"


@pytest.fixture(scope="module")
def windows(tiny_tokenizer):
    """The windows of one context behind a question of one token."""

    def make(context, max_length=12, overlap=4):
        tokenizer = tiny_tokenizer.with_settings(TextSettings(max_length=max_length))
        [rows] = tokenizer.windows(["cat"], [context], overlap=overlap)
        return rows

    return make


def an_example(context, *answers):
    return QuestionAnsweringExample(
        question="cat",
        context=context,
        answers=[{"text": text, "answer_start": start} for text, start in answers],
    )


def text_of(context, row, place):
    return context[row.offsets[place[0]][0] : row.offsets[place[1]][1]]


def test_targets_are_the_first_answers_tokens_behind_the_question(windows):
    # [CLS] cat [SEP] the red cat sat [SEP]
    example = an_example("the red cat sat", ("red cat", 4), ("sat", 12))
    target = window_targets(example, windows(example.context))
    assert torch.equal(target, torch.tensor([[4, 5]]))
    assert target.dtype == torch.int64


def test_the_question_is_never_the_answer(windows):
    example = an_example("the cat", ("cat", 4))
    assert window_targets(example, windows(example.context)).tolist() == [[4, 4]]


def test_only_windows_with_the_whole_answer_point_to_it(windows):
    # 3 tokens of context a window, 1 of them shared: "the red cat", "cat sat on", "on the mat"
    context = "the red cat sat on the mat"
    rows = windows(context, max_length=7, overlap=1)
    assert [row.start for row in rows] == [0, 2, 4]
    assert window_targets(an_example(context, ("cat", 8)), rows).tolist() == [
        [5, 5],
        [3, 3],
        [0, 0],
    ]
    assert window_targets(an_example(context, ("red cat sat", 4)), rows).tolist() == [[0, 0]] * 3


def test_an_answer_within_a_word_takes_the_sub_words_it_touches(windows):
    # "xyz" is x ##y ##z in this vocabulary, "good" one token
    context = "xyz good"
    assert answer_places(windows(context), 1, 2) == [(4, 4)]
    assert answer_places(windows(context), 5, 6) == [(6, 6)]


def test_no_answer_points_to_the_first_token(windows):
    assert window_targets(an_example("the cat"), windows("the cat")).tolist() == [[0, 0]]


def test_unknown_answers_have_no_target(windows):
    example = QuestionAnsweringExample(question="cat", context="the cat")
    assert window_targets(example, windows("the cat")) is None


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            [("red", 20)],
            r"'red' is said .* 20 to 23, outside .* has 15; the context has it at 4 \(answer_start",
        ),
        ([("sat", 13)], "characters 13 to 16, outside of the context, which has 15"),
        ([("the", -1)], "characters -1 to 2, outside of the context"),
        ([("red", 3)], "characters 3 to 6, where the context has ' re'; the context has it at 4"),
        ([("Red", 4)], "where the context has 'red'; the context does not have it"),
        ([("red", 4), ("sat", 11)], "the answer 'sat' .* where the context has ' sa'"),
        ([(" ", 3)], "the answer ' ' has no word"),
    ],
)
def test_answers_that_are_not_where_they_are_said_to_be_are_refused(windows, answers, message):
    context = "the red cat sat"
    with pytest.raises(InputError, match=message):
        window_targets(an_example(context, *answers), windows(context))


def is_silent(character):
    """Whether a tokenizer may drop it: white space, control characters, combining marks."""
    return unicodedata.category(character)[0] in "ZCM"


@given(
    context=st.text(st.sampled_from(CHARACTERS), min_size=1, max_size=40),
    ends=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    max_length=st.integers(5, 40),
    overlap=st.integers(0, 8),
)
def test_the_tokens_of_an_answer_contain_it_in_any_script(
    windows, context, ends, max_length, overlap
):
    start, end = sorted(ends)
    while start < end and (end > len(context) or is_silent(context[end - 1])):
        end -= 1
    while start < end and is_silent(context[start]):
        start += 1
    if start == end:
        return
    rows = windows(context, max_length, overlap)
    whole = windows(context, 256)
    [place] = answer_places(whole, start, end)
    assert context[start:end] in text_of(context, whole[0], place)
    for row, found in zip(rows, answer_places(rows, start, end), strict=True):
        if found is not None:
            assert text_of(context, row, found) == text_of(context, whole[0], place)


@pytest.mark.skipif(not SQUAD.is_file(), reason="the benchmark data is not beside this checkout")
def test_every_answer_of_squad_is_in_a_window_and_is_read_back_whole(windows):
    records = [json.loads(line) for line in SQUAD.read_text(encoding="utf-8").splitlines()[:150]]
    for record in records:
        example = QuestionAnsweringExample(**record)
        # most words are letter by letter in this vocabulary, so the windows are longer
        rows = windows(example.context, 512, 256)
        answer = example.answers[0]
        end = answer.answer_start + len(answer.text)
        found = [
            text_of(example.context, row, place)
            for row, place in zip(rows, answer_places(rows, answer.answer_start, end), strict=True)
            if place is not None
        ]
        assert found
        assert all(answer.text in text for text in found)
