import copy
import itertools
import json
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import nn

from polyhead.adapters import BottleneckAdapter, BottleneckConfig
from polyhead.adapters.bottleneck.invertible import GlowCoupling, NiceCoupling
from polyhead.adapters.bottleneck.presets import PRESETS
from polyhead.batch import Packing
from polyhead.contracts import NO_TAPS, EncoderShape
from polyhead.errors import ConfigError
from polyhead.heads import ClassificationHeadConfig
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.testing import AdapterConformance

FIXTURES = Path(__file__).parents[2] / "fixtures" / "adapterhub"
SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)
SITES = {"attention_adapters": "attention", "output_adapters": "ffn"}
HEAD_PARTS = {"1": "dense.0", "4": "out"}
IDS = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])


@pytest.fixture
def model():
    return DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone")


def read_tensors(folder, stem):
    if (folder / f"{stem}.safetensors").exists():
        return load_file(folder / f"{stem}.safetensors")
    return torch.load(folder / f"pytorch_{stem}.bin", weights_only=True)


def read_config(folder):
    fields = json.loads((folder / "adapter_config.json").read_text())["config"]
    return BottleneckConfig(**{name: fields[name] for name in BottleneckConfig.model_fields})


def our_names(theirs, config):
    """The tensors of an adapter file under our names.

    With ln_before that library writes the norm twice, the second time as adapter_down.0.
    """
    down = "adapter_down.1" if config.ln_before else "adapter_down.0"
    parts = {
        f"{down}.weight": "down.weight",
        f"{down}.bias": "down.bias",
        "adapter_up.weight": "up.weight",
        "adapter_up.bias": "up.bias",
        "adapter_norm_before.weight": "norm_before.weight",
        "adapter_norm_before.bias": "norm_before.bias",
        "adapter_norm_after.weight": "norm_after.weight",
        "adapter_norm_after.bias": "norm_after.bias",
        "gate.weight": "gate.weight",
        "gate.bias": "gate.bias",
        "scaling": "scale",
    }
    ours = {}
    for key, tensor in theirs.items():
        place, part = key.split(".adapters.a.")
        *_, layer, site = place.split(".")
        if part in parts:
            ours[f"{SITES[site]}.{layer}.{parts[part]}"] = tensor
        else:
            assert config.ln_before, key
            assert part.startswith("adapter_down.0."), key
    return ours


def add_from(folder, model):
    """Adds the adapter and the head of a folder of the adapters library to `model`."""
    config = read_config(folder)
    model.add_adapter("a", config)
    model.adapters["a"].load_state_dict(our_names(read_tensors(folder, "adapter"), config))
    stem = "model_head"
    theirs = read_tensors(folder, stem)
    model.add_head("a", ClassificationHeadConfig(labels=("x", "y", "z"), pooling="cls"))
    model.heads["a"].load_state_dict(
        {
            f"{HEAD_PARTS[key.split('.')[2]]}.{key.split('.')[3]}": tensor
            for key, tensor in theirs.items()
        }
    )


@pytest.mark.parametrize(
    "name",
    [
        "seq_bn",
        "double_seq_bn",
        "par_bn",
        "scaled_par_bn",
        "seq_bn_leave_out",
        "seq_bn_ln",
        "seq_bn_post_add",
        "adapter_plus_like",
    ],
)
def test_files_of_the_adapters_library_give_what_they_gave_there(name, model):
    add_from(FIXTURES / name, model)
    expected = load_file(FIXTURES / name / "expected.safetensors")
    mask = expected["attention_mask"].bool()
    with torch.no_grad():
        out = model(input_ids=expected["input_ids"], attention_mask=mask.long(), head="a")
    torch.testing.assert_close(
        out.last_hidden_state[mask], expected["last_hidden_state"][mask], atol=1e-5, rtol=0
    )
    torch.testing.assert_close(out.logits, expected["logits"], atol=1e-5, rtol=0)


def test_a_gated_file_gives_what_it_gave_there_on_rows_without_padding(model):
    add_from(FIXTURES / "seq_bn_gated", model)
    expected = load_file(FIXTURES / "seq_bn_gated" / "expected.safetensors")
    full = expected["attention_mask"].bool().all(dim=1)
    assert 0 < full.sum() < len(full)
    with torch.no_grad():
        out = model(
            input_ids=expected["input_ids"], attention_mask=expected["attention_mask"], head="a"
        )
    torch.testing.assert_close(
        out.last_hidden_state[full], expected["last_hidden_state"][full], atol=1e-5, rtol=0
    )
    torch.testing.assert_close(out.logits[full], expected["logits"][full], atol=1e-5, rtol=0)


