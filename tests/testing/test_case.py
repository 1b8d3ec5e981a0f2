"""The test classes as pytest runs them."""

import sys
from importlib import import_module

import pytest
import torch

import polyhead
from polyhead.adapters import BottleneckAdapter
from polyhead.contracts import Adapter, Head
from polyhead.heads import ClassificationHead, ClassificationHeadConfig
from polyhead.testing import AdapterConformance, ConformanceError, HeadConformance

pytest_plugins = ["pytester"]

PLUGIN = """
    from polyhead.heads import ClassificationHead, ClassificationHeadConfig
    from polyhead.testing import HeadConformance

    class OwnConfig(ClassificationHeadConfig):
        pass

    class OwnHead(ClassificationHead):
        kind = "own"
        Config = OwnConfig

    class TestOwnHead(HeadConformance):
        head = OwnHead
        configs = [OwnConfig(labels=("no", "yes")), OwnConfig(labels=("no", "yes"), layers=1)]
        examples = [{"text": "good", "label": "yes"}, {"text": "bad", "label": "no"}] * 2
"""


def test_each_check_is_a_test_of_each_config(pytester):
    pytester.makepyfile(PLUGIN)
    done = pytester.runpytest_inprocess("-v", "-rs", "-k", "gpu or metrics or examples_survive")
    done.stdout.fnmatch_lines_random(
        [
            "*::TestOwnHead::test_its_examples_survive_json PASSED*",
            "*::test_its_metrics_have_their_primary_figure[[]layers=2[]] PASSED*",
            "*::test_its_metrics_have_their_primary_figure[[]layers=1[]] PASSED*",
        ]
    )
    n_gpu = 2 * torch.cuda.is_available()
    done.assert_outcomes(passed=5 + n_gpu, skipped=2 - n_gpu)


def test_a_failure_shows_the_advice_and_the_authors_line(pytester):
    pytester.makepyfile(
        PLUGIN.replace(
            'kind = "own"',
            """kind = "own"

        def decode(self, output, encoded):
            raise KeyError("label")
        """,
        )
    )
    done = pytester.runpytest_inprocess("-k", "predictions_are_json")
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(
        ['*raise KeyError("label")*', "E *ConformanceError: OwnHead cannot answer its examples.*"]
    )


def test_an_incomplete_test_class_is_one_error(pytester):
    pytester.makepyfile(PLUGIN.replace("head = OwnHead", "no_head = OwnHead"))
    done = pytester.runpytest_inprocess()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(
        ["E *ConformanceError: TestOwnHead must set `head`, the class to be tested.*"]
    )


def test_a_class_that_cannot_be_registered_is_one_error(pytester):
    pytester.makepyfile(PLUGIN.replace('kind = "own"', 'kind = "tagging"'))
    done = pytester.runpytest_inprocess()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["E *ConformanceError: the kind 'tagging' of *OwnHead is that of *"])


def test_pytest_is_not_needed_to_import_the_kit(monkeypatch):
    monkeypatch.setattr(polyhead, "testing", sys.modules["polyhead.testing"])  # to be put back
    for name in [name for name in sys.modules if name.startswith("polyhead.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pytest", None)
    assert issubclass(import_module("polyhead.testing").ConformanceError, AssertionError)


GOOD = {
    "head": ClassificationHead,
    "config": ClassificationHeadConfig(labels=("no", "yes")),
    "examples": ({"text": "good", "label": "yes"},) * 4,
}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"head": None}, "TestIt must set `head`, the class to be tested"),
        (
            {"head": BottleneckAdapter},
            "`head` of TestIt must be a subclass of polyhead.Head",
        ),
        ({"head": Head}, "Head must define: decode, encode, forward, loss, metrics"),
        ({"config": None}, "TestIt must set `config`, an instance of the head's Config"),
        ({"config": 3}, "a config of TestIt must be a ClassificationHeadConfig, not 3"),
        ({"examples": None}, "TestIt must set `examples`, at least 4 labelled examples"),
        ({"examples": ("one",)}, "TestIt has 1 examples; give at least 4"),
        ({"examples": (7,) * 4}, "`examples` of TestIt cannot be read by ClassificationHead.parse"),
        ({"questions": (7,)}, "`questions` of TestIt cannot be read by ClassificationHead.parse"),
    ],
)
def test_what_a_test_class_lacks_is_said(changes, match):
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    case = type("TestIt", (HeadConformance,), fields)
    with pytest.raises(ConformanceError, match=match):
        case.check_attributes()


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({}, "TestIt must set `adapter`, the class to be tested"),
        ({"adapter": Adapter, "configs": ()}, "Adapter must define: taps"),
        ({"adapter": BottleneckAdapter}, "TestIt must set `config`, an instance of the adapter's"),
    ],
)
def test_what_a_test_class_of_an_adapter_lacks_is_said(fields, match):
    case = type("TestIt", (AdapterConformance,), fields)
    with pytest.raises(ConformanceError, match=match):
        case.check_attributes()


def test_a_class_that_cannot_be_built_is_told_with_its_config(good_head, fails):
    class Broken(good_head):
        def __init__(self, config, shape):
            raise ZeroDivisionError("by 0")

    match = r"Broken cannot be built from OwnConfig\(.*\). It raised ZeroDivisionError: by 0"
    fails(Broken, "test_predictions_are_json", match)
