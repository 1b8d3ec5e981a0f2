"""What is written for the adapters library: read again it is the same, bit by bit."""

import json

import pytest
import torch
from safetensors.torch import load_file

from polyhead.adapters import FusionConfig
from polyhead.composition import Average, Fuse, Split, Stack
from polyhead.convert.converting import load_foreign, save_foreign
from polyhead.errors import (
    ConversionError,
    OutputExistsError,
    UnknownAdapterError,
    UnknownHeadError,
)
from polyhead.heads import (
    ClassificationHeadConfig,
    EmbeddingHeadConfig,
    MaskedLMHeadConfig,
    MultilabelHeadConfig,
    MultipleChoiceHeadConfig,
    QuestionAnsweringHeadConfig,
    RegressionHeadConfig,
    TaggingHeadConfig,
)

LABELS = ("no", "yes")
SMALL = "prefix_length=3,bottleneck_size=8"
ADAPTERS = [
    "seq_bn",
    "double_seq_bn",
    "par_bn",
    "scaled_par_bn",
    "seq_bn_inv",
    "double_seq_bn_inv",
    "adapter_plus",
    "compacter[reduction_factor=4]",
    "compacter++[reduction_factor=4,shared_phm_rule=false,factorized_phm_rule=true]",
    "compacter++[reduction_factor=4,shared_W_phm=true,phm_rank=2]",
    "compacter++[reduction_factor=4,factorized_phm_W=false,phm_bias=false]",
    "seq_bn[ln_before=true,ln_after=true,use_gating=true,scaling=channel]",
    "seq_bn[reduction_factor={'0':2,'default':8},leave_out=(1,),dropout=0.1]",
    "lora",
    "lora[modules=(q,k,v,lin1,lin2),r=3,alpha=4.5,leave_out=(0,),init_weights=bert]",
    "lora[use_gating=true]",
    "ia3[outputs=(q,k,v,lin1,lin2),inputs=()]",
    "ia3[outputs=(k,),inputs=(),use_gating=true,leave_out=(2,)]",
    f"prefix_tuning[{SMALL}]",
    f"prefix_tuning[{SMALL},use_gating=true,shared_gating=false,leave_out=(1,)]",
    "prefix_tuning_flat[prefix_length=3]",
    "prompt_tuning[prompt_length=2,cls=prompt]",
    "prompt_tuning[prompt_length=2,combine=prefix_after_bos]",
    "noreft",
    "noreft[suffix_positions=2,layers=(0,2),tied_weights=true,non_linearity=relu]",
    f"prefix_tuning[{SMALL}]|par_bn",
    f"prefix_tuning[{SMALL},use_gating=true]|seq_bn[use_gating=true]|lora[use_gating=true]",
]
HEADS = [
    ClassificationHeadConfig(labels=LABELS, pooling="cls"),
    ClassificationHeadConfig(labels=LABELS, pooling="cls", layers=1, bias=False),
    ClassificationHeadConfig(labels=LABELS, pooling="cls", layers=3, activation="linear"),
    MultilabelHeadConfig(labels=LABELS, pooling="cls"),
    MultipleChoiceHeadConfig(pooling="cls"),
    RegressionHeadConfig(pooling="cls"),
    TaggingHeadConfig(labels=("B-x", "I-x", "O"), hidden="last", context=0, layers=2),
    QuestionAnsweringHeadConfig(hidden="last"),
    MaskedLMHeadConfig(),
]


@pytest.fixture
def model(make_model):
    return make_model()


def again(model, make_model, folder, **options):
    """What is read, on the same encoder, of what a model writes."""
    save_foreign(model, folder, target_format="adapterhub", **options)
    fresh = make_model()
    return fresh, load_foreign(fresh, folder)