def test_the_fixtures_can_tell_adapters_from_none(model):
    """Guards the comparison above: without its adapter, each file's output is another."""
    expected = load_file(FIXTURES / "seq_bn" / "expected.safetensors")
    add_from(FIXTURES / "seq_bn", model)
    with torch.no_grad():
        out = model(
            input_ids=expected["input_ids"],
            attention_mask=expected["attention_mask"],
            head="a",
            adapter_names=None,
        )
    assert (out.logits - expected["logits"]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("preset", "n_parameters"),
    [
        ("seq_bn", 447_264),
        ("double_seq_bn", 894_528),
        ("par_bn", 3_545_856),
        ("scaled_par_bn", 3_545_862),
        ("seq_bn_inv", 743_328),
        ("double_seq_bn_inv", 1_190_592),
        ("compacter", 28_576),
        ("compacter++", 14_320),
        ("adapter_plus", 82_992),
    ],
)
def test_presets_have_as_many_parameters_as_in_the_adapters_library(preset, n_parameters):
    shape = EncoderShape(
        width=768, n_layers=6, n_heads=12, ffn_width=3072, max_positions=512, vocab_size=30522
    )
    with torch.device("meta"):
        adapter = BottleneckAdapter(PRESETS[preset], shape)
    assert sum(parameter.numel() for parameter in adapter.parameters()) == n_parameters


def test_tensors_have_short_names_without_the_adapters_name():
    config = registry().adapter_config(
        "double_seq_bn[scaling=learned,use_gating=true,ln_before=true,ln_after=true,leave_out=[0,1]]"
    )
    parts = {"scale", "down.weight", "down.bias", "up.weight", "up.bias", "gate.weight"}
    parts |= {"gate.bias", "norm_before.weight", "norm_before.bias"}
    parts |= {"norm_after.weight", "norm_after.bias"}
    expected = {f"{site}.2.{part}" for site in ("attention", "ffn") for part in parts}
    assert set(BottleneckAdapter(config, SHAPE).state_dict()) == expected


def test_taps_are_ready_made_and_there_only_where_the_adapter_acts():
    adapter = BottleneckAdapter(registry().adapter_config("seq_bn[leave_out=[1]]"), SHAPE)
    assert adapter.taps(1) is NO_TAPS
    for layer in (0, 2):
        taps = adapter.taps(layer)
        assert taps is adapter.taps(layer)
        assert taps.attention is None
        assert taps.ffn is adapter.ffn[str(layer)]
    double = BottleneckAdapter(PRESETS["double_seq_bn"], SHAPE)
    assert double.taps(0).attention is double.attention["0"]
    assert double.taps(0).ffn is double.ffn["0"]


def test_each_layer_has_the_bottleneck_of_its_reduction_factor():
    config = registry().adapter_config("seq_bn[reduction_factor={'0': 4, '2': 32, 'default': 8}]")
    adapter = BottleneckAdapter(config, SHAPE)
    assert [adapter.ffn[str(layer)].down.weight.shape[0] for layer in range(3)] == [8, 4, 1]


def test_a_config_for_another_depth_is_refused(model):
    with pytest.raises(ConfigError, match="leave_out names layer 5"):
        model.add_adapter("a", "seq_bn[leave_out=[5]]")
    assert not model.adapters


@pytest.mark.parametrize(
    "text",
    [
        "double_seq_bn[init_weights_seed=7,use_gating=true,ln_after=true]",
        "seq_bn_inv[init_weights_seed=7]",
        "compacter[reduction_factor=4,init_weights_seed=7,shared_W_phm=true]",
        "compacter[reduction_factor=4,init_weights_seed=7,shared_phm_rule=false]",
    ],
)
def test_one_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(text):
    config = registry().adapter_config(text)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = BottleneckAdapter(config, SHAPE)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    other = BottleneckAdapter(config, SHAPE)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_what_hypercomplex_layers_share_is_there_once():
    adapter = BottleneckAdapter(
        PRESETS["compacter"].model_copy(update={"reduction_factor": 4}), SHAPE
    )
    names = set(adapter.state_dict())
    assert {name for name in names if "rule" in name} == {"shared.rule.whole"}
    parts = {"down.blocks.left", "down.blocks.right", "down.bias"}
    parts |= {"up.blocks.left", "up.blocks.right", "up.bias"}
    sites = itertools.product(("attention", "ffn"), range(3))
    expected = {f"{site}.{layer}.{part}" for site, layer in sites for part in parts}
    assert names == {"shared.rule.whole"} | expected


