import copy
import pickle
import re

import pytest
import torch

from polyhead.adapters import LoraAdapter, LoraConfig
from polyhead.adapters.lora.config import PRESETS
from polyhead.adapters.lora.site import DoraSite
from polyhead.batch import Packing
from polyhead.contracts import NO_TAPS, PROJECTIONS, EncoderShape, Projection
from polyhead.errors import ConfigError
from polyhead.testing import AdapterConformance, shaken

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=48, max_positions=64, vocab_size=100
)
SIZES = {"lin1": (48, 32), "lin2": (32, 48)}
PACKING = Packing((4, 1, 6))


class TestLora(AdapterConformance):
    adapter = LoraAdapter
    is_neutral_at_first = True
    configs = (
        LoraConfig(r=4),
        LoraConfig(
            modules=PROJECTIONS,
            r=2,
            rank_pattern={"q": 3, "0.lin2": 5},
            alpha_pattern={"0.v": 4.0},
            use_rslora=True,
            lora_bias=True,
            dropout=0.1,
            init_weights_seed=1,
        ),
        LoraConfig(modules=PROJECTIONS, r=4, use_gating=True),
        LoraConfig(modules=PROJECTIONS, r=4, use_dora=True, dropout=0.1),
    )


class TestLoraOfSomeLayers(AdapterConformance):
    adapter = LoraAdapter
    config = LoraConfig(r=4, alpha=16.0, leave_out=(1,), init_weights="bert")


class Encoder:
    """An EncoderView of random weights."""

    def projection(self, layer, site):
        generator = torch.Generator().manual_seed(10 * layer + PROJECTIONS.index(site))
        written, read = SIZES.get(site, (32, 32))
        weight = torch.randn(written, read, generator=generator)
        return Projection(weight, torch.randn(written, generator=generator))


def adapter_of(**fields):
    return shaken(LoraAdapter(LoraConfig(r=4, **fields), SHAPE))


