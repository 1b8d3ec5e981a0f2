import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from polyhead.adapters import ReftAdapter
from polyhead.adapters.reft.projection import orthonormal
from polyhead.errors import ConversionError


def torchs_own(rank, width, noise=0.3):
    """A layer whose weight torch keeps orthogonal, as if trained."""
    torch.manual_seed(0)
    layer = parametrizations.orthogonal(nn.Linear(width, rank, bias=False))
    with torch.no_grad():
        change = noise * torch.randn(rank, width)
        layer.parametrizations.weight.original.add_(change.fill_diagonal_(0))
    return layer


def saved_by(layer):
    state = layer.state_dict()
    return state["parametrizations.weight.original"], state["parametrizations.weight.0.base"]


@pytest.mark.parametrize("rank", [1, 2, 5, 8])
def test_rows_become_orthonormal_and_span_what_they_did(rank):
    torch.manual_seed(0)
    rows = torch.randn(rank, 8, dtype=torch.float64)
    found = orthonormal(rows)
    torch.testing.assert_close(found @ found.T, torch.eye(rank, dtype=torch.float64))
    torch.testing.assert_close(rows @ found.T @ found, rows)


def test_they_are_those_of_gram_and_schmidt():
    torch.manual_seed(0)
    rows = torch.randn(4, 8, dtype=torch.float64)
    expected = []
    for row in rows:
        rest = row - sum(((row @ other) * other for other in expected), torch.zeros(8))
        expected.append(rest / rest.norm())
    torch.testing.assert_close(orthonormal(rows), torch.stack(expected))


@pytest.mark.parametrize("rank", [1, 4, 8])
def test_orthonormal_rows_stay_as_they_are(rank):
    torch.manual_seed(0)
    rows = orthonormal(torch.randn(rank, 8))
    torch.testing.assert_close(orthonormal(rows), rows, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_more_exactly(rank, dtype):
    torch.manual_seed(0)
    rows = torch.randn(rank, 8).to(dtype)
    found = orthonormal(rows)
    assert found.dtype == dtype
    assert torch.equal(found, orthonormal(rows.float()).to(dtype))


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_what_torch_saves_of_an_orthogonal_layer_gives_its_weight(rank):
    layer = torchs_own(rank, 8)
    found = ReftAdapter.projection_of(*saved_by(layer))
    torch.testing.assert_close(found, layer.weight.detach(), atol=1e-6, rtol=0)
    torch.testing.assert_close(orthonormal(found), layer.weight.detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_torch_makes_a_projection_of_what_is_written_for_it(rank):
    projection = orthonormal(torch.randn(rank, 8))
    original, base = ReftAdapter.parametrization_of(projection)
    torch.testing.assert_close(base @ base.T, torch.eye(8), atol=1e-6, rtol=0)
    layer = torchs_own(rank, 8)
    layer.load_state_dict(
        {"parametrizations.weight.original": original, "parametrizations.weight.0.base": base}
    )
    torch.testing.assert_close(layer.weight.detach(), projection, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        ReftAdapter.projection_of(original, base), projection, atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(
    "shapes",
    [((3, 8), (8, 7)), ((3, 8), (7, 7)), ((9, 8), (8, 8)), ((8,), (8, 8)), ((1, 3, 8), (8, 8))],
)
def test_shapes_that_do_not_go_together_are_refused(shapes):
    with pytest.raises(ConversionError, match="is damaged"):
        ReftAdapter.projection_of(*map(torch.zeros, shapes))


def test_a_projection_that_weight_decay_has_destroyed_is_refused():
    """Torch cuts a sign that was 1 to 0 once it is a little smaller."""
    layer = torchs_own(2, 8)
    with torch.no_grad():
        layer.parametrizations.weight.original.mul_(0.999)
    assert layer.weight.abs().max() == 0
    with pytest.raises(ConversionError, match="not orthonormal"):
        ReftAdapter.projection_of(*saved_by(layer))


def test_a_projection_with_nan_is_refused():
    original, base = saved_by(torchs_own(2, 8))
    base[0, 0] = torch.nan
    with pytest.raises(ConversionError, match="not orthonormal"):
        ReftAdapter.projection_of(original, base)
