import copy
import json
import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polyhead.adapters import BottleneckAdapter, BottleneckConfig, FusionAdapter, FusionConfig
from polyhead.batch import Packed, Packing, Row
from polyhead.contracts import NO_TAPS, EncoderShape, LayerTaps
from polyhead.errors import ConfigError
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.testing import AdapterConformance

FIXTURES = Path(__file__).parents[2] / "fixtures" / "adapterhub"
SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)
SITES = {"attention_adapters": "attention", "output_adapters": "ffn"}
PARTS = {"adapter_down.0": "down", "adapter_up": "up"}


def bottleneck(text):
    return BottleneckAdapter(registry().adapter_config(text), SHAPE).eval()


def fusion(**fields):
    config = FusionConfig(**{"adapters": ("a", "b")} | fields)
    return FusionAdapter(config, SHAPE).eval()


def taps_of(adapters, layer):
    return [adapter.taps(layer) for adapter in adapters]


def loaded_part(name):
    """An adapter of the adapters library, and its tensors under our names."""
    folder = FIXTURES / "fusion" / name
    fields = json.loads((folder / "adapter_config.json").read_text())["config"]
    config = BottleneckConfig(**{field: fields[field] for field in BottleneckConfig.model_fields})
    adapter = BottleneckAdapter(config, SHAPE)
    state = {}
    theirs = torch.load(folder / "pytorch_adapter.bin", weights_only=True)
    for key, tensor in theirs.items():
        place, part = key.split(f".adapters.{name}.")
        *_, layer, site = place.split(".")
        part, kind = part.rsplit(".", 1)
        state[f"{SITES[site]}.{layer}.{PARTS[part]}.{kind}"] = tensor
    adapter.load_state_dict(state)
    return adapter


def loaded_fusion():
    folder = FIXTURES / "fusion" / "fusion"
    about = json.loads((folder / "adapter_fusion_config.json").read_text())
    config = FusionConfig(adapters=tuple(about["adapter_names"]), **about["config"])
    adapter = FusionAdapter(config, SHAPE)
    state = {}
    theirs = torch.load(folder / "pytorch_model_adapter_fusion.bin", weights_only=True)
    for key, tensor in theirs.items():
        place, part = key.split(".adapter_fusion_layer.a,b.")
        *_, layer, site = place.split(".")
        state[f"{SITES[site]}.{layer}.{'value' if part == 'value.weight' else part}"] = tensor
    adapter.load_state_dict(state)
    return adapter.eval()


def test_a_fusion_of_the_adapters_library_gives_what_it_gave_there():
    parts, fused = [loaded_part("a"), loaded_part("b")], loaded_fusion()
    expected = load_file(FIXTURES / "fusion" / "expected.safetensors")
    mask = expected["attention_mask"].bool()
    rows = [
        Row(tuple(ids[kept].tolist()))
        for ids, kept in zip(expected["input_ids"], mask, strict=True)
    ]
    encoder = DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone").encoder
    packed = Packed.of(rows)
    with torch.no_grad():
        found = encoder(packed, lambda layer: fused.taps_over(layer, taps_of(parts, layer))).last
        bare = encoder(packed).last
    states = expected["last_hidden_state"][mask]
    torch.testing.assert_close(found, states, atol=1e-5, rtol=0)
    assert (bare - states).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("config", "n_parameters"),
    [
        # 6 layers of query and key with biases, and of values without
        (FusionConfig.dynamic("a", "b"), 6 * (2 * (768 * 768 + 768) + 768 * 768)),
        (FusionConfig.static("a", "b"), 6 * 2 * (768 * 768 + 768)),
        (FusionConfig.static("a", "b", leave_out=(0, 1)), 4 * 2 * (768 * 768 + 768)),
    ],
)
def test_a_fusion_has_as_many_parameters_as_in_the_adapters_library(config, n_parameters):
    shape = SHAPE.model_copy(update={"width": 768, "n_layers": 6})
    with torch.device("meta"):
        adapter = FusionAdapter(config, shape)
    assert sum(parameter.numel() for parameter in adapter.parameters()) == n_parameters


def test_tensors_have_short_names_without_those_of_the_adapters():
    adapter = fusion(sites=("attention", "ffn"), leave_out=(0, 1), temperature=True)
    parts = {"query.weight", "query.bias", "key.weight", "key.bias", "value", "steps"}
    expected = {f"{site}.2.{part}" for site in ("attention", "ffn") for part in parts}
    assert set(adapter.state_dict()) == expected
    static = FusionAdapter(FusionConfig.static("a", "b", leave_out=(0, 1)), SHAPE)
    parts -= {"value", "steps"}
    assert set(static.state_dict()) == {f"ffn.2.{part}" for part in parts}


def test_it_has_no_taps_of_its_own_and_says_whom_it_fuses():
    adapter = fusion(adapters=("b", "a", "c"))
    assert adapter.taps(0) is NO_TAPS
    assert adapter.fused == ("b", "a", "c")
    assert adapter.embeddings_tap() is None


def test_where_no_adapter_acts_nothing_does():
    adapters = [bottleneck("seq_bn[leave_out=[1]]"), bottleneck("seq_bn[leave_out=[1]]")]
    fused = fusion()
    assert fused.taps_over(1, taps_of(adapters, 1)) is NO_TAPS
    assert fused.taps_over(0, taps_of(adapters, 0)).ffn is not None


def test_an_adapter_has_no_part_where_it_does_not_act():
    adapters = [bottleneck("seq_bn"), bottleneck("seq_bn[leave_out=[1]]")]
    fused = fusion()
    assert fused.taps_over(0, taps_of(adapters, 0)).ffn.taps == (
        adapters[0].ffn["0"],
        adapters[1].ffn["0"],
    )
    assert fused.taps_over(1, taps_of(adapters, 1)).ffn.taps == (adapters[0].ffn["1"],)


