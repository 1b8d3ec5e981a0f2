import pytest
import torch

from polyhead.heads.logits import checked_logits, logits_of


def test_logits_leave_the_graph_as_float32():
    logits = torch.zeros(2, 3, dtype=torch.float16, requires_grad=True)
    found = checked_logits(logits)
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_an_output_of_several_tensors_has_no_logits():
    with pytest.raises(TypeError, match="one tensor, not a dict"):
        logits_of({"start": torch.zeros(1)})
