"""Folders of the adapters library: old ones, odd ones, and those that are refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from polyhead.composition import Fuse, Split, Stack
from polyhead.convert.adapterhub import ADAPTERHUB
from polyhead.convert.converting import load_foreign, read_foreign
from polyhead.encoder import DistilBertConfig
from polyhead.errors import (
    ArtifactError,
    BackboneMismatchError,
    ConversionError,
    InvalidNameError,
    NameTakenError,
)
from polyhead.model import DistilBertModelWithHeads

HUB = Path(__file__).parents[1] / "fixtures" / "adapterhub"
SIZES = {"vocab_size": 100, "max_position_embeddings": 64, "n_heads": 4, "hidden_dim": 64}
LAYER = "distilbert.transformer.layer.{}."


def model_of(n_layers=3, dim=32):
    torch.manual_seed(0)
    return DistilBertModelWithHeads.from_config(
        DistilBertConfig(n_layers=n_layers, dim=dim, **SIZES)
    )


def same(one, other):
    """Whether two modules hold the same."""
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.fixture
def as_saved(hub_model):
    """seq_bn as today's version of the library saved it."""
    load_foreign(hub_model, HUB / "seq_bn", name="as_saved")
    return hub_model.adapters["as_saved"]


# ------------------------------------------------------------------------------- older versions


def test_keys_without_the_model_in_front_are_the_same(hub_model, hub_copy, as_saved):
    folder = hub_copy("seq_bn", rename=lambda key: key.removeprefix("distilbert."))
    load_foreign(hub_model, folder)
    assert same(hub_model.adapters["a"], as_saved)


@pytest.mark.parametrize("sort", ["task", "lang"])
def test_names_of_the_first_version_are_understood(sort, hub_model, hub_copy, as_saved):
    folder = hub_copy(
        "seq_bn",
        rename=lambda key: key.replace(".adapters.", f".layer_text_{sort}_adapters."),
        fields={"invertible_adapter": {}, "attention_type": "x", "new_attention_norm": False},
        outer={"version": None, "type": f"text_{sort}"},
    )
    load_foreign(hub_model, folder)
    assert same(hub_model.adapters["a"], as_saved)


def test_invertible_adapters_of_the_first_version_stand_in_a_field_of_their_own(
    hub_model, hub_copy
):
    nested = {"block_type": "nice", "non_linearity": "relu", "reduction_factor": 2}
    folder = hub_copy(
        "seq_bn_inv/safetensors",
        rename=lambda key: key.replace("invertible_adapters", "invertible_lang_adapters"),
        fields={
            "invertible_adapter": nested,
            "inv_adapter": None,
            "inv_adapter_reduction_factor": None,
        },
        outer={"version": None},
    )
    load_foreign(hub_model, folder)
    load_foreign(hub_model, HUB / "seq_bn_inv" / "safetensors", name="as_saved")
    assert hub_model.adapters["a"].config == hub_model.adapters["as_saved"].config
    assert same(hub_model.adapters["a"], hub_model.adapters["as_saved"])


def test_an_invertible_part_that_was_declared_and_never_saved_is_left_out(
    hub_model, hub_copy, as_saved
):
    nested = {"block_type": "nice", "non_linearity": "relu", "reduction_factor": 2}
    folder = hub_copy(
        "seq_bn",
        fields={"invertible_adapter": nested},
        outer={"version": None, "type": "text_task"},
    )
    added = load_foreign(hub_model, folder)
    assert hub_model.adapters["a"].config.inv_adapter is None
    assert same(hub_model.adapters["a"], as_saved)
    assert "never saved" in added.notes[0]


def test_gelu_of_unversioned_files_is_the_tanh_form(hub_model, hub_copy):
    folder = hub_copy("seq_bn", fields={"non_linearity": "gelu"}, outer={"version": None})
    load_foreign(hub_model, folder)
    assert hub_model.adapters["a"].config.non_linearity == "gelu_new"


def test_gelu_of_versioned_files_is_itself(hub_model, hub_copy):
    folder = hub_copy("seq_bn", fields={"non_linearity": "GELU"}, outer={"version": "3.1.0"})
    load_foreign(hub_model, folder)
    assert hub_model.adapters["a"].config.non_linearity == "gelu"