def test_sites_are_fused_each_on_its_own():
    adapters = [bottleneck("double_seq_bn"), bottleneck("seq_bn")]
    fused = fusion(sites=("attention", "ffn"))
    taps = fused.taps_over(2, taps_of(adapters, 2))
    assert taps.attention.site is fused.attention["2"]
    assert taps.ffn.site is fused.ffn["2"]
    assert taps.attention.taps == (adapters[0].attention["2"],)


def test_in_a_layer_left_out_no_adapter_acts():
    adapters = [bottleneck("seq_bn"), bottleneck("seq_bn")]
    assert fusion(leave_out=(1,)).taps_over(1, taps_of(adapters, 1)) is NO_TAPS


class PlainTap:
    """A sub-layer's tap in one step."""

    def __call__(self, output, residual, norm, packing):
        return norm(output + residual)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            LayerTaps(q=PlainTap()),
            "'b' cannot be fused: it acts at 'q' in layer 1, and only what acts at 'attention' and",
        ),
        (LayerTaps(prefix=PlainTap()), "the adapter 'b' cannot be fused: it acts at 'prefix'"),
        (LayerTaps(output=PlainTap()), "the adapter 'b' cannot be fused: it acts at 'output'"),
        (
            LayerTaps(ffn=PlainTap()),
            "the adapter 'b' cannot be fused: its PlainTap at 'ffn' has no `change` and `close`",
        ),
        (
            LayerTaps(attention=PlainTap()),
            "acts at 'attention' in layer 1, where this fusion does not; make one with sites=('att",
        ),
    ],
)
def test_what_cannot_be_fused_is_refused_by_name(part, message):
    adapter = bottleneck("seq_bn")
    with pytest.raises(ConfigError, match=re.escape(message)):
        fusion().taps_over(1, [adapter.taps(1), part])


def test_the_penalty_is_a_hundredth_of_the_squared_distance_to_the_identity():
    fused = fusion(sites=("attention", "ffn"), leave_out=(0,))
    torch.manual_seed(0)
    matrices = [
        torch.nn.init.normal_(site.value)
        for sites in (fused.attention, fused.ffn)
        for site in sites.values()
    ]
    expected = 0.01 * sum((torch.eye(32) - matrix).pow(2).sum() for matrix in matrices)
    penalty = fused.penalty()
    torch.testing.assert_close(penalty, expected)
    penalty.backward()
    for matrix in matrices:
        torch.testing.assert_close(matrix.grad, 0.02 * (matrix - torch.eye(32)).detach())


def test_there_is_no_penalty_without_regularization():
    assert fusion(regularization=False).penalty() is None
    assert FusionAdapter(FusionConfig.static("a", "b"), SHAPE).penalty() is None


def test_weights_of_fusions_are_averaged_and_not_taken_away():
    assert fusion().why_no_sum([0.25, 0.75]) is None
    assert "a fusion of any weights changes what" in fusion().why_no_sum([1.0, -1.0])


def test_gradients_reach_the_fusion_and_adapters_that_are_trained():
    adapters = [bottleneck("seq_bn"), bottleneck("seq_bn").requires_grad_(requires_grad=False)]
    fused = fusion()
    output, residual = torch.randn(2, 5, 32).unbind()
    tap = fused.taps_over(0, taps_of(adapters, 0)).ffn
    tap(output, residual, torch.tanh, Packing((2, 3))).sum().backward()
    assert all(parameter.grad is not None for parameter in fused.ffn["0"].parameters())
    assert all(parameter.grad is not None for parameter in adapters[0].ffn["0"].parameters())
    assert all(parameter.grad is None for parameter in adapters[1].parameters())


def test_copies_and_pickles_fuse_with_their_own_weights():
    fused, adapters = fusion(), [bottleneck("seq_bn"), bottleneck("seq_bn")]
    for twin in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused))):  # noqa: S301
        tap = twin.taps_over(0, taps_of(adapters, 0)).ffn
        assert tap.site is twin.ffn["0"]
        assert tap.site is not fused.ffn["0"]
        assert torch.equal(tap.site.query.weight, fused.ffn["0"].query.weight)


def test_fresh_weights_follow_the_global_generator():
    def weight(seed):
        torch.manual_seed(seed)
        return fusion().ffn["1"].query.weight

    assert torch.equal(weight(3), weight(3))
    assert not torch.equal(weight(3), weight(4))


def test_rows_of_a_fusion_do_not_depend_on_those_beside_them(make_model, shake):
    model = make_model()
    for number, text in enumerate(("seq_bn", "seq_bn[use_gating=true]", "double_seq_bn_inv")):
        model.add_adapter("abc"[number], text)
        shake(model.adapters["abc"[number]], seed=number)
    model.add_adapter("fused", FusionConfig.dynamic("a", "b"))
    shake(model.adapters["fused"], seed=7)
    ids = torch.tensor([[2, 5, 6, 3], [2, 7, 8, 3], [2, 9, 9, 3], [2, 6, 5, 3]])
    names = ["c", "fused", None, "fused"]
    with torch.inference_mode():
        mixed = model(input_ids=ids, adapter_names=names).last_hidden_state
        alone = [
            model(input_ids=ids[row : row + 1], adapter_names=name).last_hidden_state[0]
            for row, name in enumerate(names)
        ]
    for one, other in zip(mixed, alone, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    assert (mixed[1] - mixed[3]).abs().max() > 1e-3


class TestFusionAdapter(AdapterConformance):
    adapter = FusionAdapter
    configs = (
        FusionConfig.dynamic("first", "second"),
        FusionConfig.static("second", "first", temperature=True),
    )
