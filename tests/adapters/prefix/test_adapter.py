import copy
import pickle
from itertools import pairwise

import pytest
import torch

from polyhead.adapters import PrefixAdapter, PrefixConfig
from polyhead.adapters.prefix.config import PRESETS
from polyhead.batch import Packing
from polyhead.contracts import NO_TAPS, EncoderShape
from polyhead.errors import ConfigError
from polyhead.testing import AdapterConformance, shaken, tiny_model

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)
SMALL = {"prefix_length": 5, "bottleneck_size": 16}
PACKING = Packing((4, 1, 6))
POOL = "distilbert.prefix_tuning.prefix_tunings.a.self."
GATES = "distilbert.transformer.layer.{}.attention.prefix_tuning.prefix_gates.a."


class TestPrefix(AdapterConformance):
    adapter = PrefixAdapter
    configs = (
        PrefixConfig(**SMALL, init_weights_seed=3, dropout=0.1),
        PrefixConfig(prefix_length=3, flat=True, leave_out=(1,)),
        PrefixConfig(**SMALL, use_gating=True, shared_gating=False),
    )


def adapter_of(**fields):
    return shaken(PrefixAdapter(PrefixConfig(**{**SMALL, **fields}), SHAPE)).eval()


def our_names(theirs, config):
    """The tensors of an adapter file under our names."""
    layers, width = config.layers(SHAPE), SHAPE.width
    ours = {}
    if config.flat:
        states = theirs[POOL + "control_trans"].view(config.prefix_length, -1, width).unbind(1)
        for number, layer in enumerate(layers):
            ours[f"prefix.{layer}.keys"] = states[2 * number]
            ours[f"prefix.{layer}.values"] = states[2 * number + 1]
    else:
        ours["trunk.embedding"] = theirs[POOL + "wte.weight"]
        for part in ("weight", "bias"):
            ours[f"trunk.down.{part}"] = theirs[f"{POOL}control_trans.0.{part}"]
            ups = theirs[f"{POOL}control_trans.2.{part}"].split(2 * width)
            ours |= {f"prefix.{layer}.up.{part}": up for layer, up in zip(layers, ups, strict=True)}
    if config.use_gating:
        for layer in layers:
            for part in ("weight", "bias"):
                ours[f"prefix.{layer}.gate.{part}"] = theirs[GATES.format(layer) + part]
    return ours