def assert_same(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("config", ADAPTERS)
def test_an_adapter_comes_back_bit_by_bit_with_every_field(
    config, model, make_model, shake, tmp_path
):
    model.add_adapter("mine", config)
    shake(model.adapters["mine"])
    for flavour in ("bin", "safetensors"):
        fresh, added = again(model, make_model, tmp_path / flavour, adapter="mine", weights=flavour)
        assert added.adapters == ("mine",)
        assert fresh.adapters["mine"].config == model.adapters["mine"].config
        assert_same(fresh.adapters["mine"], model.adapters["mine"])


@pytest.mark.parametrize("rank", [1, 3])
def test_orthogonal_directions_come_back_to_rounding(rank, model, make_model, shake, tmp_path):
    model.add_adapter("mine", f"loreft[r={rank},suffix_positions=1]")
    shake(model.adapters["mine"])
    fresh, _ = again(model, make_model, tmp_path / "out", adapter="mine")
    assert fresh.adapters["mine"].config == model.adapters["mine"].config
    for layer in range(3):
        for unit in ("prefix", "suffix"):
            ours = model.adapters["mine"].output[str(layer)].get_submodule(unit)
            theirs = fresh.adapters["mine"].output[str(layer)].get_submodule(unit)
            torch.testing.assert_close(theirs.directions(), ours.directions(), atol=1e-6, rtol=0)
            assert torch.equal(theirs.source.weight, ours.source.weight)


@torch.no_grad()
def test_direft_is_written_as_the_noreft_that_computes_the_same(model, make_model, shake, tmp_path):
    model.add_adapter("mine", "direft[r=2]")
    shake(model.adapters["mine"])
    fresh, _ = again(model, make_model, tmp_path / "out", adapter="mine")
    ids = torch.randint(5, 20, (2, 7))
    found = fresh(input_ids=ids, adapter_names="mine", head=None).last_hidden_state
    wanted = model(input_ids=ids, adapter_names="mine", head=None).last_hidden_state
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", HEADS, ids=lambda config: type(config).__name__)
def test_a_head_comes_back_bit_by_bit(config, model, make_model, shake, tmp_path):
    model.add_head("h", config)
    shake(model.heads["h"])
    fresh, added = again(model, make_model, tmp_path / "out", heads=["h"])
    assert added.heads == ("h",)
    assert fresh.heads["h"].kind == model.heads["h"].kind
    assert_same(fresh.heads["h"], model.heads["h"])
    for field in ("labels", "layers", "activation", "pooling", "bias", "hidden", "context"):
        if hasattr(config, field):
            assert getattr(fresh.heads["h"].config, field) == getattr(config, field)


@torch.no_grad()
def test_the_units_of_a_regression_go_into_its_last_layer(model, make_model, shake, tmp_path):
    config = RegressionHeadConfig(pooling="cls", target_mean=(3.0,), target_scale=(2.0,))
    model.add_head("h", config, adapter=None)
    shake(model.heads["h"])
    fresh, _ = again(model, make_model, tmp_path / "out", heads=["h"])
    ids = torch.randint(5, 20, (2, 7))
    ours, theirs = (each(input_ids=ids, adapter_names=None, head="h") for each in (model, fresh))
    torch.testing.assert_close(theirs.logits, ours.logits, atol=1e-5, rtol=0)


def test_a_task_comes_back_as_a_task(model, make_model, tmp_path):
    model.add_task("topic", head=HEADS[0], adapter="seq_bn")
    fresh, added = again(model, make_model, tmp_path / "out", adapter="topic", heads=["topic"])
    assert added.tasks == ("topic",)
    assert fresh.task("topic").adapter == "topic"


@pytest.mark.parametrize("flavour", [None, "bin", "safetensors"])
def test_the_files_are_those_of_the_library(flavour, model, tmp_path):
    model.add_task("topic", head=HEADS[0], adapter="seq_bn")
    done = save_foreign(
        model,
        tmp_path / "out",
        target_format="adapterhub",
        adapter="topic",
        heads=["topic"],
        weights=flavour,
    )
    names = {
        "safetensors": ("adapter.safetensors", "model_head.safetensors"),
        "bin": ("pytorch_adapter.bin", "pytorch_model_head.bin"),
    }[flavour or "bin"]
    assert set(done.files) == {"adapter_config.json", "head_config.json", *names}
    outer = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert outer["model_type"] == "distilbert"
    assert outer["hidden_size"] == 32
    assert outer["version"].startswith("adapters.1.")
    assert outer["name"] == "topic"


def test_prefixes_are_stored_under_each_layer_as_well(model, tmp_path):
    model.add_adapter("mine", f"prefix_tuning[{SMALL}]")
    save_foreign(
        model,
        tmp_path / "out",
        target_format="adapterhub",
        adapter="mine",
        weights="safetensors",
    )
    held = load_file(tmp_path / "out" / "adapter.safetensors")
    ends = [key for key in held if key.endswith("control_trans.2.weight")]
    assert len(ends) == 4
    assert all(torch.equal(held[key], held[ends[0]]) for key in ends)


@pytest.mark.parametrize(
    "setup", [Stack("a", "b"), Split("a", "b", splits=(2, 3)), Stack("b", Stack("a"))]
)
def test_a_setup_comes_back(setup, model, make_model, tmp_path):
    for name in ("a", "b"):
        model.add_adapter(name, "seq_bn")
    model.add_head("h", HEADS[0])
    fresh, added = again(model, make_model, tmp_path / "out", adapter=setup, heads=["h"])
    assert added.composition == setup
    assert fresh.task("h").adapter == setup


@pytest.mark.parametrize("form", [FusionConfig.dynamic, FusionConfig.static])
def test_a_fusion_comes_back_with_its_adapters(form, model, make_model, shake, tmp_path):
    for name in ("a", "b"):
        model.add_adapter(name, "double_seq_bn")
    model.add_adapter("f", form("a", "b", sites=("attention", "ffn")))
    shake(model.adapters["f"])
    fresh, added = again(model, make_model, tmp_path / "out", adapter="f")
    assert added.adapters == ("a", "b", "a-b")
    assert added.composition == Fuse("a", "b")
    assert fresh.adapters["a-b"].config == model.adapters["f"].config
    assert_same(fresh.adapters["a-b"], model.adapters["f"])


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("lora[modules=(q,out)]", "'out'"),
        ("lora[use_rslora=true]", "use_rslora"),
        ("lora[rank_pattern={'q':2}]", "rank_pattern"),
        ("lora[lora_bias=true]", "lora_bias"),
        ("dora", "use_dora"),
        ("ia3", "lin2"),
        ("prompt_tuning", "cls="),
        ("direft[non_linearity=gelu]", "non_linearity='gelu'"),
        ("seq_bn_inv[inv_adapter=glow]", "glow"),
        ("lora|ia3[outputs=(k,),inputs=()]", "one architecture"),
    ],
)
def test_adapters_without_an_equal_there_are_refused_by_name(config, told, model, tmp_path):
    model.add_adapter("mine", config)
    with pytest.raises(ConversionError, match=told):
        save_foreign(model, tmp_path / "out", target_format="adapterhub", adapter="mine")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (ClassificationHeadConfig(labels=LABELS), "pooling='mean'"),
        (ClassificationHeadConfig(labels=LABELS, pooling="cls", hidden=1), "hidden=1"),
        (TaggingHeadConfig(labels=LABELS, hidden="last"), "context=1"),
        (QuestionAnsweringHeadConfig(), "hidden='mix'"),
        (RegressionHeadConfig(outputs=("x", "y"), pooling="cls"), "one number"),
        (MultipleChoiceHeadConfig(pooling="cls", bias=False), "bias"),
        (EmbeddingHeadConfig(), "'embedding'"),
    ],
)
def test_heads_without_an_equal_there_are_refused_by_name(config, told, model, tmp_path):
    model.add_head("h", config)
    with pytest.raises(ConversionError, match=told):
        save_foreign(model, tmp_path / "out", target_format="adapterhub", heads=["h"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kinds", "setup", "told"),
    [
        (("seq_bn", "seq_bn"), Average("a", "b"), "Average"),
        (("seq_bn", "seq_bn"), Split("a", "b", splits=(2, None)), "None"),
        (("lora", "lora"), Stack("a", "b"), "multiplies"),
        (("lora", "loreft"), Stack("a", "b"), "leaves out"),
    ],
)
def test_setups_without_an_equal_there_are_refused_by_name(kinds, setup, told, model, tmp_path):
    for name, kind in zip("ab", kinds, strict=True):
        model.add_adapter(name, kind)
    with pytest.raises(ConversionError, match=told):
        save_foreign(model, tmp_path / "out", target_format="adapterhub", adapter=setup)


def test_two_fusions_of_the_same_adapters_are_refused(model, tmp_path):
    for name in ("a", "b"):
        model.add_adapter(name, "seq_bn")
    for name in ("f", "g"):
        model.add_adapter(name, FusionConfig.dynamic("a", "b"))
    with pytest.raises(ConversionError, match="two fusions"):
        save_foreign(model, tmp_path / "out", target_format="adapterhub", adapter=Stack("f", "g"))


def test_a_fusion_with_a_temperature_is_refused(model, tmp_path):
    for name in ("a", "b"):
        model.add_adapter(name, "seq_bn")
    model.add_adapter("f", FusionConfig.dynamic("a", "b", temperature=True))
    with pytest.raises(ConversionError, match="temperature"):
        save_foreign(model, tmp_path / "out", target_format="adapterhub", adapter="f")


@pytest.mark.parametrize("name", ["train", "type", "keys"])
def test_names_that_the_library_cannot_register_are_refused(name, model, tmp_path):
    model.add_adapter(name, "seq_bn")
    with pytest.raises(ConversionError, match=name):
        save_foreign(model, tmp_path / "out", target_format="adapterhub", adapter=name)


def test_unknown_parts_are_told(model, tmp_path):
    with pytest.raises(UnknownAdapterError):
        save_foreign(model, tmp_path / "out", target_format="adapterhub", adapter="nope")
    with pytest.raises(UnknownHeadError):
        save_foreign(model, tmp_path / "out", target_format="adapterhub", heads=["nope"])


def test_what_lies_at_the_target_is_not_lost(model, tmp_path):
    model.add_adapter("mine", "seq_bn")
    options = {"target_format": "adapterhub", "adapter": "mine"}
    save_foreign(model, tmp_path / "out", **options)
    with pytest.raises(OutputExistsError, match="ask to overwrite"):
        save_foreign(model, tmp_path / "out", **options)
    save_foreign(model, tmp_path / "out", **options, overwrite=True)
    (tmp_path / "out" / "diary.txt").write_text("dear diary")
    with pytest.raises(OutputExistsError, match=r"diary\.txt"):
        save_foreign(model, tmp_path / "out", **options, overwrite=True)
    assert (tmp_path / "out" / "diary.txt").read_text() == "dear diary"
