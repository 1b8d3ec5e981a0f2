"""Tokenizers built from a vocabulary alone."""

import pytest

from polyhead.errors import CheckpointError
from polyhead.tokenizer.wordpiece import SPECIAL_TOKENS, frame, read_vocabulary, wordpiece_backend

VOCABULARY = {
    token: number for number, token in enumerate([*SPECIAL_TOKENS, "a", "the", "##a", "é", "中"])
}


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({}, {}),
        ({"lowercase": False}, {"do_lower_case": False}),
        ({"strip_accents": False}, {"strip_accents": False}),
        ({"split_chinese": False}, {"tokenize_chinese_chars": False}),
    ],
)
def test_it_is_berts_tokenizer(options, theirs):
    transformers = pytest.importorskip("transformers", minversion="5.0")
    backend = wordpiece_backend(VOCABULARY, **options)
    reference = transformers.BertTokenizerFast(VOCABULARY, **theirs).backend_tokenizer
    for text in ("The aa", "É a中a", "[MASK]a [mask]", "a\x00\ta", "", "b"):
        found, expected = backend.encode(text, "a"), reference.encode(text, "a")
        assert (found.ids, found.offsets) == (expected.ids, expected.offsets)
        assert (found.type_ids, found.word_ids) == (expected.type_ids, expected.word_ids)
    assert backend.decode([5, 7, 6]) == reference.decode([5, 7, 6]) == "aa the"


def test_special_tokens_that_the_vocabulary_lacks_are_left_out():
    backend = wordpiece_backend({"[UNK]": 0, "a": 1})
    assert backend.encode("a b").tokens == ["a", "[UNK]"]
    assert backend.get_vocab_size() == 2


def test_another_frame_stands_around_texts():
    backend = wordpiece_backend(VOCABULARY)
    frame(backend, None, "a")
    assert backend.encode("the", "the").tokens == ["the", "a", "the", "a"]
    frame(backend, "a", "a")
    assert backend.encode("the").tokens == ["a", "the", "a"]


def test_lines_are_tokens_and_their_numbers_are_ids(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("a\nb \n\u2028\n\na\n", encoding="utf-8")
    assert read_vocabulary(path) == {"a": 4, "b ": 1, "\u2028": 2, "": 3}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty; a vocabulary has one token a line"), (b"a\xff", "byte 1 is not UTF-8")],
)
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path, content, message):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_vocabulary(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CheckpointError, match=r"vocab\.txt cannot be read: No such file"):
        read_vocabulary(tmp_path / "vocab.txt")
