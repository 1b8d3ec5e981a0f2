"""What a call returns: a mapping, and where each token came from."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch

from polyhead.distilbert.tokenization.encoding import BatchEncoding, CharSpan, TokenSpan
from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer
from polyhead.errors import ConfigError, InputError


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary) -> DistilBertTokenizer:
    return DistilBertTokenizer({token: number for number, token in enumerate(tiny_vocabulary)})


@pytest.fixture
def pairs(tokenizer) -> BatchEncoding:
    """Tokens: [CLS] the cat ##s [SEP] red mat [SEP], and a row of fewer."""
    return tokenizer(["the  cats", "a"], ["red mat", "b"])


def test_values_are_keys_and_attributes(tokenizer):
    found = tokenizer("the cat")
    assert found.input_ids == found["input_ids"] == found.data["input_ids"]
    assert list(found) == ["input_ids", "attention_mask"]
    assert dict(**found) == dict(found)
    assert found.get("labels") is None
    found["labels"] = [1]
    assert found.labels == [1]
    with pytest.raises(AttributeError, match="no 'token_type_ids'; it has: input_ids, attention"):
        _ = found.token_type_ids
    with pytest.raises(KeyError):
        found["token_type_ids"]


def test_a_number_as_key_is_the_row_of_the_library(pairs):
    assert pairs[1].tokens == ["[CLS]", "a", "[SEP]", "b", "[SEP]"]
    assert [len(row) for row in pairs[:2]] == [8, 5]
    assert pairs.encodings[0].ids == pairs["input_ids"][0]
    assert pairs.is_fast


def test_tokens_words_and_texts_are_told_for_each_row(pairs):
    assert pairs.tokens() == ["[CLS]", "the", "cat", "##s", "[SEP]", "red", "mat", "[SEP]"]
    assert pairs.tokens(-1) == pairs.tokens(1)
    assert pairs.word_ids() == [None, 0, 1, 1, None, 0, 1, None]
    assert pairs.sequence_ids() == [None, 0, 0, 0, None, 1, 1, None]
    assert pairs.n_sequences == 2


def test_places_are_found_with_and_without_a_row(pairs):
    assert pairs.token_to_chars(3) == pairs.token_to_chars(0, 3) == CharSpan(8, 9)
    assert pairs.token_to_chars(1, 1) == CharSpan(0, 1)
    assert pairs.token_to_chars(0) is None
    assert pairs.token_to_word(0, 3) == 1
    assert pairs.token_to_word(-2) == 1
    assert pairs.token_to_sequence(5) == 1
    assert pairs.token_to_sequence(1, -2) == 1
    assert pairs.word_to_tokens(1) == TokenSpan(2, 4)
    assert pairs.word_to_tokens(0, 1, sequence_index=1) == TokenSpan(6, 7)
    assert pairs.word_to_tokens(9) is None
    assert pairs.word_to_chars(1) == CharSpan(5, 9)
    assert pairs.word_to_chars(9) is None
    assert pairs.char_to_token(8) == 3
    assert pairs.char_to_token(0, 5, sequence_index=1) == 6
    assert pairs.char_to_token(4) is None
    assert pairs.char_to_word(0, 7) == 1
    assert pairs.char_to_word(4) is None


def test_places_that_are_not_there_are_refused(pairs):
    with pytest.raises(InputError, match="there is no row 2; there are 2"):
        pairs.tokens(2)
    with pytest.raises(InputError, match="there is no token 8; row 0 has 8"):
        pairs.token_to_chars(8)
    with pytest.raises(InputError, match="there is no token -6; row 1 has 5"):
        pairs.token_to_word(1, -6)
    with pytest.raises(InputError, match="count from 0; there is none at -1"):
        pairs.word_to_tokens(-1)


def test_what_was_only_padded_knows_no_texts(tokenizer):
    found = tokenizer.pad({"input_ids": [[1, 2], [3]]})
    assert not found.is_fast
    assert found.encodings is None
    assert found[:1] == {"input_ids": [[1, 2]], "attention_mask": [[1, 1]]}
    with pytest.raises(InputError, match="does not know its texts; call the tokenizer on them"):
        found.tokens()
    with pytest.raises(KeyError):
        found[0]


def test_values_become_tensors_and_move(tokenizer):
    found = tokenizer(["the", "a"])
    assert found.convert_to_tensors("pt") is found
    assert found["input_ids"].dtype == torch.int64
    assert found.convert_to_tensors("pt")["input_ids"] is found["input_ids"]
    found["names"] = ["x", "y"]
    assert found.to("meta") is found
    assert found["input_ids"].device.type == "meta"
    assert found["names"] == ["x", "y"]
    assert tokenizer("a", return_tensors="pt").to(torch.device("cpu"))["input_ids"].shape == (1, 3)


def test_a_row_gets_an_axis_for_rows(tokenizer):
    alone = tokenizer("the cat")
    found = BatchEncoding(alone.data, alone.encodings[0], tensor_type="np", prepend_batch_axis=True)
    assert found["input_ids"].shape == (1, 4)
    assert isinstance(found["input_ids"], np.ndarray)
    assert found.tokens() == alone.tokens()
    assert found.n_sequences == 1
    assert BatchEncoding(alone.data).convert_to_tensors(None)["input_ids"] == alone["input_ids"]
    assert BatchEncoding().n_sequences is None


def test_values_that_are_tensors_stay_as_they_are():
    ids = np.zeros((2, 3), dtype=np.int32)
    assert BatchEncoding({"input_ids": ids}, tensor_type="np")["input_ids"] is ids


def test_rows_of_different_lengths_are_no_tensor():
    with pytest.raises(InputError, match=r"rows of 'x' differ in length \(1 to 2\)"):
        BatchEncoding({"x": [[1], [1, 2]]}, tensor_type="pt")
    with pytest.raises(InputError, match="rows of 'x' differ in length and are no tensor"):
        BatchEncoding({"x": [[1], 2]}, tensor_type="np")


def test_a_place_that_is_no_device_is_refused(tokenizer):
    with pytest.raises(InputError, match=r"goes to a device, and torch\.float16 is none"):
        tokenizer("a").to(torch.float16)
    with pytest.raises(ConfigError, match="return_tensors must be 'pt'"):
        tokenizer("a").convert_to_tensors("jax")


def test_a_copy_and_a_pickle_are_equal(pairs):
    for other in (deepcopy(pairs), pickle.loads(pickle.dumps(pairs))):  # noqa: S301 - our own
        assert other == pairs
        assert other.tokens() == pairs.tokens()
