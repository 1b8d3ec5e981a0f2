import pytest

import polyhead
from polyhead.pipelines.checkpoint_source import CheckpointSource, CheckpointVocabulary


@pytest.fixture(scope="module")
def source(encoder):
    return CheckpointSource(
        polyhead.AutoModel.from_pretrained(encoder), polyhead.AutoTokenizer.from_pretrained(encoder)
    )


@pytest.fixture(scope="module")
def vocabulary(source) -> CheckpointVocabulary:
    return source.vocabulary


def test_a_bare_encoder_has_no_head(source):
    assert source.head is None
    with pytest.raises(TypeError, match="the DistilBertModel has no head"):
        source.compute([])


def test_rows_are_no_longer_than_tokenizer_and_model_say(encoder, source):
    assert source.max_length == source.max_positions == 40
    model, tokenizer = source.model, polyhead.AutoTokenizer.from_pretrained(encoder)
    tokenizer.model_max_length = 9
    assert CheckpointSource(model, tokenizer).max_length == 9
    tokenizer.model_max_length = int(1e30)
    assert CheckpointSource(model, tokenizer).max_length == 40


def test_tokens_and_ids_are_found(vocabulary):
    assert vocabulary.token(vocabulary.token_id("cat")) == "cat"
    assert vocabulary.token_id("zebra") is None
    assert vocabulary.token(10_000) == ""
    assert vocabulary.token(vocabulary.mask_id) == vocabulary.mask_token == "[MASK]"
    assert vocabulary.token(vocabulary.pad_id) == "[PAD]"
    assert vocabulary.token(vocabulary.unk_id) == "[UNK]"


def test_a_text_has_a_first_token_or_none(vocabulary):
    assert vocabulary.token(vocabulary.first_id("zebra")) == "z"
    assert vocabulary.first_id("  ") is None


def test_ids_are_spelled_with_special_tokens_or_without(vocabulary):
    ids = [vocabulary.token_id(token) for token in ("[CLS]", "cat", "##s", "[SEP]", "[PAD]")]
    assert vocabulary.spell(ids, keep_special=False) == "cats"
    assert vocabulary.spell(ids, keep_special=True) == "[CLS] cats [SEP] [PAD]"
