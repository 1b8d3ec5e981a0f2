import pytest

from polyhead.contracts import validate_config
from polyhead.errors import ConfigError, InputError
from polyhead.heads import TaggingExample, TaggingHead, TaggingHeadConfig

BIO = ("O", "B-PER", "I-PER")


def words(*tags):
    return TaggingExample(tokens=("w",) * len(tags), tags=tags)


def text(*labels):
    spans = [(2 * place, 2 * place + 1, label) for place, label in enumerate(labels)]
    return TaggingExample(text="w " * len(labels) + "w", entities=spans)


def configured(*examples, **options):
    return TaggingHead.configure(options, examples)


def test_a_head_is_two_layers_over_a_mix_of_all_layers_unless_told_otherwise():
    config = TaggingHeadConfig(labels=BIO)
    assert (config.layers, config.hidden, config.context) == (2, "mix", 1)
    assert (config.label_all, config.aggregation) == (True, "average")
    assert TaggingHeadConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [(BIO, "bio"), (("O", "S-X"), "bioes"), (("NOUN", "VERB"), "plain"), (("O", "PER"), "plain")],
)
def test_the_scheme_follows_from_the_labels(labels, scheme):
    assert TaggingHeadConfig(labels=labels).scheme == scheme
    assert TaggingHeadConfig(labels=labels, scheme="auto").scheme == scheme
    assert TaggingHeadConfig(labels=labels, scheme="plain").scheme == "plain"
    assert "default" not in TaggingHeadConfig.model_json_schema()["properties"]["scheme"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ("O", "X-PER"), "scheme": "bio"}, "'X-PER' is not of the scheme 'bio', whose"),
        ({"labels": ("O", "S-PER"), "scheme": "bio"}, "'S-PER' is not of the scheme 'bio'"),
        ({"labels": (*BIO, "X-PER")}, "'X-PER' is none of O, .* give scheme='plain'"),
        ({"labels": BIO, "scheme": "iob"}, r"scheme: Input should be .* \(got 'iob'\)"),
        ({"labels": ("O",)}, "labels: .* at least 2 items"),
        ({"labels": ("O", "O")}, "labels: 'O' is there twice"),
        ({"scheme": "bio"}, "field 'labels' is missing"),
        ({}, "field 'labels' is missing"),
        ({"labels": BIO, "class_weights": (1, 2)}, "2 class_weights for 3 labels"),
        ({"labels": BIO, "class_weights": (1, 2, 0)}, "class_weights.2: .*greater than 0"),
        ({"labels": BIO, "overlap": -1}, "overlap: .*greater than or equal to 0"),
        ({"labels": BIO, "aggregation": "mean"}, "aggregation: Input should be 'none', 'simple'"),
        ({"labels": BIO, "hidden": "first"}, "hidden: must be"),
        ({"labels": BIO, "pooling": "cls"}, "unknown field 'pooling'"),
    ],
)
def test_configs_that_make_no_head_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        validate_config(TaggingHeadConfig, fields, "head kind 'tagging'")


def test_labels_are_all_tags_of_the_types_that_occur():
    config = configured(words("O", "B-PER"), words("I-LOC", "O"))
    assert config.labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert config.scheme == "bio"


def test_a_tag_of_bioes_makes_the_scheme_bioes():
    config = configured(words("O", "B-X", "E-X"))
    assert config.labels == ("O", "B-X", "I-X", "E-X", "S-X")
    assert config.scheme == "bioes"


def test_plain_tags_are_the_labels_as_they_are():
    config = configured(words("VERB", "NOUN"), words("ADJ"))
    assert config.labels == ("ADJ", "NOUN", "VERB")
    assert config.scheme == "plain"
    assert configured(words("O", "B-X"), scheme="plain").labels == ("B-X", "O")


def test_entities_alone_make_the_scheme_bio():
    config = configured(text("PER"), text(), text("LOC", "PER"))
    assert config.labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert config.scheme == "bio"
    assert configured(text("PER"), words("O")).labels == BIO
    assert configured(text("X"), scheme="bioes").labels == ("O", "B-X", "I-X", "E-X", "S-X")
    assert configured(text("A"), words("S-X")).scheme == "bioes"


def test_labels_and_schemes_that_are_given_are_kept():
    config = configured(words("O", "B-PER"), labels=("B-PER", "I-PER", "O"), layers=2)
    assert config.labels == ("B-PER", "I-PER", "O")
    assert config.layers == 2
    assert configured(labels=BIO).labels == BIO
    assert configured(words("O", "B-PER"), scheme=None, labels=None).labels == BIO


def test_balanced_weights_give_every_tag_that_occurs_the_same_share():
    config = configured(words("O", "O", "O", "B-X"), class_weights="balanced")
    assert config.labels == ("O", "B-X", "I-X")
    assert config.class_weights == (4 / (2 * 3), 4 / (2 * 1), 1.0)


@pytest.mark.parametrize(
    ("examples", "options", "message"),
    [
        ([], {}, "there are no training examples to take tags from"),
        (
            [words("O"), TaggingExample(text="w"), TaggingExample(tokens=("w",))],
            {},
            "2 of 3 training examples have neither tags nor entities",
        ),
        ([words("O"), words("O", "O")], {}, "have the tag 'O' alone; .* at least two"),
        ([words("NN")], {}, "have the tag 'NN' alone"),
        ([text(), text()], {}, "have the tag 'O' alone"),
        ([words("O")], {"scheme": "bio"}, "have the tag 'O' alone"),
        ([text("X")], {"scheme": "plain"}, "the training examples have no tags"),
        (
            [words("O", "B-X"), words("X-PER")],
            {"scheme": "bio"},
            "example 2: the tag 'X-PER' is not of the scheme 'bio', whose tags are O, B-type and",
        ),
        (
            [words("O", "B-X"), words("O"), words("b-X")],
            {},
            "example 3: the tag 'b-X' is none of O, .* give scheme='plain'",
        ),
        (
            [words("O"), words("O", "B-LOC")],
            {"labels": BIO},
            "example 2: the tag 'B-LOC' is not among the given ones: 'O', 'B-PER', 'I-PER'",
        ),
        (
            [words("O"), text("LOC")],
            {"labels": BIO},
            "example 2: the tag 'B-LOC' is not among the given ones",
        ),
        (
            [words("NN"), text("LOC")],
            {"labels": ("NN", "VB")},
            "example 2: the example has entities, which need scheme='bio'",
        ),
        ([text("X")], {"class_weights": "balanced"}, "class_weights='balanced' counts the tags"),
    ],
)
def test_examples_that_make_no_task_are_refused(examples, options, message):
    with pytest.raises(InputError, match=message):
        TaggingHead.configure(options, examples)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "iob"}, "scheme: Input should be 'bio', 'bioes' or 'plain'"),
        ({"pooling": "cls"}, "unknown field 'pooling'"),
        ({"labels": ("O",)}, "labels: .* at least 2 items"),
        ({"class_weights": "even"}, "class_weights: "),
    ],
)
def test_options_are_checked_with_examples_too(options, message):
    with pytest.raises(ConfigError, match=message):
        configured(words("O", "B-PER"), **options)
