import pytest
import torch

import polyhead
from polyhead.errors import ConfigError, InputError

TEXTS = ["the cat is good", "", "Zebra, café 🙂!", "a much longer text on the bad mat"]


@pytest.fixture(scope="module")
def pair(make_pair, encoder):
    return make_pair("feature-extraction", encoder)


@pytest.mark.parametrize("inputs", [*TEXTS, TEXTS, TEXTS[:1]], ids=str)
@pytest.mark.parametrize("options", [{}, {"return_tensors": True}], ids=str)
def test_results_are_those_of_transformers(pair, assert_same, inputs, options):
    theirs, ours = pair
    assert_same(ours(inputs, **options), theirs(inputs, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"truncation": True},
        {"tokenize_kwargs": {"truncation": True, "max_length": 7}},
        {"truncation": True, "tokenize_kwargs": {"max_length": 8}},
        {"tokenize_kwargs": {"add_special_tokens": False, "truncation": True}},
        {"tokenize_kwargs": {"padding": True, "truncation": True}},
    ],
    ids=str,
)
def test_arguments_of_the_tokenizer_are_passed_on(pair, assert_same, options):
    theirs, ours = pair
    inputs = ["the good cat sat " * 20, "a cat"]
    assert_same(ours(inputs, **options), theirs(inputs, **options))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    "padding", [{"padding": "max_length"}, {"padding": True, "pad_to_multiple_of": 8}], ids=str
)
def test_padding_keeps_its_places_and_is_zero(pair, side, padding):
    theirs, ours = pair
    arguments = {"padding_side": side, "truncation": True, **padding}
    options = {"tokenize_kwargs": arguments, "return_tensors": True}
    for text in ("the cat", "a much longer text on the bad mat"):
        found, expected = ours([text, "x"], **options)[0], theirs(text, **options)
        assert found.shape == expected.shape
        there = theirs.tokenizer(text, **arguments)["attention_mask"]
        is_there = torch.tensor(there, dtype=torch.bool)
        torch.testing.assert_close(found[0][is_there], expected[0][is_there], atol=1e-5, rtol=0)
        assert not found[0][~is_there].any()


def test_tensors_can_be_used_in_training(pair):
    _, ours = pair
    weight = torch.ones(32, requires_grad=True)
    (ours("the cat", return_tensors=True) @ weight).sum().backward()
    assert weight.grad.abs().sum() > 0


def test_any_checkpoint_has_features(classifier, assert_same, make_pair):
    theirs, ours = make_pair("feature-extraction", classifier)
    assert_same(ours("the cat"), theirs("the cat"))


def test_a_model_with_a_head_is_refused_and_told_the_way(classifier):
    model = polyhead.DistilBertForSequenceClassification.from_pretrained(classifier)
    with pytest.raises(ConfigError, match=r"asks a DistilBertModel, not .* model\.base_model"):
        polyhead.pipeline("feature-extraction", model=model)
    asked = polyhead.pipeline("feature-extraction", model=model.base_model)
    assert len(asked("the cat")[0]) == 4


@pytest.mark.parametrize(
    ("inputs", "options", "error", "words"),
    [
        (["a", 3], {}, InputError, "example 2: a text must be a str, not int"),
        ("the " * 60, {}, InputError, "the text has 62 tokens"),
        ("a", {"return_tensors": "pt"}, ConfigError, "return_tensors"),
        ("a", {"max_length": 3}, ConfigError, "takes no 'max_length'"),
        ("a", {"tokenize_kwargs": {"max_len": 3}}, ConfigError, "Did you mean 'max_length'"),
        (
            "a",
            {"truncation": True, "tokenize_kwargs": {"truncation": True}},
            ConfigError,
            "truncation is given twice",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_calls_are_refused(pair, inputs, options, error, words):
    _, ours = pair
    with pytest.raises(error, match=words):
        ours(inputs, **options)
