"""Each segment's tap works on its own rows, as if they were the whole batch, at every site."""

from types import SimpleNamespace

import pytest
import torch

from polyhead.batch import Packing, Row
from polyhead.contracts import (
    NO_TAPS,
    PROJECTIONS,
    EmbeddingsTap,
    LayerTaps,
    Prefixes,
    Projection,
)
from polyhead.routing import Plan, Route

SITES = [*PROJECTIONS, "inner", "output", "attention", "ffn", "prefix"]
ROWS = [Row((1, 2, 3)), Row((4,)), Row((5, 6)), Row((7, 8)), Row((1, 2, 3)), Row((9, 9, 9, 9))]
ADAPTERS = ["a", None, "b", "a", None, "b"]


class Acting:
    """Acts at given sites: adds a number and the mean of each row; its prefix has that length."""

    def __init__(self, number, sites=SITES, embeddings=None):
        self.number, self.embeddings = number, embeddings
        self.seen = []
        self.layer = LayerTaps(**{site: self.tap_of(site) for site in sites})

    def taps(self, layer):
        return self.layer if layer else NO_TAPS

    def embeddings_tap(self):
        return self.embeddings

    def tap_of(self, site):
        def changed(values, packing):
            self.seen.append(packing.lengths)
            assert len(values) == packing.n_tokens
            return values + self.number + packing.mean(values)[packing.row_of_token]

        def prefix(inputs, packing):
            keys = packing.mean(inputs).view(packing.n_rows, 1, 1, -1)
            keys = keys.expand(-1, self.number, -1, -1)
            return Prefixes.of_rows(keys, keys * 2)

        if site in PROJECTIONS:
            return lambda inputs, outputs, projection, packing: (
                changed(outputs, packing) + inputs.sum(1, keepdim=True) + projection.bias
            )
        if site in ("attention", "ffn"):
            return lambda output, residual, norm, packing: norm(changed(output, packing) - residual)
        return prefix if site == "prefix" else changed


class Front(EmbeddingsTap):
    """Puts tokens of one number in front of each row."""

    def __init__(self, length):
        self.length = length

    def enter(self, embeddings, packing):
        new = torch.full((self.length, embeddings.shape[1]), float(self.length))
        parts = [part for row in embeddings.split(packing.lengths) for part in (new, row)]
        return torch.cat(parts), Packing(tuple(n + self.length for n in packing.lengths))

    def leave(self, hidden, packing):
        rows = hidden.split(packing.lengths)
        lengths = tuple(n - self.length for n in packing.lengths)
        return torch.cat([row[self.length :] for row in rows]), Packing(lengths)

    def inverted(self, states, packing):
        return states - self.length


def norm(values):
    return values * 2


def call(tap, site, packing, tokens=slice(None)):
    """The tap of a site on some of a batch's tokens."""
    generator = torch.Generator().manual_seed(0)
    first, second, read = (torch.randn(15, 4, generator=generator)[tokens] for _ in "abc")
    projection = Projection(torch.ones(4, 4), torch.arange(4.0))
    if site in PROJECTIONS:
        return first if tap is None else tap(read, first, projection, packing)
    if site in ("attention", "ffn"):
        return norm(first + second) if tap is None else tap(first, second, norm, packing)
    if site == "prefix" and tap is None:
        return SimpleNamespace(packing=Packing((0,) * packing.n_rows))
    return first if tap is None else tap(first, packing)


@pytest.mark.parametrize("site", SITES)
def test_rows_of_a_mixed_batch_are_changed_as_alone(site):
    acting = {"a": Acting(1), "b": Acting(3)}
    plan = Plan.of(ROWS, ADAPTERS)
    mixed = call(getattr(Route(plan, acting)(1), site), site, plan.packing)
    for segment in plan.segments:
        own = plan.packing.rows(segment.start, segment.stop)
        tokens = plan.packing.tokens(segment.start, segment.stop)
        tap = None if segment.adapter is None else getattr(acting[segment.adapter].taps(1), site)
        alone = call(tap, site, own, tokens)
        if site != "prefix":
            assert torch.equal(mixed[tokens], alone)
            continue
        assert mixed.packing.lengths[segment.start : segment.stop] == alone.packing.lengths
        if tap is not None:
            places = mixed.packing.tokens(segment.start, segment.stop)
            assert torch.equal(mixed.keys[places], alone.keys)
            assert torch.equal(mixed.values[places], alone.values)
    assert len(plan.rows) == 6
    if site != "prefix":
        assert acting["a"].seen == [(2, 3)] * 2
        assert acting["b"].seen == [(2, 4)] * 2


@pytest.mark.parametrize("site", SITES)
def test_a_site_where_one_adapter_acts_leaves_the_rows_of_others(site):
    acting = {"a": Acting(1, sites=[site]), "b": Acting(3, sites=set(SITES) - {site})}
    plan = Plan.of(ROWS, ADAPTERS)
    taps = Route(plan, acting)(1)
    mixed = call(getattr(taps, site), site, plan.packing)
    own = call(None, site, plan.packing)
    for segment in plan.segments:
        if segment.adapter == "a":
            continue
        if site == "prefix":
            assert set(mixed.packing.lengths[segment.start : segment.stop]) == {0}
        else:
            tokens = plan.packing.tokens(segment.start, segment.stop)
            assert torch.equal(mixed[tokens], own[tokens])


def test_a_site_where_none_acts_has_no_tap():
    plan = Plan.of(ROWS, ADAPTERS)
    taps = Route(plan, {"a": Acting(1, sites=["q"]), "b": Acting(2, sites=["ffn"])})(1)
    assert {site for site in SITES if getattr(taps, site) is not None} == {"q", "ffn"}
    assert Route(plan, {"a": Acting(1), "b": Acting(2)})(0) is NO_TAPS


def test_rows_get_tokens_of_their_own_and_lose_them_again():
    acting = {"a": Acting(1, embeddings=Front(2)), "b": Acting(1, embeddings=Front(5))}
    plan = Plan.of(ROWS, ADAPTERS)
    values = torch.randn(plan.packing.n_tokens, 4)
    tap = Route(plan, acting).embeddings
    entered, packing = tap.enter(values, plan.packing)
    more = {"a": 2, None: 0, "b": 5}
    for segment in plan.segments:
        for row in range(segment.start, segment.stop):
            own = values[plan.packing.tokens(row, row + 1)]
            n_more = more[segment.adapter]
            expected = torch.cat([torch.full((n_more, 4), float(n_more)), own])
            assert torch.equal(entered[packing.tokens(row, row + 1)], expected)
    left, packing = tap.leave(entered, packing)
    assert torch.equal(left, values)
    assert packing == plan.packing


def test_embeddings_are_left_alone_where_nothing_acts_on_them():
    assert Route(Plan.of(ROWS, ADAPTERS), {"a": Acting(1), "b": Acting(2)}).embeddings is None
    front = Front(1)
    acting = {"a": Acting(1, embeddings=front)}
    assert Route(Plan.of(ROWS[:1], ["a"]), acting).embeddings is front


def test_each_rows_way_back_from_the_embeddings_is_its_adapters():
    front = Front(2)
    acting = {"a": Acting(1, embeddings=front), "b": Acting(1, embeddings=EmbeddingsTap())}
    plan = Plan.of(ROWS, ADAPTERS)
    found = Route(plan, acting).inverses
    assert [inverse is not None for inverse in found] == [name == "a" for name in plan.adapters]
    assert {inverse for inverse in found if inverse is not None} == {front.inverted}
    assert Route(plan, {"a": Acting(1), "b": acting["b"]}).inverses is None
