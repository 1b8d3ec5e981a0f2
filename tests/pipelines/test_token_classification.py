import pytest

import polyhead
from polyhead.errors import ConfigError, InputError

STRATEGIES = ("none", "simple", "first", "average", "max")
TEXTS = (
    "the cat is goodest",
    "Zebras ran, the naïve café's dog 🙂 sat on 中国 mats!",
    "unbelievable",
    "",
    "   ",
)
LONG = "The goodest cat ran on the unbelievable mat, and the dogs sat. " * 4
WORDS = ["The", "goodest", "café's", "🙂", "mat,", "", "day"]


@pytest.fixture(scope="module")
def pair(make_pair, tagger):
    return make_pair("token-classification", tagger)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_results_are_those_of_transformers(pair, assert_same, strategy):
    theirs, ours = pair
    options = {"aggregation_strategy": strategy}
    for text in TEXTS:
        assert_same(ours(text, **options), theirs(text, **options))
    assert_same(ours(list(TEXTS), **options), theirs(list(TEXTS), **options))
    assert_same(ours(["the cat"], **options), theirs(["the cat"], **options))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("ignored", [[], ["O"], ["PER", "B-LOC"]], ids=str)
def test_ignored_labels_are_left_out_as_there(pair, assert_same, strategy, ignored):
    theirs, ours = pair
    options = {"aggregation_strategy": strategy, "ignore_labels": ignored}
    assert_same(ours(TEXTS[1], **options), theirs(TEXTS[1], **options))


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
@pytest.mark.parametrize("stride", [0, 5, 12])
def test_long_texts_are_read_in_windows_as_there(pair, assert_same, strategy, stride):
    theirs, ours = pair
    options = {"aggregation_strategy": strategy, "stride": stride, "ignore_labels": []}
    found = ours(LONG, **options)
    assert_same(found, theirs(LONG, **options))
    assert found[-1]["end"] > 200
    inputs = [LONG, "the cat", LONG[:150]]
    assert_same(ours(inputs, **options), theirs(inputs, **options))


def test_stride_without_a_strategy_answers_tokens(pair, assert_same):
    theirs, ours = pair
    assert_same(ours(LONG, stride=5), theirs(LONG, stride=5))


def test_a_long_text_is_cut_without_stride(pair, assert_same):
    theirs, ours = pair
    assert_same(ours(LONG), theirs(LONG))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("delimiter", [None, "", " | "], ids=repr)
def test_texts_can_be_lists_of_words(pair, assert_same, strategy, delimiter):
    theirs, ours = pair
    options = {"aggregation_strategy": strategy, "is_split_into_words": True}
    options |= {} if delimiter is None else {"delimiter": delimiter}
    for inputs in (WORDS, [WORDS], [WORDS, ["the", "cat"]]):
        assert_same(ours(inputs, **options), theirs(inputs, **options))


def test_offsets_of_words_are_those_of_the_joined_text(pair):
    _, ours = pair
    [found] = ours(WORDS, is_split_into_words=True, ignore_labels=[])
    text = " ".join(WORDS)
    assert [text[item["start"] : item["end"]] for item in found if item["word"] == "day"] == ["day"]


def test_lists_of_words_can_be_the_pipeline_s_own_way(tagger, pair):
    asked = polyhead.pipeline("ner", model=tagger, is_split_into_words=True)
    _, ours = pair
    assert asked(WORDS) == ours(WORDS, is_split_into_words=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"grouped_entities": True}, "simple"),
        ({"grouped_entities": False}, "none"),
        ({"grouped_entities": True, "ignore_subwords": True}, "first"),
        ({"grouped_entities": True, "ignore_subwords": False}, "simple"),
        ({"ignore_subwords": True}, "none"),
    ],
    ids=str,
)
def test_old_names_of_the_strategies_are_understood(pair, old, new):
    _, ours = pair
    assert ours(TEXTS[1], **old) == ours(TEXTS[1], aggregation_strategy=new)


def test_plain_tags_form_runs_as_there(make_checkpoint, make_pair, assert_same):
    names = ("NOUN", "VERB", "O")
    fields = {
        "id2label": dict(enumerate(names)),
        "label2id": {tag: number for number, tag in enumerate(names)},
    }
    folder = make_checkpoint("DistilBertForTokenClassification", **fields)
    theirs, ours = make_pair("ner", folder, aggregation_strategy="simple")
    assert_same(ours(TEXTS[1]), theirs(TEXTS[1]))


def test_labels_are_those_that_the_configuration_has_now(tagger):
    model = polyhead.DistilBertForTokenClassification.from_pretrained(tagger)
    asked = polyhead.pipeline("ner", model=model)
    before = [found["entity"] for found in asked(LONG, ignore_labels=[])]
    model.config.id2label = {
        number: label.lower() for number, label in model.config.id2label.items()
    }
    after = [found["entity"] for found in asked(LONG, ignore_labels=[])]
    assert after == [label.lower() for label in before]
    assert model.head.config.labels[1] == "B-PER"


@pytest.mark.parametrize(
    ("inputs", "options", "words"),
    [
        (["a", ["b"]], {}, "example 2: a text must be a str, not list; for texts split into"),
        ({"text": "a"}, {}, "a text must be a str, not dict"),
        ("a b", {"is_split_into_words": True}, "a text is a list of words"),
        (["a", 3], {"is_split_into_words": True}, "a text is a list of words"),
        ([["a"], []], {"is_split_into_words": True}, "example 2: the list of words is empty"),
        ([["a"], "b"], {"is_split_into_words": True}, "example 2: .* is a list of words"),
    ],
    ids=str,
)
def test_bad_inputs_are_refused(pair, inputs, options, words):
    _, ours = pair
    with pytest.raises(InputError, match=words):
        ours(inputs, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"aggregation_strategy": "mean"}, "aggregation_strategy"),
        ({"ignore_labels": "O"}, "ignore_labels"),
        ({"stride": -1}, "stride"),
        ({"stride": 40, "aggregation_strategy": "first"}, "stride=40 must be less than the 40"),
        ({"stride": 4, "aggregation_strategy": "none"}, "stride needs an aggregation_strategy"),
        ({"offset_mapping": [(0, 1)]}, "takes no 'offset_mapping'"),
        ({"ignore_label": []}, "Did you mean 'ignore_labels'"),
    ],
    ids=str,
)
def test_bad_options_are_refused(pair, options, words):
    _, ours = pair
    with pytest.raises(ConfigError, match=words):
        ours("the cat", **options)