def computed(adapter, layer, site, frozen):
    """What the linear layer makes of some tokens with the adapter, and the tokens."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(PACKING.n_tokens, SIZES.get(site, (32, 32))[1], generator=generator)
    tap = getattr(adapter.taps(layer), site)
    return (frozen(x) if tap is None else tap(x, frozen(x), frozen, PACKING)), x


@pytest.mark.parametrize(
    ("preset", "n_parameters"), [("lora", 147_456), ("rslora", 147_456), ("dora", 156_672)]
)
def test_presets_have_as_many_parameters_as_in_the_adapters_library(preset, n_parameters):
    shape = EncoderShape(
        width=768, n_layers=6, n_heads=12, ffn_width=3072, max_positions=512, vocab_size=30522
    )
    with torch.device("meta"):
        adapter = LoraAdapter(PRESETS[preset], shape)
    assert sum(parameter.numel() for parameter in adapter.parameters()) == n_parameters


def test_tensors_have_short_names_without_the_adapters_name():
    gated = LoraAdapter(LoraConfig(use_gating=True, lora_bias=True, leave_out=(0, 1)), SHAPE)
    parts = ("down", "up", "bias", "gate.weight", "gate.bias")
    assert set(gated.state_dict()) == {f"{site}.2.{part}" for site in "qv" for part in parts}
    dora = LoraAdapter(LoraConfig(use_dora=True, modules=("lin1",), leave_out=(0, 1)), SHAPE)
    assert set(dora.state_dict()) == {"lin1.2.down", "lin1.2.up", "lin1.2.magnitude"}


def test_each_linear_layer_has_a_change_of_its_size_and_rank():
    config = LoraConfig(modules=PROJECTIONS, r=4, rank_pattern={"v": 2, "1.v": 3, "lin2": 7})
    tensors = LoraAdapter(config, SHAPE).state_dict()
    ranks = {"v": (2, 3, 2), "lin2": (7, 7, 7)}
    for site in PROJECTIONS:
        written, read = SIZES.get(site, (32, 32))
        for layer, rank in enumerate(ranks.get(site, (4, 4, 4))):
            assert tensors[f"{site}.{layer}.down"].shape == (rank, read)
            assert tensors[f"{site}.{layer}.up"].shape == (written, rank)


def test_taps_are_ready_made_and_there_only_where_the_adapter_acts():
    adapter = LoraAdapter(LoraConfig(modules=("k", "lin2"), leave_out=(1,)), SHAPE)
    assert adapter.taps(1) is NO_TAPS
    for layer in (0, 2):
        taps = adapter.taps(layer)
        assert taps is adapter.taps(layer)
        acting = {site for site in taps.sites() if getattr(taps, site) is not None}
        assert acting == {"k", "lin2"}
        assert taps.k is adapter.get_submodule(f"k.{layer}")


def test_a_config_for_another_depth_is_refused():
    with pytest.raises(ConfigError, match="rank_pattern names layer 3"):
        LoraAdapter(LoraConfig(rank_pattern={"3.q": 2}), SHAPE)


def test_one_seed_gives_the_same_weights_and_leaves_the_global_generator_alone():
    config = LoraConfig(init_weights_seed=7, init_weights="bert", use_gating=True)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = LoraAdapter(config, SHAPE)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    other = LoraAdapter(config, SHAPE)
    drawn = [name for name in one.state_dict() if not name.endswith("gate.bias")]
    for name in drawn:
        assert torch.equal(one.state_dict()[name], other.state_dict()[name]), name
    assert len({tuple(one.state_dict()[name].flatten().tolist()) for name in drawn}) == len(drawn)


def test_dora_starts_from_the_encoders_weights():
    adapter = LoraAdapter(LoraConfig(use_dora=True, modules=("q", "lin2"), leave_out=(0,)), SHAPE)
    adapter.initialise(Encoder())
    for layer in (1, 2):
        for site in ("q", "lin2"):
            part = adapter.get_submodule(f"{site}.{layer}")
            assert isinstance(part, DoraSite)
            norms = Encoder().projection(layer, site).weight.norm(dim=1)
            torch.testing.assert_close(part.magnitude, norms)


def test_what_is_no_dora_takes_nothing_from_the_encoder():
    adapter = adapter_of()
    before = {name: tensor.clone() for name, tensor in adapter.state_dict().items()}
    adapter.initialise(Encoder())
    assert all(torch.equal(before[name], found) for name, found in adapter.state_dict().items())


@pytest.mark.parametrize(
    "fields",
    [
        {"modules": PROJECTIONS, "alpha_pattern": {"2.q": 1.0}},
        {"modules": ("q", "lin1"), "lora_bias": True, "leave_out": (1,)},
        {"modules": PROJECTIONS, "use_dora": True, "use_rslora": True},
    ],
)
def test_a_merged_linear_layer_computes_what_the_adapter_does(fields):
    adapter = adapter_of(**fields)
    for layer in range(SHAPE.n_layers):
        for site in PROJECTIONS:
            frozen = Encoder().projection(layer, site)
            merged = adapter.merged(layer, site, frozen)
            wanted, x = computed(adapter, layer, site, frozen)
            torch.testing.assert_close(merged(x), wanted, atol=2e-5, rtol=0)
            assert not merged.weight.requires_grad
            assert torch.equal(frozen.weight, Encoder().projection(layer, site).weight)
            if getattr(adapter.taps(layer), site) is None:
                assert merged is frozen


def test_the_change_of_a_weight_is_what_is_added_to_it():
    adapter = adapter_of(modules=("q", "lin2"), rank_pattern={"0.q": 2}, leave_out=(2,))
    for layer in range(SHAPE.n_layers):
        for site in PROJECTIONS:
            frozen = Encoder().projection(layer, site)
            delta = adapter.delta(layer, site)
            assert not delta.requires_grad
            assert torch.equal(frozen.weight + delta, adapter.merged(layer, site, frozen).weight)
            acts = site in ("q", "lin2") and layer != 2
            assert bool(delta.any()) == acts


@pytest.mark.parametrize(
    ("fields", "layer", "site", "message"),
    [
        ({"use_gating": True}, 0, "q", "an adapter with use_gating has another effect on each"),
        ({}, 3, "q", "no layer 3; the encoder has 0 to 2."),
        ({}, -1, "q", "no layer -1; the encoder has 0 to 2."),
        ({}, 0, "query", "no linear layer 'query'; there are: q, k, v, out, lin1, lin2."),
    ],
)
def test_what_has_no_merged_weight_is_refused(fields, layer, site, message):
    adapter = adapter_of(**fields)
    with pytest.raises(ConfigError, match=re.escape(message)):
        adapter.delta(layer, site)
    with pytest.raises(ConfigError, match=re.escape(message)):
        adapter.merged(layer, site, Encoder().projection(0, "q"))


def test_what_a_dora_adds_is_not_asked_for_without_the_weight():
    with pytest.raises(ConfigError, match="depends on that weight; use merged"):
        adapter_of(use_dora=True).delta(0, "q")


def test_copies_and_pickles_tap_with_their_own_weights():
    adapter = adapter_of()
    for twin in (copy.deepcopy(adapter), pickle.loads(pickle.dumps(adapter))):  # noqa: S301
        assert twin.taps(0).q is twin.get_submodule("q.0")
        assert twin.taps(0).q is not adapter.taps(0).q
        assert torch.equal(twin.taps(0).q.up, adapter.taps(0).q.up)