@pytest.mark.parametrize(
    ("version", "alpha"), [("adapters.1.0.0", 4), ("adapters.1.1.0", 8), ("3.2.1", 8)]
)
def test_lora_of_versions_that_did_not_heed_alpha_is_read_without(
    version, alpha, hub_model, hub_copy
):
    folder = hub_copy("lora/safetensors", outer={"version": version})
    added = load_foreign(hub_model, folder)
    assert hub_model.adapters["a"].config.alpha == alpha
    assert bool(added.notes) == (alpha != 8)


def test_files_without_later_fields_have_their_defaults(hub_model, hub_copy, as_saved):
    later = ("phm_layer", "stochastic_depth", "init_weights", "init_weights_seed", "dropout")
    folder = hub_copy("seq_bn", fields=dict.fromkeys(later))
    load_foreign(hub_model, folder)
    assert same(hub_model.adapters["a"], as_saved)


def test_tensors_of_another_adapter_saved_by_mistake_are_left_out(hub_model, hub_copy, as_saved):
    key = LAYER.format(0) + "output_adapters.adapters.{}.adapter_up.bias"
    folder = hub_copy("seq_bn", tensors={key.format("ab"): torch.ones(32)})
    added = load_foreign(hub_model, folder)
    assert same(hub_model.adapters["a"], as_saved)
    assert "'ab'" in added.notes[0]


def test_heads_saved_by_mistake_are_left_out(hub_model, hub_copy):
    folder = hub_copy(
        "heads/classification", part="head", tensors={"heads.h2.1.bias": torch.ones(32)}
    )
    added = load_foreign(hub_model, folder)
    assert added.heads == ("h",)
    assert "'h2'" in added.notes[0]


# ------------------------------------------------------------------------------- what it is called


def test_an_adapter_and_its_head_become_a_task(hub_model):
    added = load_foreign(hub_model, HUB / "seq_bn", name="topic")
    assert (added.adapters, added.heads, added.tasks) == (("topic",), ("topic",), ("topic",))
    assert hub_model.task("topic").adapter == "topic"
    assert hub_model.heads["topic"].config.labels == ("x", "y", "z")


def test_a_head_alone_is_no_task_since_its_adapter_is_not_known(hub_model):
    added = load_foreign(hub_model, HUB / "heads" / "tagging")
    assert (added.adapters, added.heads, added.tasks) == ((), ("h",), ())


@pytest.mark.parametrize("name", ["a b", "naïve", "\uff41", "a/b", "a,b", "-a", "x" * 65])
def test_names_that_cannot_be_ours_need_another(name, hub_model, hub_copy):
    folder = hub_copy(
        "seq_bn", rename=lambda key: key.replace(".a.", f".{name}."), outer={"name": name}
    )
    with pytest.raises(InvalidNameError, match="--name"):
        load_foreign(hub_model, folder)
    assert not hub_model.adapters
    (folder / "head_config.json").unlink()
    assert load_foreign(hub_model, folder, name="plain").adapters == ("plain",)


@pytest.mark.parametrize("name", ["", "a.b", "../x"])
def test_names_that_none_can_have_there_are_refused(name, hub_model, hub_copy):
    folder = hub_copy("seq_bn", outer={"name": name})
    with pytest.raises(ArtifactError, match="none can have"):
        load_foreign(hub_model, folder)
    with pytest.raises(ArtifactError):
        load_foreign(hub_model, folder, name="plain")


def test_a_taken_name_leaves_the_model_as_it_was(hub_model):
    hub_model.add_adapter("b", "seq_bn")
    with pytest.raises(NameTakenError):
        load_foreign(hub_model, HUB / "stack")
    assert set(hub_model.adapters) == {"b"}
    assert not hub_model.heads


def test_a_taken_task_leaves_no_adapter_behind(hub_model):
    load_foreign(hub_model, HUB / "heads" / "classification", name="a")
    with pytest.raises(NameTakenError):
        load_foreign(hub_model, HUB / "seq_bn")
    assert not hub_model.adapters
    assert not hub_model.tasks


# ------------------------------------------------------------------------------- other encoders


@pytest.mark.parametrize("kind", ["seq_bn", "lora/bin", "prefix_tuning", "loreft/bin", "mam/bin"])
@pytest.mark.parametrize("n_layers", [2, 4])
def test_another_depth_is_refused(kind, n_layers):
    model = model_of(n_layers=n_layers)
    with pytest.raises(ArtifactError, match=r"layer|shape"):
        load_foreign(model, HUB / kind)
    assert not model.adapters


