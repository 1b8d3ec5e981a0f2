"""Every adapter's taps act on its own rows and on no others."""

import pytest
import torch

from polyhead.batch import Row
from polyhead.contracts import NO_TAPS, Adapter, AdapterConfig, EncoderShape, LayerTaps
from polyhead.routing import Plan, Route

SHAPE = EncoderShape(width=4, n_layers=3, n_heads=1, ffn_width=4, max_positions=8, vocab_size=9)


class ShiftConfig(AdapterConfig):
    by: float
    layers: tuple[int, ...] = (1,)
    sites: tuple[str, ...] = ("ffn",)


class Shift(Adapter):
    """Adds a number, and keeps what it was called with."""

    kind = "shift"
    Config = ShiftConfig

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.seen = []

    def tap(self, output, residual, norm, packing):
        self.seen.append(packing.lengths)
        assert len(output) == len(residual) == packing.n_tokens
        return norm(output + residual) + self.config.by

    def taps(self, layer):
        if layer not in self.config.layers:
            return NO_TAPS
        return LayerTaps(**dict.fromkeys(self.config.sites, self.tap))


def shift(by, **fields):
    return Shift(ShiftConfig(by=by, **fields), SHAPE)


def norm(values):
    return values * 2


@pytest.fixture
def rows():
    return [Row((1, 2, 3)), Row((4,)), Row((5, 6)), Row((7, 8)), Row((1, 2, 3))]


def run(tap, plan):
    """What a tap makes of a batch's tokens, and what the encoder's own step would."""
    generator = torch.Generator().manual_seed(0)
    output, residual = (torch.randn(plan.packing.n_tokens, 4, generator=generator) for _ in "or")
    return tap(output, residual, norm, plan.packing), norm(output + residual)


def test_each_segments_tap_acts_on_its_own_rows(rows):
    adapters = {"a": shift(10.0), "b": shift(100.0)}
    plan = Plan.of(rows, ["a", None, "b", "a", None])
    found, own = run(Route(plan, adapters)(1).ffn, plan)
    for segment in plan.segments:
        by = {"a": 10.0, "b": 100.0, None: 0.0}[segment.adapter]
        tokens = plan.packing.tokens(segment.start, segment.stop)
        assert torch.equal(found[tokens], own[tokens] + by)
    assert adapters["a"].seen == [(2, 3)]
    assert adapters["b"].seen == [(2,)]


def test_layers_without_taps_are_the_encoders_own(rows):
    plan = Plan.of(rows, ["a", None, "b", "a", None])
    route = Route(plan, {"a": shift(1.0), "b": shift(2.0, layers=(1, 2))})
    assert route(0) is NO_TAPS
    assert route(1).attention is None
    found, own = run(route(2).ffn, plan)
    changed = (found != own).any(dim=1)
    b = next(segment for segment in plan.segments if segment.adapter == "b")
    assert changed.nonzero().flatten().tolist() == list(
        range(plan.packing.starts[b.start], plan.packing.starts[b.stop])
    )


def test_adapters_at_different_sites_do_not_meet(rows):
    plan = Plan.of(rows[:2], ["a", "b"])
    route = Route(plan, {"a": shift(1.0, sites=("attention",)), "b": shift(2.0)})
    taps = route(1)
    at_attention, own = run(taps.attention, plan)
    assert torch.equal(at_attention, own + torch.tensor([1.0] * 3 + [0.0]).unsqueeze(1))
    at_ffn, own = run(taps.ffn, plan)
    assert torch.equal(at_ffn, own + torch.tensor([0.0] * 3 + [2.0]).unsqueeze(1))


def test_a_batch_of_one_adapter_runs_its_tap_as_it_is(rows):
    adapter = shift(1.0)
    taps = Route(Plan.of(rows, ["a"] * 5), {"a": adapter})(1)
    assert taps.ffn == adapter.tap


def test_a_batch_without_adapters_has_no_taps(rows):
    route = Route(Plan.of(rows, [None] * 5), {})
    assert all(route(layer) is NO_TAPS for layer in range(3))
