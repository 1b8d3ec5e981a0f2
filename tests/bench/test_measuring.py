"""All figures of one encoder."""

import json
import re
from collections.abc import Iterator

import pytest

from polyhead.bench import BenchSettings, measured
from polyhead.errors import UnknownKindError

SETTINGS = BenchSettings(adapter="par_bn", n_adapters=4, n_texts=6, n_rounds=2, seed=5)
WITH_UNIT = re.compile(
    r"n_\w+|\w+_(s|per_s|bytes|tokens)|(share_of|times)_\w+|flops_per_token|seed"
)


@pytest.fixture(scope="module")
def told(make_model):
    """A report of one precision, and what was said meanwhile."""
    said = []
    report = measured("tiny", lambda _: make_model(), ("float32",), SETTINGS, said.append)
    return report, said


def numbers(value: object, name: str = "") -> Iterator[str]:
    """The names of all numbers in a JSON document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name


def test_each_precision_has_every_figure(told):
    report, _ = told
    [found] = report.precisions
    assert found.precision == "float32"
    assert found.peak.dtype == "float32"
    assert [each.case for each in found.throughput] == ["bare", "one", "mixed", "resident"]
    assert [each.n_tokens for each in found.latency] == [8, 32, 128]
    assert found.residents.n_adapters == 4
    assert report.backbone == "tiny"
    assert report.mixed_kinds[0] == "par_bn"
    assert report.texts.n_texts == 6
    assert report.texts.longest_tokens <= 128


def test_rounds_are_told_as_they_come(told):
    _, said = told
    assert said[-2:] == ["float32, round 1 of 2.", "float32, round 2 of 2."]


def test_json_has_units_in_its_keys(told):
    report, _ = told
    document = json.loads(json.dumps(report.as_json()))
    document.pop("shape")  # the encoder's own terms
    names = set(numbers(document))
    assert {"median_s", "p95_s", "flops_per_s", "tokens_per_s", "adapter_bytes"} <= names
    assert [name for name in names if WITH_UNIT.fullmatch(name) is None] == []


def test_an_adapter_that_is_not_understood_is_refused_before_anything_is_loaded():
    def make_model(precision):
        raise AssertionError

    settings = BenchSettings(adapter="no_such_kind")
    with pytest.raises(UnknownKindError, match="no_such_kind"):
        measured("none", make_model, ("float32",), settings, print)


def test_a_model_is_made_for_each_precision(make_model):
    asked = []

    def make(precision):
        asked.append(precision)
        return make_model()

    settings = SETTINGS.model_copy(update={"n_rounds": 1})
    report = measured("tiny", make, ("int8", "float32"), settings, lambda _: None)
    assert asked == ["int8", "float32"]
    assert [each.peak.dtype for each in report.precisions] == asked
