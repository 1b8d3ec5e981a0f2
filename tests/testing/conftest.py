"""Classes to be broken, one mistake at a time, and what the kit's checks say of them.

A check is run by itself, as pytest would run it: each mistake is found by the check that is meant
for it, whatever else would find it too.
"""

import inspect
from collections.abc import Callable
from unittest import SkipTest

import pytest
import torch
from torch import nn

from polyhead.adapters import BottleneckAdapter, BottleneckConfig, FusionAdapter, FusionConfig
from polyhead.batch import Packing
from polyhead.contracts import (
    PROJECTIONS,
    Adapter,
    AdapterConfig,
    Change,
    EmbeddingsTap,
    FusingAdapter,
    Head,
    LayerTaps,
    Prefixes,
    Projection,
    SideAdapter,
)
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


@pytest.fixture(scope="session")
def good_fusing() -> type[FusingAdapter]:
    """An adapter that fuses others and has no mistake."""

    class OwnConfig(FusionConfig):
        """Its own, so that it leads to the adapter under test."""

    class GoodFusing(FusionAdapter):
        kind = "under_test"
        Config = OwnConfig

    return GoodFusing


class Shift(nn.Module):
    """Behind a linear layer: adds one number for each that it writes."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))

    def forward(self, inputs, outputs, projection, packing):
        return outputs + self.weight


class Factor(nn.Module):
    """Behind a step on each token: multiplies each number."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, values, packing):
        return values * self.weight


class Front(nn.Module):
    """The same two keys and values in front of each row's."""

    def __init__(self, n_heads, size):
        super().__init__()
        self.keys = nn.Parameter(torch.ones(2, n_heads, size))
        self.values = nn.Parameter(torch.ones(2, n_heads, size))

    def forward(self, inputs, packing):
        return Prefixes.shared(self.keys, self.values, packing.n_rows)


class Step(nn.Module):
    """At the end of a sub-layer, in two steps or one."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))

    def change(self, output, residual, norm, packing):
        return Change(output, output, output * self.weight)

    def close(self, changed, residual, norm):
        return norm(changed + residual)

    def forward(self, output, residual, norm, packing):
        return norm(output * (1 + self.weight) + residual)


class Prompt(nn.Module, EmbeddingsTap):
    """Two vectors in front of each row, whose own are moved by a third."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, size))
        self.shift = nn.Parameter(torch.zeros(size))

    def enter(self, embeddings, packing):
        rows = (embeddings + self.shift).split(packing.lengths)
        longer = [torch.cat([self.weight, row]) for row in rows]
        return torch.cat([embeddings[:0], *longer]), Packing(tuple(map(len, longer)))

    def leave(self, hidden, packing):
        own = [row[2:] for row in hidden.split(packing.lengths)]
        return torch.cat([hidden[:0], *own]), Packing(tuple(map(len, own)))

    def inverted(self, states, packing):
        return states - self.shift


EACH_SITE = (*PROJECTIONS, "inner", "output", "prefix", "attention", "ffn")


class SitesConfig(AdapterConfig):
    """Where it acts."""

    sites: tuple[str, ...] = EACH_SITE
    embeddings: bool = True


class GoodSites(Adapter):
    """It acts at each of its config's sites."""

    kind = "under_test"
    Config = SitesConfig

    def __init__(self, config, shape):
        super().__init__(config, shape)
        layers = range(shape.n_layers)
        self.sites = nn.ModuleList(
            nn.ModuleDict({site: self.tap(site) for site in config.sites}) for _ in layers
        )
        self.prompt = Prompt(shape.width) if config.embeddings else None
        self.own_taps = [LayerTaps(**self.sites[layer]) for layer in layers]

    def tap(self, site):
        width, ffn_width = self.shape.width, self.shape.ffn_width
        if site == "prefix":
            return Front(self.shape.n_heads, width // self.shape.n_heads)
        if site in {"attention", "ffn"}:
            return Step(width)
        size = ffn_width if site in {"inner", "lin1"} else width
        return Shift(size) if site in PROJECTIONS else Factor(size)

    def taps(self, layer):
        return self.own_taps[layer]

    def embeddings_tap(self):
        return self.prompt

    def initialise(self, encoder):
        if "q" in self.config.sites:
            self.sites[0]["q"].weight.copy_(encoder.projection(0, "q").bias / 2)

    def penalty(self):
        return sum(weight.float().square().sum() for weight in self.parameters())

    def merged(self, layer, site, projection):
        weight, bias = projection
        taps = self.taps(layer)
        if site == "lin2" and taps.inner is not None:
            weight = weight * taps.inner.weight
        if getattr(taps, site) is not None:
            bias = bias + getattr(taps, site).weight
        return Projection(weight, bias)

    def neutral(self, weight):
        return float(".inner." in weight or ".output." in weight)

    def why_no_sum(self, shares):
        reads_more = self.config.embeddings or "prefix" in self.config.sites
        return "tokens are read." if reads_more and sum(shares) != 1 else None


@pytest.fixture(scope="session")
def good_sites() -> type[Adapter]:
    """An adapter at every site, which has no mistake."""
    return GoodSites


@pytest.fixture(scope="session")
def good_adapters(good_adapter, good_side, good_sites, good_fusing) -> tuple[type[Adapter], ...]:
    """All of these."""
    return good_adapter, good_side, good_sites, good_fusing


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
            fields["config"] = config_of(adapter)
        run_check(
            type("TestIt", (AdapterConformance,), fields), name, tmp_path_factory.mktemp("check")
        )

    return check


def config_of(adapter: type[Adapter]) -> AdapterConfig:
    """The smallest configuration."""
    if issubclass(adapter, FusingAdapter):
        return adapter.Config(adapters=("first", "second"))
    return bottleneck(adapter) if issubclass(adapter, BottleneckAdapter) else adapter.Config()


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
