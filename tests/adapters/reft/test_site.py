import pytest
import torch
from torch.nn import functional

from polyhead.adapters import ReftConfig
from polyhead.adapters.reft.site import ReftSite, ReftUnit
from polyhead.batch import Packing
from polyhead.testing import shaken

PACKING = Packing((9, 1, 4, 2, 3))


def site_of(**fields):
    return shaken(ReftSite(ReftConfig(r=4, **fields), 16, None)).eval()


def plain(unit, x):
    """One state as the papers change it."""
    directions = unit.directions()
    config = unit.config
    put = unit.source.weight @ x + unit.source.bias
    if config.non_linearity == "gelu":
        put = functional.gelu(put)
    if config.subtract_projection:
        put = put - directions @ x
    return x + directions.T @ put


@pytest.mark.parametrize("orthogonality", [True, False])
@pytest.mark.parametrize("subtract_projection", [True, False])
@pytest.mark.parametrize("non_linearity", [None, "gelu"])
def test_states_are_changed_as_in_the_paper(orthogonality, subtract_projection, non_linearity):
    config = ReftConfig(
        r=4,
        orthogonality=orthogonality,
        subtract_projection=subtract_projection,
        non_linearity=non_linearity,
    )
    unit = shaken(ReftUnit(config, 16, None)).eval()
    assert (unit.directions() is unit.projection) is not orthogonality
    states = torch.randn(5, 16)
    expected = torch.stack([plain(unit, x) for x in states])
    torch.testing.assert_close(unit(states), expected)


def test_a_loreft_puts_its_source_in_the_place_of_what_a_state_has_in_its_directions():
    unit = shaken(ReftUnit(ReftConfig(r=4), 16, None)).eval()
    states = torch.randn(5, 16)
    changed = unit(states) @ unit.directions().T
    torch.testing.assert_close(changed, unit.source(states), atol=1e-5, rtol=0)


@pytest.mark.parametrize("tied_weights", [False, True])
@pytest.mark.parametrize(("first", "last"), [(3, 0), (0, 2), (3, 2), (2, 3), (20, 1), (1, 20)])
def test_the_first_and_the_last_tokens_of_each_row_are_changed_once(first, last, tied_weights):
    """Where a row is too short for both, its tokens are the last ones before they are the first."""
    site = site_of(prefix_positions=first, suffix_positions=last, tied_weights=tied_weights)
    units = dict(site.named_children())
    values = torch.randn(PACKING.n_tokens, 16)
    expected = []
    for row in values.split(PACKING.lengths):
        for place, x in enumerate(row):
            if place >= len(row) - last:
                expected.append(plain(units["tied" if tied_weights else "suffix"], x))
            elif place < first:
                expected.append(plain(units["tied" if tied_weights else "prefix"], x))
            else:
                expected.append(x)
    found = site(values, PACKING)
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=0)


def test_states_that_are_given_are_left_as_they_are():
    values = torch.randn(PACKING.n_tokens, 16)
    kept = values.clone()
    site_of(suffix_positions=1)(values, PACKING)
    assert torch.equal(values, kept)


def test_no_rows_are_no_error():
    assert site_of(suffix_positions=1)(torch.zeros(0, 16), Packing(())).shape == (0, 16)


def test_dropout_is_of_the_changed_states_and_in_training_alone():
    site = site_of(dropout=0.5)
    values = torch.randn(PACKING.n_tokens, 16)
    whole = site(values, PACKING)
    torch.manual_seed(0)
    dropped = site.train()(values, PACKING)
    is_changed = (whole != values).any(dim=1)
    assert torch.equal(dropped[~is_changed], values[~is_changed])
    is_kept = dropped[is_changed] != 0
    assert 0.3 < is_kept.float().mean() < 0.7
    torch.testing.assert_close(dropped[is_changed][is_kept], 2 * whole[is_changed][is_kept])


@pytest.mark.parametrize("r", [1, 4])
def test_directions_stay_at_right_angles_in_training(r):
    torch.manual_seed(0)
    unit = ReftUnit(ReftConfig(r=r, dropout=0.0), 16, None)
    first = unit.directions().detach()
    torch.testing.assert_close(first, unit.projection.detach(), atol=1e-6, rtol=0)
    states, targets = torch.randn(2, 8, 16).unbind()
    optimizer = torch.optim.AdamW(unit.parameters(), lr=0.1, weight_decay=0.1)
    losses = []
    for _ in range(30):
        loss = (unit(states) - targets).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        directions = unit.directions().detach()
        torch.testing.assert_close(directions @ directions.T, torch.eye(r), atol=1e-5, rtol=0)
    assert losses[-1] < losses[0]
    assert (directions - first).abs().max() > 0.1
