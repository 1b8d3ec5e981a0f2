import pytest
import torch

from polyhead.errors import InputError
from polyhead.pipelines.logits import finite, finite_logits


def test_logits_are_float32_out_of_the_graph():
    found = finite_logits(torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True))
    assert found.dtype == torch.float32
    assert not found.requires_grad


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(value):
    with pytest.raises(InputError, match="not finite"):
        finite(torch.tensor([0.0, value]))


def test_several_parts_are_not_one_tensor():
    with pytest.raises(TypeError, match="one tensor, not a dict"):
        finite_logits({"start": torch.zeros(1)})
