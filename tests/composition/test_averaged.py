"""An average adds up, weight by weight, what its adapters change."""

import pytest
import torch

from polyhead.composition.averaged import averaged
from polyhead.contracts import NO_TAPS, PROJECTIONS, ComposableTap, LayerTaps
from polyhead.errors import ConfigError

TOKEN_SITES = [*PROJECTIONS, "inner", "output", "attention", "ffn"]


def two_taps(taps, site):
    if site in PROJECTIONS:
        return taps.Doubling(1.0), taps.Doubling(3.0)
    if site in ("inner", "output"):
        return taps.Mean(1.0), taps.Mean(3.0)
    return taps.Network(1.0), taps.Network(3.0)


@pytest.mark.parametrize("weights", [(0.7, 0.3), (1.0, 1.0), (2.0, -0.5), (0.0, 0.0)], ids=str)
@pytest.mark.parametrize("site", TOKEN_SITES)
def test_each_change_counts_by_its_weight(site, weights, taps, given, at):
    """f + sum of w (f changed by the adapter alone - f): weights are used as they are."""
    parts = [LayerTaps(**{site: tap}) for tap in two_taps(taps, site)]
    if site in ("attention", "ffn"):
        square = given.output.square()
        mixed = given.output + weights[0] * square + weights[1] * 3.0 * square
        expected = given.norm(mixed + given.residual)
    else:
        own = given.outputs if site in PROJECTIONS else given.output
        alone = [at(part, site) for part in parts]
        expected = own + sum(w * (one - own) for w, one in zip(weights, alone, strict=True))
    torch.testing.assert_close(at(averaged(parts, weights), site), expected)


@pytest.mark.parametrize("site", TOKEN_SITES)
def test_two_of_the_same_are_that_one(site, taps, at):
    """The adapters library divides by their number once more."""
    part = LayerTaps(**{site: two_taps(taps, site)[0]})
    torch.testing.assert_close(at(averaged([part, part], (0.5, 0.5)), site), at(part, site))


@pytest.mark.parametrize("site", TOKEN_SITES)
def test_one_that_does_not_act_changes_nothing_there(site, taps, at, given):
    tap, _ = two_taps(taps, site)
    found = at(averaged([LayerTaps(**{site: tap}), NO_TAPS], (0.25, 0.75)), site)
    expected = at(averaged([LayerTaps(**{site: tap})], (0.25,)), site)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("keeps", ["nothing", "both"])
def test_what_a_part_drops_or_adds_of_the_output_counts_by_its_weight_too(taps, given, keeps):
    parts = [taps.Network(1.0, keeps=keeps), taps.Network(2.0)]
    tap = averaged([LayerTaps(ffn=part) for part in parts], (0.5, 0.25)).ffn
    assert isinstance(tap, ComposableTap)
    found = tap.change(given.output, given.residual, given.norm, given.packing)
    own = given.output.square() + (given.residual if keeps == "both" else -given.output)
    added = 0.5 * own + 0.25 * 2.0 * given.output.square()
    torch.testing.assert_close(found.added, added)
    torch.testing.assert_close(found.output, given.output + added)


def test_the_last_one_ends_the_sublayer(taps, given, at):
    parts = [LayerTaps(ffn=taps.Network(1.0)), LayerTaps(ffn=taps.Network(1.0, is_normed=False))]
    found = at(averaged(parts, (0.5, 0.5)), "ffn")
    torch.testing.assert_close(found, given.output + given.output.square())


def test_prefixes_are_averaged_token_by_token(taps, given, at):
    parts = [LayerTaps(prefix=taps.Prefix(2, 1.0)), LayerTaps(prefix=taps.Prefix(2, 5.0))]
    first, second = (at(part, "prefix") for part in parts)
    found = at(averaged(parts, (0.75, -0.5)), "prefix")
    assert found.packing == first.packing
    torch.testing.assert_close(found.keys, 0.75 * first.keys - 0.5 * second.keys)
    torch.testing.assert_close(found.values, 0.75 * first.values - 0.5 * second.values)


def test_prefixes_of_other_lengths_or_none_cannot_be_averaged(taps, at):
    prefix = LayerTaps(prefix=taps.Prefix(2))
    longer = averaged([prefix, LayerTaps(prefix=taps.Prefix(3))], (0.5, 0.5))
    with pytest.raises(ConfigError, match="prefixes of different lengths cannot be averaged"):
        at(longer, "prefix")
    for other in (NO_TAPS, LayerTaps(ffn=taps.Network(1.0))):
        with pytest.raises(ConfigError, match="cannot be averaged with one that has none"):
            averaged([prefix, other], (0.5, 0.5))


def test_a_tap_that_cannot_be_composed_cannot_be_averaged(taps):
    parts = [LayerTaps(attention=taps.Opaque()), LayerTaps(attention=taps.Network(1.0))]
    with pytest.raises(ConfigError, match="Opaque cannot be averaged"):
        averaged(parts, (0.5, 0.5))


def test_where_none_acts_there_is_no_tap():
    assert averaged([NO_TAPS, NO_TAPS], (0.5, 0.5)) is NO_TAPS
