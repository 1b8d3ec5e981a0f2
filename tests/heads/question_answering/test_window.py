import pytest

from polyhead.batch import Row
from polyhead.heads.question_answering.window import ContextWindow
from polyhead.tokenizer import TextSettings


def test_a_window_is_the_part_of_the_row_behind_the_question(tiny_tokenizer):
    tokenizer = tiny_tokenizer.with_settings(TextSettings(max_length=8))
    [rows] = tokenizer.windows(["the cat"], ["red xyz mat"], overlap=1)
    first, second = (ContextWindow.of(row) for row in rows)
    # [CLS] the cat [SEP] red x ##y [SEP], then [CLS] the cat [SEP] ##y ##z mat [SEP]
    assert (first.first, first.start, len(first)) == (4, 0, 3)
    assert (second.first, second.start, len(second)) == (4, 2, 3)
    assert rows[1].ids[second.places] == tuple(tokenizer.token_id(t) for t in ("##y", "##z", "mat"))
    assert second.sub_words == range(2, 5)
    assert list(second.words) == [1, 1, 2]
    assert list(second.offsets) == [(5, 6), (6, 7), (8, 11)]


def test_a_row_without_offsets_is_refused():
    with pytest.raises(TypeError, match="no offsets"):
        ContextWindow.of(Row((2, 5, 3, 6, 3)))
