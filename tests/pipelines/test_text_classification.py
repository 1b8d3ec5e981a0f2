import math

import pytest

import polyhead
from polyhead.errors import ConfigError, InputError

PAIR = {"text": "the cat is good", "text_pair": "a bad dog"}
INPUTS = (
    "the cat is good",
    "",
    "Zebra, café 🙂!",
    ["the cat", "a much longer text on the bad mat", "x"],
    ["the cat"],
    PAIR,
    {"text": "the cat"},
    {"text": "the cat", "text_pair": ""},
    [PAIR, {"text": "the dog"}, "the day"],
    [[["the cat", "the dog"]]],
)


@pytest.fixture(scope="module")
def pair(make_pair, classifier):
    return make_pair("text-classification", classifier)


@pytest.mark.parametrize("inputs", INPUTS, ids=str)
@pytest.mark.parametrize("options", [{}, {"top_k": 1}, {"top_k": 2}, {"top_k": None}], ids=str)
def test_results_are_those_of_transformers(pair, assert_same, inputs, options):
    theirs, ours = pair
    assert_same(ours(inputs, **options), theirs(inputs, **options))


@pytest.mark.parametrize("function", ["none", "sigmoid", "softmax", "SOFTMAX"])
def test_function_to_apply_is_that_of_transformers(pair, assert_same, function):
    theirs, ours = pair
    options = {"function_to_apply": function, "top_k": None}
    assert_same(ours("the cat", **options), theirs("the cat", **options))


@pytest.mark.parametrize(
    "fields",
    [
        {"num_labels": 1},
        {"num_labels": 1, "problem_type": "regression"},
        {"num_labels": 3, "problem_type": "regression"},
        {"num_labels": 3, "problem_type": "multi_label_classification"},
        {"num_labels": 2, "problem_type": "single_label_classification"},
    ],
    ids=str,
)
def test_the_default_function_follows_the_kind_of_problem(
    make_checkpoint, make_pair, assert_same, fields
):
    folder = make_checkpoint("DistilBertForSequenceClassification", **fields)
    theirs, ours = make_pair("text-classification", folder)
    for inputs in ("the cat", ["the cat", "a dog"]):
        assert_same(ours(inputs), theirs(inputs))
        assert_same(ours(inputs, top_k=None), theirs(inputs, top_k=None))


def test_default_is_a_name_for_the_default_function(pair):
    _, ours = pair
    assert ours("the cat", function_to_apply="default") == ours("the cat")


def test_top_k_of_the_pipeline_leaves_a_text_in_a_list_of_its_own(
    make_pair, classifier, assert_same
):
    theirs, ours = make_pair("text-classification", classifier, top_k=2)
    for inputs in ("the cat", ["the cat", "a dog"], PAIR):
        assert_same(ours(inputs), theirs(inputs))


@pytest.mark.parametrize(
    "options",
    [
        {"truncation": True},
        {"truncation": True, "max_length": 7},
        {"truncation": "only_first", "max_length": 9},
        {"truncation": True, "max_length": 12, "padding": "max_length"},
        {"truncation": True, "padding": True},
        {"truncation": True, "max_length": 8, "add_special_tokens": False},
    ],
    ids=str,
)
def test_arguments_of_the_tokenizer_are_passed_on(pair, assert_same, options):
    theirs, ours = pair
    for inputs in ("the good cat sat " * 20, ["the " * 50, "a cat"]):
        assert_same(ours(inputs, **options), theirs(inputs, **options))


def test_labels_are_those_that_the_configuration_has_now(classifier):
    model = polyhead.DistilBertForSequenceClassification.from_pretrained(classifier)
    model.config.id2label = {0: "bad", 1: "fair", 2: "good"}
    asked = polyhead.pipeline("sentiment-analysis", model=model)
    assert {found["label"] for found in asked("the cat", top_k=None)} == {"bad", "fair", "good"}


def test_probabilities_add_up_to_1(pair):
    _, ours = pair
    scores = [found["score"] for found in ours("the cat", top_k=None)]
    assert math.isclose(sum(scores), 1, abs_tol=1e-6)
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"texts": "a"}, "a mapping has 'texts'"),
        ({"text_pair": "a"}, "a mapping has no 'text'"),
        ({"text": 3}, "a text must be a str, not int"),
        ({"text": "a", "text_pair": ["b"]}, "a text_pair must be a str, not list"),
        (["a", None], "example 2: a text must be a str, not NoneType"),
        ([("a", "b")], "example 1: a text must be a str, not tuple"),
        (b"a", "a text must be a str, not bytes"),
        (None, "a pipeline takes a text, a list of texts or an iterator"),
        (3, "a pipeline takes a text, a list of texts or an iterator"),
        ("the cat " * 30, "the text has 62 tokens and this model reads 40 at most"),
        (["a", "the cat " * 30], "example 2: the text has 62 tokens"),
        ("half a \ud83d pair", "half of a surrogate pair"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_bad_inputs_are_refused(pair, inputs, words):
    _, ours = pair
    with pytest.raises(InputError, match=words):
        ours(inputs)


def test_a_pair_as_a_tuple_is_told_its_form(pair):
    _, ours = pair
    with pytest.raises(InputError, match=r'as \{"text": \.\.\., "text_pair": \.\.\.\}'):
        ours([("a", "b")])


def test_a_text_without_any_token_is_refused(pair):
    _, ours = pair
    with pytest.raises(InputError, match="no tokens at all"):
        ours("", add_special_tokens=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"top_k": 0}, "top_k"),
        ({"top_k": True}, "top_k"),
        ({"top_k": "all"}, "top_k"),
        ({"function_to_apply": "tanh"}, "function_to_apply"),
        ({"topk": 2}, "takes no 'topk'; it takes: .*Did you mean 'top_k'"),
        ({"return_all_scores": True}, "takes no 'return_all_scores'"),
        ({"truncation": "both"}, "truncation must be True, False"),
        ({"max_length": -1}, "max_length"),
    ],
    ids=str,
)
def test_bad_options_are_refused(pair, options, words):
    _, ours = pair
    with pytest.raises(ConfigError, match=words):
        ours("the cat", **options)
