import inspect
import pickle
import re

import pytest

from polyhead import errors
from polyhead.errors import (
    ConfigError,
    DataError,
    ExpiredError,
    HubError,
    MissingExtraError,
    PolyheadError,
    ServerError,
    UnknownAdapterError,
    UnknownBackboneError,
    UnknownHeadError,
    UnknownKindError,
    UnknownTaskError,
    shown,
)

CLASSES = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, PolyheadError)
]
SAMPLES = [
    UnknownAdapterError("b", ["a"], "Add it."),
    UnknownKindError("head kind", "b", ["a"], "Install it."),
    UnknownBackboneError("b", [], "Give a folder."),
    DataError("train.jsonl", "not JSON", 3),
    DataError("train.jsonl", "is empty"),
    MissingExtraError("scikit-learn", "train", "evaluation"),
    ConfigError("no"),
    HubError("no"),
    ExpiredError("no", retry_after_s=2.0),
    ServerError("no", code="failed", status=500),
]


def test_the_drawn_tree_is_the_tree():
    drawn = {}
    path = []
    for line in inspect.getdoc(errors).splitlines():
        match = re.fullmatch(r"(    [│ ├└─]*)?(\w+Error)(?: \((\w+)\))?", line)
        if match is None:
            continue
        depth = len(match[1] or "") // 4
        path[depth - 1 :] = [match[2]]
        drawn[match[2]] = (path[-2] if len(path) > 1 else None, match[3])
    assert set(drawn) == {value.__name__ for value in CLASSES}
    for name, (parent, builtin) in drawn.items():
        value = getattr(errors, name)
        bases = {base.__name__ for base in value.__bases__}
        expected = {parent or "Exception", builtin} - {None}
        assert bases == expected, name


def test_every_class_is_exported_and_documented():
    assert {value.__name__ for value in CLASSES} <= set(errors.__all__)
    assert all(value.__doc__ for value in CLASSES)


def test_no_class_is_a_key_error_whose_text_is_a_repr():
    assert not any(issubclass(value, KeyError) for value in CLASSES)


@pytest.mark.parametrize(
    ("error", "what"),
    [(UnknownAdapterError, "adapter"), (UnknownHeadError, "head"), (UnknownTaskError, "task")],
)
def test_an_unknown_name_is_answered_with_fact_alternatives_and_remedy(error, what):
    found = error("sentimnt", ["topic", "sentiment"], "Add one.")
    assert str(found) == (
        f"no {what} 'sentimnt'; this model has: 'sentiment', 'topic'. "
        "Did you mean 'sentiment'? Add one."
    )
    assert found.name == "sentimnt"
    assert found.known == ["sentiment", "topic"]
    assert isinstance(found, LookupError)


def test_nothing_known_is_said_as_none():
    assert "this model has: none. Add one." in str(UnknownHeadError("a", [], "Add one."))


def test_a_thousand_names_are_cut_short():
    found = UnknownHeadError("zzz", [f"n{number:04}" for number in range(1000)], "Add one.")
    assert "'n0011' and 988 more." in str(found)
    assert len(found.known) == 1000


def test_an_unknown_kind_says_kind_of_what():
    found = UnknownKindError("adapter kind", "loraa", ["lora"], "Install it.")
    assert str(found) == (
        "no adapter kind 'loraa'; installed: 'lora'. Did you mean 'lora'? Install it."
    )


def test_a_data_error_names_file_and_line():
    found = DataError("train.jsonl", "not JSON", 3)
    assert str(found) == "train.jsonl, line 3: not JSON"
    assert (found.path, found.line) == ("train.jsonl", 3)
    assert str(DataError("train.jsonl", "is empty")) == "train.jsonl: is empty"


def test_a_missing_extra_says_what_to_type():
    found = MissingExtraError("scikit-learn", "train", "evaluation")
    assert "pip install 'polyhead[train]'" in str(found)
    assert found.extra == "train"
    assert isinstance(found, ImportError)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_survive_the_way_between_processes(error):
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_messages_are_one_line(error):
    assert "\n" not in str(error)


def test_values_in_messages_are_reprs_of_bounded_length():
    assert shown("a\nb") == r"'a\nb'"
    assert len(shown("x" * 1000)) == 60
    assert shown("x" * 1000).endswith("...")