def test_too_many_layers_are_told(hub_model):
    with pytest.raises(BackboneMismatchError, match=r"weights of layer 2.*has 2 layers"):
        load_foreign(model_of(n_layers=2), HUB / "seq_bn")


def test_too_few_layers_are_told(hub_model):
    with pytest.raises(BackboneMismatchError, match=r"no weights for layer 3.*another depth"):
        load_foreign(model_of(n_layers=4), HUB / "seq_bn")


def test_another_width_is_refused():
    model = model_of(dim=64)
    with pytest.raises(BackboneMismatchError, match="width 32; this one has 64"):
        load_foreign(model, HUB / "seq_bn")
    assert not model.adapters


def test_an_adapter_of_bert_is_refused(hub_model, hub_copy):
    folder = hub_copy("seq_bn", outer={"model_type": "bert"})
    with pytest.raises(BackboneMismatchError, match="of type 'bert'"):
        load_foreign(hub_model, folder)


def test_keys_of_bert_are_refused_whatever_the_config_says(hub_model, hub_copy):
    folder = hub_copy(
        "seq_bn",
        rename=lambda key: key.replace("distilbert.transformer.layer", "bert.encoder.layer"),
    )
    with pytest.raises(ArtifactError):
        load_foreign(hub_model, folder)


def test_a_checkpoint_of_another_name_is_told(hub_model, hub_copy, monkeypatch):
    folder = hub_copy("seq_bn", outer={"model_name": "distilbert-base-multilingual-cased"})
    monkeypatch.setattr(
        hub_model,
        "backbone",
        hub_model.backbone.model_copy(update={"name": "distilbert/distilbert-base-uncased"}),
    )
    added = load_foreign(hub_model, folder)
    assert "distilbert-base-multilingual-cased" in added.notes[0]


# ------------------------------------------------------------------------------- refused by name


@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        ("seq_bn", {"cross_adapter": True}, "cross_adapter"),
        ("seq_bn", {"adapter_of_the_future": 1}, "adapter_of_the_future"),
        ("seq_bn", {"architecture": "moe"}, "'moe'"),
        ("seq_bn", {"non_linearity": "softsign"}, "softsign"),
        ("seq_bn", {"init_weights": "orthogonal"}, "init_weights"),
        ("lora/safetensors", {"vera_d": 0.1, "vera_b": 0.0}, "VeRA"),
        ("lora/safetensors", {"use_dora": True}, "DoRA"),
        ("lora/safetensors", {"use_dora": True, "vera_d": 0.1}, "VeRA"),
        ("lora/safetensors", {"architecture": "mtl_lora"}, "MTL-LoRA"),
        ("lora/safetensors", {"attn_matrices": ["q", "o"]}, "'o'"),
        ("lora/safetensors", {"dtype": "float16"}, "float16"),
        ("lora/safetensors", {"composition_mode": "scale"}, "r=4"),
        ("ia3/safetensors", {"dropout": 0.1}, "dropout=0.1"),
        ("loreft/safetensors", {"dtype": "bfloat16"}, "bfloat16"),
        ("loreft/safetensors", {"output_reft": False}, "output_reft"),
    ],
)
def test_what_has_no_equal_here_is_refused_by_name(kind, fields, told, hub_model, hub_copy):
    with pytest.raises(ConversionError, match=told):
        load_foreign(hub_model, hub_copy(kind, fields=fields))
    assert not hub_model.adapters


@pytest.mark.parametrize(
    ("head", "fields", "told"),
    [
        ("classification", {"use_pooler": True}, "use_pooler"),
        ("classification", {"head_type": "causal_lm"}, "causal_lm"),
        ("classification", {"head_type": "mine"}, "'mine'"),
        ("classification", {"activation_function": "softsign"}, "softsign"),
        ("qa", {"layers": 2}, "2 layers"),
        ("qa", {"num_labels": 3}, "3 labels"),
        ("masked_lm", {"shift_labels": True}, "shift_labels"),
        ("masked_lm", {"layer_norm": False}, "layer_norm"),
        ("masked_lm", {"vocab_size": 99}, "vocab_size"),
        ("tagging", {"num_labels": 1}, "labels"),
    ],
)
def test_heads_without_an_equal_here_are_refused_by_name(head, fields, told, hub_model, hub_copy):
    with pytest.raises(ConversionError, match=told):
        load_foreign(hub_model, hub_copy(f"heads/{head}", part="head", fields=fields))
    assert not hub_model.heads


