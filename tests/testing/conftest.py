"""Classes to be broken, one mistake at a time, and what the kit's checks say of them.

A check is run by itself, as pytest would run it: each mistake is found by the check that is meant
for it, whatever else would find it too.
"""

import inspect
from collections.abc import Callable
from unittest import SkipTest

import pytest
from torch import nn

from polyhead.adapters import BottleneckAdapter, BottleneckConfig
from polyhead.contracts import AdapterConfig, Head, SideAdapter
from polyhead.heads import ClassificationHead, ClassificationHeadConfig
from polyhead.testing import AdapterConformance, ConformanceError, HeadConformance

EXAMPLES = (
    {"text": "a good day", "label": "yes"},
    {"text": "bad", "label": "no"},
    {"text": "we all had a good time at the lake", "label": "yes"},
    {"text": "nobody liked the weather", "label": "no"},
)


@pytest.fixture(scope="session")
def good_head() -> type[ClassificationHead]:
    """It has no mistake; those under test derive from it."""

    class OwnConfig(ClassificationHeadConfig):
        """Its own, so that it leads to the head under test."""

    class GoodHead(ClassificationHead):
        kind = "under_test"
        Config = OwnConfig

    return GoodHead


@pytest.fixture(scope="session")
def good_adapter() -> type[BottleneckAdapter]:
    """It has no mistake; those under test derive from it."""

    class OwnConfig(BottleneckConfig):
        """Its own, so that it leads to the adapter under test."""

    class GoodAdapter(BottleneckAdapter):
        kind = "under_test"
        Config = OwnConfig
        presets = {}  # noqa: RUF012 - as the contract has it

    return GoodAdapter


@pytest.fixture(scope="session")
def good_side() -> type[SideAdapter]:
    """A side adapter that has no mistake."""

    class OwnConfig(AdapterConfig):
        """It has no fields."""

    class GoodSide(SideAdapter):
        kind = "under_test"
        Config = OwnConfig

        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.mix = nn.Linear(shape.width, shape.width)

        def reads(self, depth):
            return (depth,)

        def read(self, layers, packing):
            return layers[-1] + self.mix(layers[-1])

    return GoodSide


def run_check(case, check, tmp_path):
    """Runs one check of a test class, with its first config, as pytest would."""
    instance = case()
    test = getattr(instance, check)
    given = {"config": instance.all_configs()[0], "tmp_path": tmp_path}
    instance.setup_method()
    try:
        test(**{name: given[name] for name in inspect.signature(test).parameters})
    finally:
        instance.teardown_method()


@pytest.fixture
def check_head(tmp_path_factory) -> Callable[..., None]:
    """Runs one check of a head; attributes of the test class can be given."""

    def check(head, name, **attributes):
        fields = {"head": head, "examples": EXAMPLES, **attributes}
        if "config" not in fields:
            fields["config"] = head.Config(labels=("no", "yes"), layers=1)
        run_check(
            type("TestIt", (HeadConformance,), fields), name, tmp_path_factory.mktemp("check")
        )

    return check


@pytest.fixture
def check_adapter(tmp_path_factory) -> Callable[..., None]:
    """Runs one check of an adapter; attributes of the test class can be given."""

    def check(adapter, name, **attributes):
        fields = {"adapter": adapter, **attributes}
        if "config" not in fields and "configs" not in fields:
            is_bottleneck = issubclass(adapter, BottleneckAdapter)
            fields["config"] = bottleneck(adapter) if is_bottleneck else adapter.Config()
        run_check(
            type("TestIt", (AdapterConformance,), fields), name, tmp_path_factory.mktemp("check")
        )

    return check


def bottleneck(adapter: type[BottleneckAdapter]) -> BottleneckConfig:
    return adapter.Config(
        mh_adapter=False, output_adapter=True, reduction_factor=4, non_linearity="relu"
    )


@pytest.fixture
def fails(check_head, check_adapter) -> Callable[..., None]:
    """Asserts that a class does not pass a check, and what the message says."""

    def assert_fails(cls, name, match, **attributes):
        check = check_head if issubclass(cls, Head) else check_adapter
        with pytest.raises(ConformanceError, match=match):
            check(cls, name, **attributes)

    return assert_fails


@pytest.fixture
def skips(check_head, check_adapter) -> Callable[..., None]:
    """Asserts that a check does not apply to a class, and the reason it gives."""

    def assert_skips(cls, name, match, **attributes):
        check = check_head if issubclass(cls, Head) else check_adapter
        with pytest.raises(SkipTest, match=match):
            check(cls, name, **attributes)

    return assert_skips
