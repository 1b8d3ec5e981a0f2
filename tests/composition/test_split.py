"""Each part of a row goes through its own adapter, as if it were a row of its own."""

import pytest
import torch

from polyhead.batch import Packing
from polyhead.composition.split import split
from polyhead.contracts import NO_TAPS, PROJECTIONS, ComposableTap, LayerTaps
from polyhead.errors import ConfigError, InputError

TOKEN_SITES = [*PROJECTIONS, "inner", "output", "attention", "ffn"]
PARTS = {(2, None): ((0, 2), (2, 9)), (1, 2, None): ((0, 1), (1, 3), (3, 9))}


def tap_of(taps, site, share):
    if site in PROJECTIONS:
        return taps.Doubling(share)
    return taps.Mean(share) if site in ("inner", "output") else taps.Network(share)


def piecewise(given, site, parts, places):
    """Row by row and part by part, each token on its own."""
    found = []
    for row in range(given.packing.n_rows):
        tokens = given.packing.tokens(row, row + 1)
        for tap, (start, stop) in zip(parts, places, strict=True):
            cut = slice(
                min(tokens.start + start, tokens.stop), min(tokens.start + stop, tokens.stop)
            )
            own = Packing((cut.stop - cut.start,))
            if cut.stop == cut.start:
                continue
            if site in PROJECTIONS:
                if tap is None:
                    found.append(given.outputs[cut])
                else:
                    found.append(tap(given.inputs[cut], given.outputs[cut], given.projection, own))
            elif site in ("inner", "output"):
                found.append(given.output[cut] if tap is None else tap(given.output[cut], own))
            elif tap is None:
                found.append(given.norm(given.output[cut] + given.residual[cut]))
            else:
                found.append(tap(given.output[cut], given.residual[cut], given.norm, own))
    return torch.cat(found)


@pytest.mark.parametrize("splits", PARTS, ids=str)
@pytest.mark.parametrize("site", TOKEN_SITES)
def test_parts_are_computed_as_rows_of_their_own(site, splits, taps, given, at):
    parts = [tap_of(taps, site, share) for share in (1.0, 10.0, 100.0)[: len(splits)]]
    found = at(split([LayerTaps(**{site: tap}) for tap in parts], splits), site)
    torch.testing.assert_close(found, piecewise(given, site, parts, PARTS[splits]))


@pytest.mark.parametrize("site", TOKEN_SITES)
def test_a_part_whose_adapter_does_not_act_is_the_encoders_own(site, taps, given, at):
    tap = tap_of(taps, site, 5.0)
    found = at(split([NO_TAPS, LayerTaps(**{site: tap})], (2, None)), site)
    torch.testing.assert_close(found, piecewise(given, site, [None, tap], PARTS[(2, None)]))


@pytest.mark.parametrize("keeps", ["output", "nothing", "both"])
def test_what_each_part_changes_can_be_weighed_by_others(taps, given, keeps):
    parts = [taps.Network(1.0, keeps=keeps), taps.Network(2.0, reads="residual")]
    tap = split([LayerTaps(ffn=part) for part in parts], (2, None)).ffn
    assert isinstance(tap, ComposableTap)
    found = tap.change(given.output, given.residual, given.norm, given.packing)
    whole = [p.change(given.output, given.residual, given.norm, given.packing) for p in parts]
    is_first = (given.packing.column_of_token < 2).unsqueeze(1)
    torch.testing.assert_close(
        found.output, torch.where(is_first, whole[0].output, whole[1].output)
    )
    torch.testing.assert_close(found.read, torch.where(is_first, whole[0].read, whole[1].read))
    assert found.skip is given.output


def test_a_tap_that_cannot_be_composed_can_be_split(taps, given, at):
    """Nothing is added up: each token has one adapter."""
    parts = [taps.Opaque(1.0), taps.Opaque(2.0)]
    found = at(split([LayerTaps(ffn=part) for part in parts], (2, None)), "ffn")
    torch.testing.assert_close(found, piecewise(given, "ffn", parts, PARTS[(2, None)]))


def test_rows_shorter_than_the_first_part_have_no_second(taps, given, at):
    first, second = taps.Mean(1.0), taps.Mean(2.0)
    at(split([LayerTaps(output=first), LayerTaps(output=second)], (3, None)), "output")
    assert first.seen == [(3, 1, 3)]
    assert second.seen == [(1,)]


def test_a_part_that_no_row_has_is_called_with_no_rows(taps, given, at):
    first, second = taps.Mean(1.0), taps.Mean(2.0)
    found = at(split([LayerTaps(output=first), LayerTaps(output=second)], (10**20, None)), "output")
    assert second.seen == [()]
    torch.testing.assert_close(found, first(given.output, given.packing))


def test_without_none_every_row_must_have_that_many_tokens(taps, given):
    tap = split([LayerTaps(output=taps.Mean(1.0)), LayerTaps(output=taps.Mean(2.0))], (1, 2)).output
    with pytest.raises(InputError, match="divides rows of 3 tokens and a row has 1; let the last"):
        tap(given.output, given.packing)
    found = tap(given.output[:6], Packing((3, 3)))
    assert found.shape == (6, 4)


def test_a_prefix_cannot_be_split(taps):
    with pytest.raises(ConfigError, match="a prefix belongs to a whole row"):
        split([LayerTaps(prefix=taps.Prefix(1)), NO_TAPS], (1, None))


def test_where_none_acts_there_is_no_tap():
    assert split([NO_TAPS, NO_TAPS], (1, None)) is NO_TAPS


def test_what_was_answered_before_can_be_trained_on(taps, given):
    """Where rows are cut is remembered; inference tensors could not be kept for the way back."""
    packing = Packing((2, 7))  # of no other test
    parts = [LayerTaps(output=taps.Mean(1.0)), LayerTaps(output=taps.Mean(2.0))]
    tap = split(parts, (1, None)).output
    values = torch.randn(9, 4)
    with torch.inference_mode():
        answered = tap(values, packing)
    weight = torch.ones(4, requires_grad=True)
    learnt = tap(values * weight, packing)
    learnt.sum().backward()
    assert torch.equal(learnt.detach(), answered)
    assert weight.grad.isfinite().all()