def test_a_word_matrix_of_its_own_is_refused_and_the_encoders_is_not_touched(hub_model, hub_copy):
    before = hub_model.encoder.fingerprint()
    folder = hub_copy(
        "heads/masked_lm", part="head", tensors={"heads.h.3.weight": torch.zeros(100, 32)}
    )
    with pytest.raises(ConversionError, match="matrix of its own"):
        load_foreign(hub_model, folder)
    assert hub_model.encoder.fingerprint() == before
    assert not hub_model.heads


def test_a_class_of_transformers_that_is_not_known_is_refused(hub_model, hub_copy):
    folder = hub_copy(
        "heads/classification", part="head", outer={"model_class": "BertForPreTraining"}
    )
    path = folder / "head_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "config": None}))
    with pytest.raises(ConversionError, match="BertForPreTraining"):
        load_foreign(hub_model, folder)


def test_a_head_of_a_class_of_transformers_is_read(hub_model, tmp_path):
    folder = tmp_path / "static"
    folder.mkdir()
    names = {"1.weight": "pre_classifier.weight", "1.bias": "pre_classifier.bias"}
    names |= {"4.weight": "classifier.weight", "4.bias": "classifier.bias"}
    held = load_file(HUB / "heads" / "classification" / "model_head.safetensors")
    n_labels = len(held["heads.h.4.bias"])
    save_file(
        {names[key.removeprefix("heads.h.")]: tensor for key, tensor in held.items()},
        folder / "model_head.safetensors",
    )
    outer = {
        "config": None,
        "model_class": "DistilBertForSequenceClassification",
        "model_type": "distilbert",
        "hidden_size": 32,
        "name": None,
        "num_labels": n_labels,
        "label2id": {f"L{number}": number for number in range(n_labels)},
        "version": "adapters.1.3.0",
    }
    (folder / "head_config.json").write_text(json.dumps(outer))
    with pytest.raises(InvalidNameError, match="--name"):
        load_foreign(hub_model, folder)
    load_foreign(hub_model, folder, name="static")
    config = hub_model.heads["static"].config
    assert (config.activation, config.pooling, config.layers) == ("relu", "cls", 2)
    assert config.labels == tuple(f"L{number}" for number in range(n_labels))


def test_labels_that_do_not_fit_their_number_are_numbered(hub_model, hub_copy):
    folder = hub_copy("heads/classification", part="head", fields={"label2id": {"only": 0}})
    load_foreign(hub_model, folder)
    labels = hub_model.heads["h"].config.labels
    assert labels[0] == "LABEL_0"
    assert len(labels) == len(hub_model.heads["h"].out.bias)


def test_a_fusion_with_a_temperature_is_refused_with_what_to_do(hub_model, tmp_path):
    folder = tmp_path / "fusion"
    shutil.copytree(HUB / "fusion" / "fusion", folder)
    path = folder / "adapter_fusion_config.json"
    outer = json.loads(path.read_text())
    outer["config"]["temperature"] = True
    path.write_text(json.dumps(outer))
    with pytest.raises(ConversionError, match="set it to false"):
        load_foreign(hub_model, folder)


def test_a_fusion_without_its_adapters_is_refused_as_part_of_a_folder(hub_model, tmp_path):
    shutil.copytree(HUB / "fusion" / "a", tmp_path / "all" / "a")
    shutil.copytree(HUB / "fusion" / "fusion", tmp_path / "all" / "fusion")
    with pytest.raises(ArtifactError, match="lacks its adapter 'b'"):
        load_foreign(hub_model, tmp_path / "all")
    assert not hub_model.adapters


# ------------------------------------------------------------------------------- setups


def single(name):
    return {"type": "single", "children": [name]}


@pytest.fixture
def setup_of(tmp_path):
    """A folder with two adapters, or others in their place, put together in some way."""

    def make(adapter_setup, *, head_setup=None, folders=(("a", "stack/a"), ("b", "stack/b"))):
        root = tmp_path / "setup"
        root.mkdir()
        for name, source in folders:
            shutil.copytree(HUB / source, root / name)
        outer = {"adapter_setup": adapter_setup, "head_setup": head_setup, "version": "1"}
        (root / "adapter_setup.json").write_text(json.dumps(outer))
        return root

    return make


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"type": "Stack", "children": [single("a"), single("b")]}, Stack("a", "b")),
        (
            {
                "type": "Split",
                "children": [single("a"), single("b")],
                "kwargs": {"splits": [2, 3]},
            },
            Split("a", "b", splits=(2, 3)),
        ),
        (
            {
                "type": "Split",
                "children": [{"type": "Stack", "children": [single("a")]}, single("b")],
                "kwargs": {"splits": 4},
            },
            Split(Stack("a"), "b", splits=(4, 4)),
        ),
    ],
)
def test_a_setup_is_read_as_ours(theirs, ours, hub_model, setup_of):
    bundle = read_foreign(setup_of(theirs), hub_model)
    assert bundle.composition == ours


