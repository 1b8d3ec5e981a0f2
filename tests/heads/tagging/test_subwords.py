import pytest

from polyhead.batch import Row
from polyhead.heads import TaggingExample
from polyhead.heads.tagging.subwords import SubWords
from polyhead.tokenizer import TextSettings

LONG = "the cat sat onn the mat abc good dog ran abcdefghij red"


def windows(tokenizer, text, max_length, overlap):
    settled = tokenizer.with_settings(TextSettings(max_length=max_length))
    [rows] = settled.windows([text], overlap=overlap)
    return rows


def of_text(tokenizer, text):
    return SubWords.of(windows(tokenizer, text, 128, 0))


def test_one_window_gives_all_but_the_special_tokens(tiny_tokenizer):
    found = of_text(tiny_tokenizer, "the abc on")
    assert list(found.tokens) == [1, 2, 3, 4, 5]
    assert found.offsets == [(0, 3), (4, 5), (5, 6), (6, 7), (8, 10)]
    assert found.starts == [0, 1, 4]
    assert [tiny_tokenizer.token(number) for number in found.ids] == [
        "the",
        "a",
        "##b",
        "##c",
        "on",
    ]


@pytest.mark.parametrize("max_length", [3, 4, 5, 8, 13, 30])
@pytest.mark.parametrize("overlap", [0, 1, 2, 3, 5, 100])
@pytest.mark.parametrize("text", [LONG, LONG.split()], ids=["text", "words"])
def test_windows_give_every_sub_word_once_and_in_order(tiny_tokenizer, text, max_length, overlap):
    whole = of_text(tiny_tokenizer, text)
    rows = windows(tiny_tokenizer, text, max_length, overlap)
    found = SubWords.of(rows)
    assert (found.ids, found.offsets, found.starts) == (whole.ids, whole.offsets, whole.starts)
    ids = [number for row in rows for number in row.ids]
    assert [ids[token] for token in found.tokens] == whole.ids


@pytest.mark.parametrize("max_length", [4, 7, 8, 12, 13])
@pytest.mark.parametrize("overlap", [0, 1, 2, 3, 4, 5, 6])
def test_the_window_with_most_text_on_both_sides_answers(tiny_tokenizer, max_length, overlap):
    rows = windows(tiny_tokenizer, LONG, max_length, overlap)
    n_all = len(of_text(tiny_tokenizer, LONG).ids)
    column_of = [
        (row, column) for row, content in enumerate(rows) for column in range(len(content))
    ]

    def context(row, place):
        """The lesser of what a window has on the left and on the right; a text's end lacks none."""
        start, stop = rows[row].start, rows[row].start + len(rows[row]) - 2
        left = n_all if start == 0 else place - start
        right = n_all if stop == n_all else stop - 1 - place
        return min(left, right)

    for place, token in enumerate(SubWords.of(rows).tokens):
        row, column = column_of[token]
        assert rows[row].start + column - 1 == place
        there = [
            number
            for number, other in enumerate(rows)
            if other.start <= place < other.start + len(other) - 2
        ]
        assert context(row, place) == max(context(number, place) for number in there)


def test_words_that_were_given_keep_characters_that_are_no_tokens(tiny_tokenizer):
    words = ("the", "", "a\u0301b", "\u200bx")
    found = of_text(tiny_tokenizer, list(words)).words_of(TaggingExample(tokens=words))
    text = " ".join(words)
    assert [text[start:end] for start, end in found] == list(words)


def test_words_of_a_text_are_those_of_the_tokenizer(tiny_tokenizer):
    text = " the abc's  mat."
    found = of_text(tiny_tokenizer, text).words_of(TaggingExample(text=text))
    assert [text[start:end] for start, end in found] == ["the", "abc", "'", "s", "mat", "."]


def test_rows_without_offsets_are_a_mistake_of_the_program():
    with pytest.raises(RuntimeError, match="need offsets"):
        SubWords.of([Row((2, 5, 3))])