def test_shared_blocks_and_rules_that_are_not_learned_are_there_once_and_saved():
    config = registry().adapter_config(
        "compacter[reduction_factor=4,shared_W_phm=true,factorized_phm_rule=true,learn_phm=false,"
        "phm_bias=false]"
    )
    adapter = BottleneckAdapter(config, SHAPE)
    shared = {f"shared.{way}.{factor}" for way in ("down", "up") for factor in ("left", "right")}
    assert {name for name, _ in adapter.named_parameters()} == shared
    assert set(adapter.state_dict()) == shared | {"shared.rule.left", "shared.rule.right"}


def test_an_adapter_without_a_shared_rule_has_one_for_each_layer():
    config = registry().adapter_config("compacter++[reduction_factor=4,shared_phm_rule=false]")
    names = set(BottleneckAdapter(config, SHAPE).state_dict())
    rules = {f"ffn.{layer}.{way}.rule.whole" for layer in range(3) for way in ("down", "up")}
    assert {name for name in names if "rule" in name} == rules


def test_copies_of_an_adapter_share_nothing_with_it():
    adapter = BottleneckAdapter(
        registry().adapter_config("compacter++[reduction_factor=4,shared_W_phm=true]"), SHAPE
    )
    inputs = torch.randn(2, 3, SHAPE.width).unbind()
    before = adapter.taps(0).ffn(*inputs, torch.tanh, Packing((3,)))
    twin = copy.deepcopy(adapter)
    for parameter in twin.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(adapter.taps(0).ffn(*inputs, torch.tanh, Packing((3,))), before)
    bare = torch.tanh(sum(inputs))
    assert torch.equal(twin.taps(0).ffn(*inputs, torch.tanh, Packing((3,))), bare)


@pytest.mark.parametrize(("name", "kind"), [("nice", NiceCoupling), ("glow", GlowCoupling)])
def test_an_invertible_adapter_acts_on_the_embeddings(name, kind):
    config = registry().adapter_config(
        f"seq_bn[inv_adapter={name},inv_adapter_reduction_factor=4,leave_out=[0]]"
    )
    adapter = BottleneckAdapter(config, SHAPE)
    assert isinstance(adapter.embeddings_tap(), kind)
    assert adapter.embeddings_tap() is adapter.invertible
    assert adapter.embeddings_tap().f.down.weight.shape == (4, 16)
    assert BottleneckAdapter(PRESETS["seq_bn"], SHAPE).embeddings_tap() is None


@pytest.mark.parametrize("scheme", ["bert", "mam_adapter", "houlsby"])
def test_under_a_seed_every_layer_and_site_has_weights_of_its_own(scheme):
    config = registry().adapter_config(f"double_seq_bn[init_weights_seed=0,init_weights={scheme}]")
    adapter = BottleneckAdapter(config, SHAPE)
    drawn = [
        tensor for name, tensor in adapter.state_dict().items() if name.endswith("down.weight")
    ]
    assert len(drawn) == 6
    assert len({tuple(tensor.flatten().tolist()) for tensor in drawn}) == 6


def test_different_seeds_give_different_weights_and_zero_is_a_seed():
    weights = [
        BottleneckAdapter(registry().adapter_config(f"seq_bn[init_weights_seed={seed}]"), SHAPE)
        .ffn["0"]
        .down.weight
        for seed in (0, 1, 0)
    ]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


def test_without_a_seed_weights_follow_the_global_generator():
    def weight(seed):
        torch.manual_seed(seed)
        return BottleneckAdapter(PRESETS["seq_bn"], SHAPE).ffn["1"].up.weight

    assert torch.equal(weight(3), weight(3))
    assert not torch.equal(weight(3), weight(4))


@pytest.mark.parametrize("preset", ["par_bn", "scaled_par_bn"])
def test_a_fresh_parallel_adapter_leaves_the_encoder_as_it_is(preset, model):
    model.add_adapter("a", preset)
    with torch.no_grad():
        bare = model(input_ids=IDS, adapter_names=None).last_hidden_state
        adapted = model(input_ids=IDS, adapter_names="a").last_hidden_state
    assert torch.equal(bare, adapted)


@pytest.mark.parametrize(
    "preset",
    [
        "seq_bn",
        "double_seq_bn",
        "par_bn",
        "scaled_par_bn",
        "seq_bn_inv",
        "compacter[reduction_factor=4]",
    ],
)
def test_gradients_reach_all_of_the_adapter_and_nothing_else(preset, model):
    model.add_adapter("a", preset)
    model.add_adapter("b", preset)
    model.add_head("a", ClassificationHeadConfig(labels=("x", "y")))
    model(input_ids=IDS, head="a", labels=torch.tensor([0, 1])).loss.backward()
    with_gradient = {name for name, value in model.named_parameters() if value.grad is not None}
    own = {
        id(value)
        for module in (model.adapters["a"], model.heads["a"])
        for value in module.parameters()
    }
    assert with_gradient == {name for name, value in model.named_parameters() if id(value) in own}


