import pytest
import torch

from polyhead.adapters import PrefixAdapter, PrefixConfig
from polyhead.batch import Packing
from polyhead.contracts import EncoderShape
from polyhead.testing import shaken

SHAPE = EncoderShape(
    width=32, n_layers=1, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)
PACKING = Packing((4, 1, 6))


def adapter_of(**fields):
    fields = {"prefix_length": 5, "bottleneck_size": 16, **fields}
    return shaken(PrefixAdapter(PrefixConfig(**fields), SHAPE)).eval()


def prefixes_of(adapter, inputs, packing=PACKING):
    found = adapter.taps(0).prefix(inputs, packing)
    assert found.packing == Packing((5,) * packing.n_rows)
    return found.keys.unflatten(0, (-1, 5)), found.values.unflatten(0, (-1, 5))


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize("is_flat", [True, False])
def test_gates_are_means_over_a_rows_own_tokens(is_flat, is_shared):
    adapter = adapter_of(flat=is_flat, use_gating=True, shared_gating=is_shared)
    gate = adapter.prefix["0"].gate
    assert len(gate.bias) == (1 if is_shared else 2)
    keys, values = adapter.prefix["0"].keys_and_values(adapter.trunk)
    inputs = torch.randn(11, 32)
    found_keys, found_values = prefixes_of(adapter, inputs)
    for row, tokens in enumerate(inputs.split(PACKING.lengths)):
        gates = torch.stack([torch.sigmoid(gate.weight @ x + gate.bias) for x in tokens]).mean(0)
        torch.testing.assert_close(found_keys[row].flatten(1), keys * gates[0])
        torch.testing.assert_close(found_values[row].flatten(1), values * gates[-1])


def test_without_gates_all_rows_have_the_same_prefix_whatever_they_read():
    adapter = adapter_of()
    keys, values = prefixes_of(adapter, torch.randn(11, 32))
    again, _ = prefixes_of(adapter, torch.randn(11, 32))
    assert torch.equal(keys, again)
    for states in (keys, values):
        assert torch.equal(states, states[:1].expand_as(states))


@pytest.mark.parametrize("is_flat", [True, False])
def test_dropout_is_drawn_for_each_row_and_in_training_alone(is_flat):
    adapter = adapter_of(flat=is_flat, dropout=0.5)
    inputs = torch.randn(11, 32)
    whole = prefixes_of(adapter, inputs)
    torch.manual_seed(0)
    for dropped, states in zip(prefixes_of(adapter.train(), inputs), whole, strict=True):
        is_kept = dropped != 0
        assert 0.3 < is_kept.float().mean() < 0.7
        torch.testing.assert_close(dropped[is_kept], 2 * states[is_kept])
        assert not torch.equal(is_kept[0], is_kept[1])
    for states, expected in zip(prefixes_of(adapter.eval(), inputs), whole, strict=True):
        assert torch.equal(states, expected)


@pytest.mark.parametrize("fields", [{}, {"use_gating": True}, {"dropout": 0.5}])
def test_no_rows_have_no_prefixes(fields):
    adapter = adapter_of(**fields).train()
    found = adapter.taps(0).prefix(torch.zeros(0, 32), Packing(()))
    assert found.packing == Packing(())
    assert found.keys.shape == found.values.shape == (0, 4, 8)


def test_a_fresh_network_is_drawn_as_in_the_adapters_library():
    torch.manual_seed(0)
    config = PrefixConfig(prefix_length=64, bottleneck_size=256, use_gating=True)
    adapter = PrefixAdapter(config, SHAPE)
    site, trunk = adapter.prefix["0"], adapter.trunk
    assert float(trunk.embedding.detach().std()) == pytest.approx(1, abs=0.1)
    for layer, read in ((trunk.down, 32), (site.up, 256)):
        bound = read**-0.5
        for values in (layer.weight, layer.bias):
            assert float(values.detach().abs().max()) <= bound
            assert float(values.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.2)
    assert float(site.gate.weight.detach().std()) == pytest.approx(0.02, rel=0.4)
    flat = PrefixAdapter(PrefixConfig(prefix_length=64, flat=True), SHAPE).prefix["0"]
    assert float(flat.keys.detach().std()) == pytest.approx(1, abs=0.1)
    assert float(flat.values.detach().std()) == pytest.approx(1, abs=0.1)
