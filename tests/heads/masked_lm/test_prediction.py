import json

import pytest
import torch
from transformers import (
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertTokenizerFast,
    FillMaskPipeline,
)

from polyhead.heads import MaskedLMExample
from polyhead.heads.masked_lm.encoding import encode_texts
from polyhead.heads.masked_lm.prediction import filled
from polyhead.tokenizer import TextSettings


@pytest.fixture
def fill(tiny_tokenizer):
    """Fills a text's masks with the tokens given for each."""

    def filling(text, *masks, max_length=32):
        tokenizer = tiny_tokenizer.with_settings(TextSettings(max_length=max_length))
        (encoded,) = encode_texts([MaskedLMExample(text=text)], tokenizer, keep_words=False)
        best = [[(tokenizer.token_id(token), score) for token, score in each] for each in masks]
        return filled(encoded, best)

    return filling


def test_each_token_comes_with_its_text(fill):
    answer = fill("The [MASK] sat.", [("cat", 0.75), ("dog", 0.25)])
    (first, second), *others = answer.masks
    assert not others
    assert (first.token_str, first.score, first.sequence) == ("cat", 0.75, "the cat sat.")
    assert (second.token_str, second.score, second.sequence) == ("dog", 0.25, "the dog sat.")
    assert answer.text == "the cat sat."


def test_with_several_masks_the_others_stay_visible(fill):
    answer = fill("[MASK] cat [MASK] on", [("the", 0.5)], [("sat", 0.5), ("ran", 0.1)])
    assert [[filling.sequence for filling in mask] for mask in answer.masks] == [
        ["the cat [MASK] on"],
        ["[MASK] cat sat on", "[MASK] cat ran on"],
    ]
    assert answer.text == "the cat sat on"


def test_in_a_few_words_it_is_the_three_best_tokens_of_each_mask(fill):
    best = [("the", 0.5), ("on", 0.25), ("is", 0.125), ("mat", 0.0625)]
    answer = fill("[MASK] cat [MASK]", best, best[:1])
    assert str(answer) == "the (0.50), on (0.25), is (0.12); the (0.50)"


def test_a_part_of_a_word_joins_the_word_before(fill):
    answer = fill("cat [MASK] sat", [("##s", 0.5)])
    [[filling]] = answer.masks
    assert answer.text == filling.sequence == "cats sat"
    assert [filling.token_str] == ["##s"]


def test_the_masks_of_all_rows_of_a_long_text_are_filled_in_the_whole_text(fill):
    masks = [[("cat", 0.5)], [("mat", 0.5)]]
    answer = fill("the [MASK] sat on the [MASK]", *masks, max_length=5)
    assert answer.text == "the cat sat on the mat"
    assert answer.masks[1][0].sequence == "the [MASK] sat on the mat"


def test_it_is_json_ready(fill):
    answer = fill("the [MASK]", [("cat", 0.5)])
    assert json.loads(answer.model_dump_json()) == {
        "text": "the cat",
        "masks": [[{"score": 0.5, "token": 6, "token_str": "cat", "sequence": "the cat"}]],
    }


@pytest.fixture(scope="module")
def reference(tiny_vocabulary):
    """Transformers' fill-mask on a random model."""
    vocabulary = {word: number for number, word in enumerate(tiny_vocabulary)}
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=len(vocabulary), dim=16, n_layers=1, n_heads=2, hidden_dim=16
    )
    model = DistilBertForMaskedLM(config).eval()
    return FillMaskPipeline(
        model=model, tokenizer=DistilBertTokenizerFast(vocab=vocabulary), top_k=20
    )


@pytest.mark.parametrize("text", ["The [MASK] sat.", "isn't 犬 a [MASK] cat-mat, ok?", "[MASK]"])
def test_fillings_are_those_of_transformers_own_pipeline(fill, reference, text):
    expected = reference(text)
    answer = fill(text, [(filling["token_str"], filling["score"]) for filling in expected])
    assert [filling.model_dump() for filling in answer.masks[0]] == expected


def test_of_several_masks_too_but_for_the_tokens_around_the_text(fill, reference):
    text = "The [MASK] sat on [MASK], [MASK]!"
    expected = reference(text)
    masks = [[(filling["token_str"], filling["score"]) for filling in mask] for mask in expected]
    found = fill(text, *masks).masks
    for mask, theirs in zip(found, expected, strict=True):
        for filling, their in zip(mask, theirs, strict=True):
            sequence = their["sequence"].removeprefix("[CLS] ").removesuffix(" [SEP]")
            assert filling.model_dump() == {**their, "sequence": sequence}
