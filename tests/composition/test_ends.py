"""Adapters that end a sub-layer in two ways are not put together."""

import pytest
import torch

from polyhead.composition import Average, Stack
from polyhead.errors import ConfigError

IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture
def model(make_model):
    model = make_model()
    model.add_adapter("seq", "seq_bn")
    model.add_adapter("other", "par_bn")
    model.add_adapter("plus", "adapter_plus[reduction_factor=8]")
    model.add_adapter("more", "adapter_plus[reduction_factor=4]")
    return model


@pytest.mark.parametrize(
    "setup",
    [
        Stack("seq", "plus"),
        Stack("plus", "seq"),
        Average("seq", "plus"),
        Stack(Stack("seq", "other"), "plus"),
        Stack(Average("plus", "more"), "seq"),
    ],
    ids=str,
)
def test_one_that_leaves_the_residual_out_is_not_mixed_with_others(model, setup):
    with pytest.raises(ConfigError, match="choose adapters that end it alike"):
        model(IDS, adapter_names=setup, head=None)


@pytest.mark.parametrize(
    "setup", [Stack("plus", "more"), Average("plus", "more"), Stack("seq", "other")], ids=str
)
def test_those_that_end_it_alike_are_put_together(model, setup):
    with torch.no_grad():
        assert model(IDS, adapter_names=setup, head=None).last_hidden_state.isfinite().all()


def test_a_union_of_both_is_refused(model):
    with pytest.raises(ConfigError, match="choose adapters that end it alike"):
        model.add_adapter("both", "seq_bn|adapter_plus[reduction_factor=8]")
    assert "both" not in model.adapters