def test_copies_and_pickles_tap_with_their_own_weights():
    adapter = BottleneckAdapter(PRESETS["seq_bn"], SHAPE)
    for twin in (copy.deepcopy(adapter), pickle.loads(pickle.dumps(adapter))):  # noqa: S301
        assert twin.taps(0).ffn is twin.ffn["0"]
        assert twin.taps(0).ffn is not adapter.taps(0).ffn
        assert torch.equal(twin.ffn["0"].up.weight, adapter.ffn["0"].up.weight)


def test_taps_follow_a_move_to_another_type():
    adapter = BottleneckAdapter(
        registry().adapter_config("seq_bn[use_gating=true,scaling=channel]"), SHAPE
    ).to(torch.bfloat16)
    tap = adapter.taps(0).ffn
    assert {parameter.dtype for parameter in tap.parameters()} == {torch.bfloat16}


# the names of our tensors by those of the adapters library, whatever is in front of them there
SHARED = {"phm_rule": "shared.rule.whole"}
PHM_PARTS = {"W_left": "blocks.left", "W_right": "blocks.right", "b": "bias"}


def compacter_names(theirs):
    ours = {}
    for key, tensor in theirs.items():
        if "shared_parameters" in key:
            ours[SHARED[key.split(".")[-1]]] = tensor
            continue
        *_, layer, site, _, _, way, part = key.replace("down.0", "down").split(".")
        place = f"{SITES[site]}.{layer}.{way.removeprefix('adapter_')}"
        ours[f"{place}.{PHM_PARTS[part]}"] = tensor
    return ours


def inverse_names(theirs):
    ours = {}
    for key, tensor in theirs.items():
        if "invertible_adapters" in key:
            *_, network, place, part = key.split(".")
            ours[f"invertible.{network.lower()}.{'down' if place == '0' else 'up'}.{part}"] = tensor
    rest = {key: value for key, value in theirs.items() if "invertible_adapters" not in key}
    return ours | our_names(rest, PRESETS["seq_bn"])


@pytest.mark.parametrize(
    ("name", "names"), [("compacter", compacter_names), ("seq_bn_inv", inverse_names)]
)
def test_compact_and_invertible_files_give_what_they_gave_there(name, names, recorded):
    found = recorded(f"{name}/bin")
    adapter = BottleneckAdapter(BottleneckConfig(**found.kept(BottleneckConfig)), SHAPE)
    adapter.load_state_dict(names(found.tensors))
    states, logits = found.computed(adapter)
    for own, expected in zip(states, found.states, strict=True):
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(logits, found.logits, atol=1e-5, rtol=0)


def placings():
    """All ways to place a bottleneck among residuals and norms."""
    fields = {
        "is_parallel": (True, False),
        "original_ln_before": (True, False),
        "original_ln_after": (True, False),
        "residual_before_ln": (True, False, "post_add"),
        "ln_after": (True, False),
        "adapter_residual_before_ln": (True, False),
    }
    for values in itertools.product(*fields.values()):
        named = dict(zip(fields, values, strict=True))
        with suppress(ValidationError):  # not all go together
            yield BottleneckConfig(
                mh_adapter=False,
                output_adapter=True,
                reduction_factor=4,
                non_linearity="relu",
                **named,
            )


@pytest.mark.parametrize("config", list(placings()))
def test_any_shares_need_weights_under_which_it_changes_nothing(config):
    adapter = BottleneckAdapter(config, SHAPE)
    for name, weight in adapter.state_dict().items():
        weight.fill_(adapter.neutral(name))
    output, residual = torch.randn(2, 4, SHAPE.width)
    norm = nn.LayerNorm(SHAPE.width)
    nn.init.constant_(norm.weight, 2.0)  # no norm of the bottleneck's own has such
    found = adapter.taps(0).ffn(output, residual, norm, Packing((4,)))
    is_own_step = torch.allclose(found, norm(output + residual), atol=1e-5)
    assert (adapter.why_no_sum((0.5,)) is None) == is_own_step
    assert adapter.why_no_sum((0.5, 0.5)) is None


class TestBottleneckAdapter(AdapterConformance):
    adapter = BottleneckAdapter
    configs = tuple(
        registry().adapter_config(text)
        for text in (
            "compacter[reduction_factor=4,phm_dim=2]",
            "compacter++[reduction_factor=4,shared_W_phm=true,learn_phm=false,scaling=channel]",
            "seq_bn_inv[stochastic_depth=0.3]",
            "double_seq_bn[inv_adapter=glow,inv_adapter_reduction_factor=4]",
            "adapter_plus[reduction_factor=8]",
        )
    )
