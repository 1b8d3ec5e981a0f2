import logging

import pytest

import polyhead
from polyhead.errors import CheckpointError, ConfigError, InputError

INPUTS = (
    "the [MASK] is good",
    "[MASK]",
    "The [MASK] ran on the [MASK] mat.",
    ["the [MASK] is good"],
    ["a [MASK]", "the naïve [MASK] and the [MASK]", "a longer text, with its [MASK] at the end."],
    "[CLS] the [MASK] [PAD] is [SEP] good",
)


@pytest.fixture(scope="module")
def pair(make_pair, masked_lm):
    return make_pair("fill-mask", masked_lm)


@pytest.mark.parametrize("inputs", INPUTS, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"top_k": 1},
        {"top_k": 100},
        {"targets": "cat"},
        {"targets": ["cat", "dog", "cat", "[MASK]"]},
        {"targets": ["cat", "##e"], "top_k": 1},
    ],
    ids=str,
)
def test_results_are_those_of_transformers(pair, assert_same, inputs, options):
    theirs, ours = pair
    assert_same(ours(inputs, **options), theirs(inputs, **options))


def test_more_answers_than_tokens_are_all_tokens(pair):
    _, ours = pair
    assert len(ours("a [MASK]", top_k=10_000)) == 100


@pytest.mark.parametrize(
    ("targets", "words"),
    [("zebra", "its first part, 'z'"), (["cat", "  "], "no token at all")],
    ids=str,
)
def test_targets_outside_the_vocabulary_are_told(pair, assert_same, caplog, targets, words):
    theirs, ours = pair
    with caplog.at_level(logging.WARNING, "polyhead"):
        found = ours("the [MASK]", targets=targets)
    assert [words in record.getMessage() for record in caplog.records] == [True]
    assert_same(found, theirs("the [MASK]", targets=targets))


@pytest.mark.parametrize("arguments", [{"truncation": True}, {"truncation": True, "max_length": 9}])
def test_arguments_of_the_tokenizer_are_passed_on(pair, assert_same, arguments):
    theirs, ours = pair
    text = "the [MASK] is good " + "and the cat sat " * 20
    options = {"tokenizer_kwargs": arguments}
    assert_same(ours(text, **options), theirs(text, **options))


def test_a_matrix_of_its_own_is_used(make_checkpoint, make_pair, assert_same):
    folder = make_checkpoint("DistilBertForMaskedLM", tie_word_embeddings=False)
    theirs, ours = make_pair("fill-mask", folder)
    assert_same(ours("the [MASK] is good"), theirs("the [MASK] is good"))


@pytest.mark.parametrize(
    ("inputs", "options", "words"),
    [
        ("the cat", {}, r"the text 'the cat' has no \[MASK\]"),
        (["a [MASK]", "a"], {}, r"example 2: the text 'a' has no \[MASK\]"),
        (3, {}, "a pipeline takes"),
        ([3], {}, "a text must be a str, not int"),
        ("the " * 50 + "[MASK]", {}, "the text has 53 tokens"),
        (
            "the " * 50 + "[MASK]",
            {"tokenizer_kwargs": {"truncation": True}},
            "it was cut off",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_inputs_are_refused(pair, inputs, options, words):
    _, ours = pair
    with pytest.raises(InputError, match=words):
        ours(inputs, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"top_k": 0}, "top_k"),
        ({"targets": [3]}, "targets"),
        ({"targets": []}, "targets has no token"),
        ({"targets": "  "}, "targets has no token"),
        ({"tokenizer_kwargs": {"stride": 3}}, "tokenizer_kwargs takes no 'stride'"),
        ({"truncation": True}, "takes no 'truncation'"),
    ],
    ids=str,
)
def test_bad_options_are_refused(pair, options, words):
    _, ours = pair
    with pytest.raises(ConfigError, match=words):
        ours("a [MASK]", **options)


def test_a_vocabulary_without_mask_is_refused(masked_lm, tmp_path):
    vocabulary = (masked_lm / "vocab.txt").read_text("utf-8").replace("[MASK]", "[GAP]")
    (tmp_path / "vocab.txt").write_text(vocabulary, "utf-8")
    with pytest.raises(ConfigError, match="has no mask token, so there is nothing to fill"):
        polyhead.pipeline("fill-mask", model=masked_lm, tokenizer=tmp_path)


def test_a_checkpoint_without_the_head_is_refused(classifier):
    with pytest.raises(CheckpointError, match="has no head for 'fill-mask': it was"):
        polyhead.pipeline("fill-mask", model=classifier)