@pytest.mark.parametrize("is_flattened", [False, True])
@pytest.mark.parametrize("name", ["prefix_tuning", "prefix_flat", "prefix_gated/bin"])
def test_files_of_the_adapters_library_give_what_they_gave_there(name, is_flattened, recorded):
    theirs = recorded(name)
    config = PrefixConfig(**theirs.kept(PrefixConfig))
    adapter = PrefixAdapter(config, SHAPE)
    adapter.load_state_dict(our_names(theirs.tensors, config))
    states, logits = theirs.computed(adapter.flattened() if is_flattened else adapter)
    for found, expected in zip(states, theirs.states, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(logits, theirs.logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("preset", "n_parameters"), [("prefix_tuning", 5_144_576), ("prefix_tuning_flat", 276_480)]
)
def test_presets_have_as_many_parameters_as_in_the_adapters_library(preset, n_parameters):
    shape = EncoderShape(
        width=768, n_layers=6, n_heads=12, ffn_width=3072, max_positions=512, vocab_size=30522
    )
    with torch.device("meta"):
        adapter = PrefixAdapter(PRESETS[preset], shape)
    assert sum(parameter.numel() for parameter in adapter.parameters()) == n_parameters


def test_tensors_have_short_names_without_the_adapters_name():
    names = set(adapter_of(use_gating=True, leave_out=(0, 1)).state_dict())
    trunk = {"trunk.embedding", "trunk.down.weight", "trunk.down.bias"}
    gate = {"prefix.2.gate.weight", "prefix.2.gate.bias"}
    assert names == trunk | gate | {"prefix.2.up.weight", "prefix.2.up.bias"}
    assert set(adapter_of(flat=True, leave_out=(0, 2)).state_dict()) == {
        "prefix.1.keys",
        "prefix.1.values",
    }


def test_taps_are_ready_made_and_there_only_where_the_adapter_acts():
    adapter = adapter_of(leave_out=(1,))
    assert adapter.taps(1) is NO_TAPS
    assert adapter.embeddings_tap() is None
    for layer in (0, 2):
        taps = adapter.taps(layer)
        assert taps is adapter.taps(layer)
        assert taps.prefix.site is adapter.prefix[str(layer)]
        assert taps.prefix.trunk is adapter.trunk


def test_all_layers_prefixes_are_those_of_one_network():
    """The formula of the paper: one network whose last layer makes keys and values of all layers.

    Only layers that have a prefix count.
    """
    adapter = adapter_of(leave_out=(1,))
    sites = [adapter.prefix["0"], adapter.prefix["2"]]
    weight = torch.cat([site.up.weight for site in sites])
    bias = torch.cat([site.up.bias for site in sites])
    down = adapter.trunk.down
    inner = torch.tanh(adapter.trunk.embedding @ down.weight.t() + down.bias)
    whole = (inner @ weight.t() + bias).view(5, 2 * 2, SHAPE.n_heads, -1)
    for number, layer in enumerate((0, 2)):
        prefixes = adapter.taps(layer).prefix(torch.randn(11, 32), PACKING)
        assert prefixes.packing == Packing((5, 5, 5))
        for row in range(3):
            own = slice(5 * row, 5 * row + 5)
            torch.testing.assert_close(prefixes.keys[own], whole[:, 2 * number])
            torch.testing.assert_close(prefixes.values[own], whole[:, 2 * number + 1])


@pytest.mark.parametrize("fields", [{}, {"use_gating": True, "leave_out": (1,)}, {"flat": True}])
def test_a_flattened_adapter_computes_the_same_with_tensors_of_its_own(fields):
    adapter = adapter_of(**fields)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    flat = adapter.flattened()
    assert torch.equal(torch.get_rng_state(), before)
    assert flat.config == adapter.config.model_copy(update={"flat": True})
    assert all(weight.requires_grad and weight.is_leaf for weight in flat.parameters())
    kept = {name: value.clone() for name, value in flat.state_dict().items()}
    inputs = torch.randn(11, 32)
    for layer in adapter.config.layers(SHAPE):
        expected = adapter.taps(layer).prefix(inputs, PACKING)
        found = flat.taps(layer).prefix(inputs, PACKING)
        assert torch.equal(found.keys, expected.keys)
        assert torch.equal(found.values, expected.values)
    shaken(adapter, seed=5)
    assert all(torch.equal(value, kept[name]) for name, value in flat.state_dict().items())


def test_a_flattened_adapter_keeps_its_type_and_mode():
    adapter = adapter_of().double()
    assert {weight.dtype for weight in adapter.flattened().parameters()} == {torch.float64}
    assert not adapter.flattened().training
    assert adapter.train().flattened().training


def test_a_config_for_another_depth_is_refused():
    model = tiny_model()
    with pytest.raises(ConfigError, match="leave_out names layer 5"):
        model.add_adapter("a", "prefix_tuning[leave_out=[5]]")
    assert not model.adapters


@pytest.mark.parametrize("is_flat", [False, True])
def test_one_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(is_flat):
    config = PrefixConfig(**SMALL, flat=is_flat, use_gating=True, init_weights_seed=0)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = PrefixAdapter(config, SHAPE).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    other = PrefixAdapter(config, SHAPE).state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    part = "keys" if is_flat else "up.weight"
    layers = [one[f"prefix.{layer}.{part}"] for layer in range(3)]
    assert not any(torch.equal(*pair) for pair in pairwise(layers))


def test_copies_and_pickles_tap_with_their_own_weights():
    adapter = adapter_of()
    for twin in (copy.deepcopy(adapter), pickle.loads(pickle.dumps(adapter))):  # noqa: S301
        tap = twin.taps(0).prefix
        assert tap.site is twin.prefix["0"]
        assert tap.trunk is twin.trunk
        assert tap.trunk is not adapter.trunk
        assert torch.equal(twin.trunk.embedding, adapter.trunk.embedding)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (2.0, -1.0), (1.0,)])
def test_shares_that_add_up_to_one_can_be_merged(shares):
    assert adapter_of().why_no_sum(shares) is None


def test_shares_that_do_not_add_up_to_one_have_no_meaning():
    assert "must add up to 1, not 1.5" in adapter_of().why_no_sum((1.0, 0.5))