def test_a_setup_of_a_fusion_reads_the_fusion(hub_model, setup_of):
    theirs = {"type": "Fuse", "children": [single("a"), single("b")]}
    places = (("a", "fusion/a"), ("b", "fusion/b"), ("a,b", "fusion/fusion"))
    added = load_foreign(hub_model, setup_of(theirs, folders=places, head_setup="a"))
    assert added.composition == Fuse("a", "b")
    assert added.adapters == ("a", "b", "a-b")
    assert hub_model.task("a").adapter.fused == ("a", "b")


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ({"type": "Average", "children": [single("a"), single("b")]}, "once more"),
        ({"type": "Parallel", "children": [single("a"), single("b")]}, "'Parallel'"),
        ({"type": "BatchSplit", "children": [single("a"), single("b")]}, "'BatchSplit'"),
        ({"type": "Stack", "children": []}, "0 adapters"),
        ({"type": "Stack", "children": ["a", "b"]}, "children that are none"),
        ({"type": "Stack", "children": [single("../a"), single("b")]}, r"\.\./a"),
        ({"type": "Stack", "children": [single("/etc"), single("b")]}, "/etc"),
        ({"type": "Stack", "children": [single("a"), single("c")]}, "'c'"),
        ({"type": "Split", "children": [single("a"), single("b")]}, "splits"),
    ],
)
def test_other_setups_are_refused_by_name(theirs, told, hub_model, setup_of):
    with pytest.raises((ArtifactError, InvalidNameError), match=told):
        load_foreign(hub_model, setup_of(theirs))
    assert not hub_model.adapters


def test_a_setup_without_end_is_refused(hub_model, setup_of):
    theirs = single("a")
    for _ in range(50):
        theirs = {"type": "Stack", "children": [theirs]}
    with pytest.raises(ArtifactError, match="deep"):
        load_foreign(hub_model, setup_of(theirs))


@pytest.fixture
def renamed(tmp_path):
    """A copy of a folder whose adapter is called otherwise."""

    def make(source, name, place):
        folder = shutil.copytree(HUB / source, place)
        (folder / "head_config.json").unlink()
        held = load_file(folder / "adapter.safetensors")
        save_file(
            {key.replace(".a.", f".{name}."): value for key, value in held.items()},
            folder / "adapter.safetensors",
        )
        path = folder / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "name": name}))

    return make


@pytest.mark.parametrize(
    ("second", "told"),
    [("lora_all/safetensors", "multiplies"), ("loreft/safetensors", "leaves out")],
)
def test_stacks_that_mean_something_else_there_are_refused(
    second, told, hub_model, setup_of, renamed
):
    theirs = {"type": "Stack", "children": [single("a"), single("c")]}
    root = setup_of(theirs, folders=(("a", "lora/safetensors"),))
    renamed(second, "c", root / "c")
    with pytest.raises(ConversionError, match=told):
        load_foreign(hub_model, root)
    assert not hub_model.adapters


def test_a_stack_with_one_lora_is_read(hub_model, setup_of, renamed):
    theirs = {"type": "Stack", "children": [single("a"), single("c")]}
    root = setup_of(theirs, folders=(("a", "lora/safetensors"),))
    renamed("seq_bn", "c", root / "c")
    assert load_foreign(hub_model, root).composition == Stack("a", "c")


def test_one_name_for_several_parts_is_refused(hub_model):
    with pytest.raises(ConversionError, match="several parts"):
        load_foreign(hub_model, HUB / "stack", name="all")


@pytest.mark.parametrize("name", ["seq_bn", "heads/qa", "fusion/fusion", "stack"])
def test_folders_of_that_library_are_recognised(name):
    assert ADAPTERHUB.recognises(HUB / name)


def test_folders_of_peft_and_of_nobody_are_not(tmp_path):
    assert not ADAPTERHUB.recognises(HUB.parent / "peft" / "lora")
    assert not ADAPTERHUB.recognises(tmp_path)
    assert not ADAPTERHUB.recognises(tmp_path / "nowhere")
