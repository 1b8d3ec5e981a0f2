import pytest
import torch

from polyhead.adapters.row_gate import RowGate
from polyhead.batch import Packing

PACKING = Packing((4, 1, 6))


@pytest.mark.parametrize("n_gates", [1, 2])
def test_a_row_is_as_far_open_as_the_mean_over_its_own_tokens(n_gates):
    gate = RowGate(8, None, n_gates)
    torch.nn.init.normal_(gate.weight)
    torch.nn.init.normal_(gate.bias)
    values = torch.randn(11, 8)
    each = torch.sigmoid(values @ gate.weight.T + gate.bias)
    means = torch.stack([row.mean(dim=0) for row in each.split(PACKING.lengths)])
    torch.testing.assert_close(gate.of_rows(values, PACKING), means)
    torch.testing.assert_close(gate(values, PACKING), means[PACKING.row_of_token])


def test_fresh_gates_are_half_open():
    gate = RowGate(32, torch.Generator().manual_seed(0), 2)
    torch.testing.assert_close(
        gate.of_rows(torch.randn(11, 32), PACKING), torch.full((3, 2), 0.5), atol=0.1, rtol=0
    )


def test_no_rows_have_no_gates():
    gate = RowGate(8, None)
    assert gate.of_rows(torch.zeros(0, 8), Packing(())).shape == (0, 1)
    assert gate(torch.zeros(0, 8), Packing(())).shape == (0, 1)
