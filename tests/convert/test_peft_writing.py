"""Folders for PEFT: what has an equal there is written, everything else is refused and named."""

import json

import pytest
import torch
from safetensors.torch import load

from polyhead.convert import AdapterPart, Bundle, HeadPart
from polyhead.convert.peft import PEFT
from polyhead.errors import ConversionError
from polyhead.heads import ClassificationHeadConfig, TaggingHeadConfig
from polyhead.model import UNSET

LABELS = ("no", "yes")
POOLED = {"layers": 2, "activation": "relu", "pooling": "cls"}
SEQUENCE = ClassificationHeadConfig(labels=LABELS, **POOLED)


@pytest.fixture
def bundle_of(tiny_model, shake):
    """Adds adapters and heads of those configs; their parts."""

    def make(adapters, heads=()):
        adapter_parts, head_parts = [], []
        for name, config in adapters.items():
            tiny_model.add_adapter(name, config)
            part = shake(tiny_model.adapters[name])
            adapter_parts.append(AdapterPart(name, part.config, part.state_dict()))
        for name, (config, adapter) in dict(heads).items():
            tiny_model.add_head(name, config, adapter=None)
            part = shake(tiny_model.heads[name])
            head_parts.append(HeadPart(name, config, part.state_dict(), adapter))
        return Bundle(tuple(adapter_parts), tuple(head_parts))

    return make


@pytest.fixture
def written(tiny_model, bundle_of):
    def write(adapters, heads=(), weights=None):
        return PEFT.write(bundle_of(adapters, heads), tiny_model, weights)

    return write


def config_of(files, folder=""):
    return json.loads(files[f"{folder}adapter_config.json"])


def test_a_lora_without_head_is_for_a_bare_encoder(written):
    files = written({"a": "lora"})
    assert set(files) == {"adapter_config.json", "adapter_model.safetensors", "README.md"}
    config = config_of(files)
    assert (config["peft_type"], config["task_type"]) == ("LORA", "FEATURE_EXTRACTION")
    assert (config["r"], config["lora_alpha"]) == (8, 8)
    assert sorted(config["target_modules"]) == ["attention.q_lin", "attention.v_lin"]
    keys = set(load(files["adapter_model.safetensors"]))
    assert "base_model.model.transformer.layer.0.attention.q_lin.lora_A.weight" in keys
    assert len(keys) == 3 * 2 * 2


def test_patterns_of_one_layer_go_before_those_of_all(written):
    config = config_of(written({"a": "lora[rank_pattern={'q':2,'1.q':3},leave_out=(0,)]"}))
    assert list(config["rank_pattern"].values()) == [3, 2]
    assert config["layers_to_transform"] == [1, 2]


def test_ia3_with_layers_left_out_names_each_linear_layer(written):
    config = config_of(written({"a": "ia3[leave_out=(0,2)]"}))
    assert config["target_modules"] == [
        "layer.1.attention.k_lin",
        "layer.1.attention.v_lin",
        "layer.1.ffn.lin2",
    ]
    assert config["feedforward_modules"] == ["layer.1.ffn.lin2"]


def test_a_head_lies_beside_its_adapter_and_its_labels_in_the_card(written):
    files = written({"a": "lora"}, {"a": (SEQUENCE, "a")})
    config = config_of(files)
    assert config["task_type"] == "SEQ_CLS"
    assert config["modules_to_save"] == ["classifier", "pre_classifier"]
    keys = load(files["adapter_model.safetensors"])
    assert keys["base_model.model.classifier.weight"].shape == (2, 32)
    assert "base_model.model.distilbert.transformer.layer.0.attention.q_lin.lora_A.weight" in keys
    card = files["README.md"].decode()
    assert "0. `no`\n1. `yes`" in card
    assert "num_labels=2" in card


def test_several_adapters_lie_in_folders_of_their_names(tiny_model, written, tmp_path):
    files = written({"a": "lora", "b": "ia3"}, {"b": (SEQUENCE, UNSET)})
    assert {name.partition("/")[0] for name in files} == {"a", "b"}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    read = PEFT.read(tmp_path, tiny_model, None)
    assert [part.name for part in read.adapters] == ["a", "b"]
    assert [part.name for part in read.heads] == ["b"]


def test_bin_files_are_written_where_asked_for(tiny_model, written, tmp_path):
    for name, content in written({"a": "lora"}, weights="bin").items():
        (tmp_path / name).write_bytes(content)
    assert (tmp_path / "adapter_model.bin").is_file()
    assert PEFT.read(tmp_path, tiny_model, "a").adapters[0].tensors["q.0.down"].shape == (8, 32)


@pytest.mark.parametrize(
    ("adapter", "head", "told"),
    [
        ("seq_bn", None, "bottleneck"),
        ("prefix_tuning", None, "prefix"),
        ("lora[use_gating=true]", None, "gates"),
        ("ia3[use_gating=true]", None, "gates"),
        ("ia3[outputs=(q,),inputs=(q,)]", None, "both|one of them"),
        ("lora", ClassificationHeadConfig(labels=LABELS), "activation|pooling"),
        ("lora", ClassificationHeadConfig(labels=LABELS, **{**POOLED, "layers": 1}), "layers 1"),
        ("lora", ClassificationHeadConfig(labels=LABELS, hidden=1, **POOLED), "hidden 1"),
        ("lora", TaggingHeadConfig(labels=LABELS), "hidden 'mix'"),
    ],
)
def test_what_has_no_equal_is_refused_and_named(written, adapter, head, told):
    with pytest.raises(ConversionError, match=told) as caught:
        written({"a": adapter}, {} if head is None else {"a": (head, "a")})
    assert "'a'" in str(caught.value)


def test_heads_without_an_adapter_are_refused(written):
    with pytest.raises(ConversionError, match="transformers"):
        written({}, {"a": (SEQUENCE, None)})


def test_two_heads_of_one_adapter_are_refused(written):
    with pytest.raises(ConversionError, match="share the adapter 'a'"):
        written({"a": "lora"}, {"x": (SEQUENCE, "a"), "y": (SEQUENCE, "a")})


def test_a_head_of_the_bare_encoder_is_refused(written):
    with pytest.raises(ConversionError, match="'x'"):
        written({"a": "lora"}, {"x": (SEQUENCE, None)})


def test_writing_changes_neither_the_model_nor_random_numbers(tiny_model, bundle_of):
    bundle = bundle_of({"a": "lora"}, {"a": (SEQUENCE, "a")})
    fingerprint = tiny_model.encoder.fingerprint()
    state = torch.random.get_rng_state()
    PEFT.write(bundle, tiny_model, None)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert tiny_model.encoder.fingerprint() == fingerprint
