"""A stack does at every site what its adapters do there, one after the other."""

import pytest
import torch

from polyhead.batch import Packing
from polyhead.composition.stacked import stacked, stacked_embeddings
from polyhead.contracts import NO_TAPS, PROJECTIONS, ComposableTap, LayerTaps
from polyhead.errors import ConfigError


@pytest.mark.parametrize("site", PROJECTIONS)
def test_changes_of_a_projection_follow_one_another(site, taps, given, at):
    found = at(stacked([LayerTaps(**{site: taps.Doubling(share)}) for share in (1.0, 10.0)]), site)
    sums, bias = given.inputs.sum(dim=1, keepdim=True), given.projection.bias
    expected = (given.outputs * 2 + sums + bias) * 2 + 10 * sums + bias
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("site", ["inner", "output"])
def test_changes_of_tokens_follow_one_another(site, taps, given, at):
    first, second = taps.Mean(1.0), taps.Mean(10.0)
    found = at(stacked([LayerTaps(**{site: first}), LayerTaps(**{site: second})]), site)
    once = first(given.output, given.packing)
    torch.testing.assert_close(found, second(once, given.packing))
    assert not torch.allclose(found, once)


@pytest.mark.parametrize("site", ["attention", "ffn"])
def test_bottlenecks_are_chained_and_the_last_one_ends_the_sublayer(site, taps, given, at):
    parts = [taps.Network(0.5, is_normed=False), taps.Network(2.0)]
    found = at(stacked([LayerTaps(**{site: tap}) for tap in parts]), site)
    once = given.output + 0.5 * given.output.square()
    twice = once + 2.0 * once.square()
    torch.testing.assert_close(found, given.norm(twice + given.residual))
    swapped = at(stacked([LayerTaps(**{site: tap}) for tap in parts[::-1]]), site)
    twice = given.output + 2.0 * given.output.square()
    torch.testing.assert_close(swapped, twice + 0.5 * twice.square())


def test_what_a_chain_changes_can_be_weighed_by_others(taps, given):
    """Its parts' own changes alone, and not what a part was given by the one before."""
    parts = [taps.Network(0.5), taps.Network(2.0, reads="residual", gate=0.25)]
    chain = stacked([LayerTaps(ffn=tap) for tap in parts]).ffn
    assert isinstance(chain, ComposableTap)
    found = chain.change(given.output, given.residual, given.norm, given.packing)
    added = 0.5 * given.output.square() + 0.25 * 2.0 * given.residual.square()
    torch.testing.assert_close(found.added, added)
    torch.testing.assert_close(found.output, given.output + added)
    assert found.skip is given.output


@pytest.mark.parametrize("keeps", ["nothing", "both"])
def test_a_part_that_keeps_something_else_shows_in_what_a_chain_changes(taps, given, keeps):
    chain = stacked(
        [LayerTaps(ffn=taps.Network(1.0, keeps=keeps)), LayerTaps(ffn=taps.Network(2.0))]
    )
    found = chain.ffn.change(given.output, given.residual, given.norm, given.packing)
    skip = given.output + given.residual if keeps == "both" else 0.0
    once = skip + given.output.square()
    torch.testing.assert_close(found.output, once + 2.0 * once.square())
    torch.testing.assert_close(found.skip + found.added, found.output)


def test_prefixes_lie_side_by_side_in_front_of_each_row(taps, given, at):
    first, second = taps.Prefix(2, 1.0), taps.Prefix(3, -1.0)
    found = at(stacked([LayerTaps(prefix=first), LayerTaps(prefix=second)]), "prefix")
    assert found.packing.lengths == (5, 5, 5)
    for row in range(3):
        own = given.output[given.packing.tokens(row, row + 1)]
        alone = [tap(own, Packing((len(own),))) for tap in (first, second)]
        tokens = found.packing.tokens(row, row + 1)
        torch.testing.assert_close(found.keys[tokens], torch.cat([part.keys for part in alone]))
        torch.testing.assert_close(found.values[tokens], torch.cat([part.values for part in alone]))


def test_prefixes_of_no_rows_are_none(taps, given):
    tap = stacked([LayerTaps(prefix=taps.Prefix(2)), LayerTaps(prefix=taps.Prefix(3))]).prefix
    found = tap(given.output[:0], Packing(()))
    assert (len(found.keys), found.packing.lengths) == (0, ())


def test_embeddings_are_entered_in_order_and_left_and_taken_back_in_reverse(taps, given):
    tap = stacked_embeddings([taps.Scale(3.0), None, taps.Front(7.0), taps.Scale(2.0)])
    entered, packing = tap.enter(given.output, given.packing)
    assert packing.lengths == (4, 2, 5)
    for row in range(3):
        own = given.output[given.packing.tokens(row, row + 1)]
        expected = torch.cat([torch.full((1, 4), 14.0, dtype=own.dtype), own * 6])
        torch.testing.assert_close(entered[packing.tokens(row, row + 1)], expected)
    left, packing = tap.leave(entered, packing)
    assert packing == given.packing
    torch.testing.assert_close(left, given.output * 6)
    torch.testing.assert_close(tap.inverted(left, packing), given.output)


def test_tokens_in_front_of_others_leave_in_the_right_order(taps, given):
    tap = stacked_embeddings([taps.Front(1.0), taps.Front(2.0)])
    entered, packing = tap.enter(given.output, given.packing)
    assert entered[packing.tokens(1, 2), 0].tolist()[:2] == [2.0, 1.0]
    left, packing = tap.leave(entered, packing)
    assert torch.equal(left, given.output)
    assert packing == given.packing


@pytest.mark.parametrize("site", [*PROJECTIONS, "inner", "output", "attention", "ffn", "prefix"])
def test_where_one_alone_acts_its_own_tap_is_called(site, taps):
    tap = taps.Opaque()
    assert getattr(stacked([NO_TAPS, LayerTaps(**{site: tap}), NO_TAPS]), site) is tap
    other = LayerTaps(**dict.fromkeys(set(LayerTaps.sites()) - {site}, taps.Network(1.0)))
    assert getattr(stacked([LayerTaps(**{site: tap}), other]), site) is tap


def test_where_none_acts_there_is_no_tap(taps):
    assert stacked([NO_TAPS, NO_TAPS]) is NO_TAPS
    assert stacked_embeddings([None, None]) is None
    one = taps.Front(1.0)
    assert stacked_embeddings([None, one]) is one


def test_a_tap_that_cannot_be_composed_may_stand_last_alone(taps, given, at):
    opaque = LayerTaps(ffn=taps.Opaque(5.0))
    found = at(stacked([LayerTaps(ffn=taps.Network(1.0)), opaque]), "ffn")
    once = given.output + given.output.square()
    torch.testing.assert_close(found, given.norm(once + given.residual) + 5.0)
    with pytest.raises(
        ConfigError, match=r"Opaque cannot be followed by another.* last in a Stack"
    ):
        stacked([opaque, LayerTaps(ffn=taps.Network(1.0))])
