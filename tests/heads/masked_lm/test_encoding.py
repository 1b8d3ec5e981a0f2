import pytest
import torch
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from polyhead.errors import InputError
from polyhead.heads import MaskedLMExample
from polyhead.heads.masked_lm.encoding import IGNORED, encode_texts
from polyhead.tokenizer import TextSettings, Tokenizer


def encode(tokenizer, *texts, keep_words=False):
    examples = [MaskedLMExample(text=text) for text in texts]
    return encode_texts(examples, tokenizer, keep_words=keep_words)


def test_every_token_but_the_special_ones_is_its_own_target(tiny_tokenizer):
    (text,) = encode(tiny_tokenizer, "the [MASK] sat 犬 on [SEP] mats")
    (row,) = text.rows
    special = {0, 1, 2, 3, 4}
    assert special.intersection(row.ids) == {1, 2, 3, 4}
    expected = [IGNORED if token in special else token for token in row.ids]
    assert text.target.tolist() == expected
    assert text.target.dtype == torch.int64


def test_masks_are_found_among_the_tokens_of_all_rows(tiny_tokenizer):
    tokenizer = tiny_tokenizer.with_settings(TextSettings(max_length=4))
    (text,) = encode(tokenizer, "the [MASK] sat on [MASK]")
    ids = [token for row in text.rows for token in row.ids]
    assert [len(row) for row in text.rows] == [4, 4, 3]
    assert text.masks == [2, 9]
    assert [ids[place] for place in text.masks] == [4, 4]


def test_a_long_text_becomes_rows_that_hold_each_token_once(tiny_tokenizer):
    words = "the cat sat on the mat and the dog ran"
    (whole,) = encode(tiny_tokenizer, words)
    (text,) = encode(tiny_tokenizer.with_settings(TextSettings(max_length=6)), words)
    assert len(text.rows) > 1
    assert all(len(row) <= 6 and row.n_dropped == 0 for row in text.rows)
    inner = [token for row in text.rows for token in row.ids[1:-1]]
    assert inner == list(whole.rows[0].ids[1:-1])
    assert len(text.target) == text.n_tokens


def test_words_are_kept_where_they_are_asked_for(tiny_tokenizer):
    (lean,) = encode(tiny_tokenizer, "cats sat")
    (full,) = encode(tiny_tokenizer, "cats sat", keep_words=True)
    assert lean.rows[0].words is None
    assert full.rows[0].words == (-1, 0, 0, 1, -1)
    assert lean.rows[0].offsets is full.rows[0].offsets is None


def test_a_text_without_words_is_refused_with_its_place(tiny_tokenizer):
    with pytest.raises(InputError, match="the text has no words") as error:
        encode(tiny_tokenizer, "the cat", "\n")
    assert error.value.index == 1


def test_a_vocabulary_without_a_mask_is_refused():
    vocabulary = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good"])}
    tokenizer = Tokenizer(BertWordPieceTokenizer(vocab=vocabulary)._tokenizer)
    with pytest.raises(InputError, match=r"no \[MASK\] token"):
        encode(tokenizer, "good")
