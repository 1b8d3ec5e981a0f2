"""config.json of DistilBERT and BERT is understood, or refused with one sentence."""

import json

import pytest
from pydantic import ValidationError

from polyhead.encoder import DistilBertConfig, read_config
from polyhead.errors import CheckpointError


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
    assert read_config(write(tmp_path, {"model_type": theirs.model_type})) == ours


def test_distilberts_own_defaults_are_those_of_transformers(transformers):
    theirs = transformers.DistilBertConfig()
    ours = DistilBertConfig()
    for field in set(DistilBertConfig.model_fields) - {"layer_norm_eps"}:
        assert getattr(ours, field) == getattr(theirs, field), field


def test_the_eps_of_distilbert_is_fixed_as_in_transformers(tmp_path):
    """transformers' DistilBERT has 1e-12 in its code and passes such a field over."""
    path = write(tmp_path, {"model_type": "distilbert", "layer_norm_eps": 1e-5})
    assert read_config(path).layer_norm_eps == 1e-12


def test_the_eps_of_bert_is_read(tmp_path):
    path = write(tmp_path, {"model_type": "bert", "layer_norm_eps": 1e-5})
    assert read_config(path).layer_norm_eps == 1e-5


def test_fields_that_do_not_matter_are_passed_over(tmp_path):
    path = write(tmp_path, {"model_type": "distilbert", "torch_dtype": "float32", "foo": [1]})
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


def test_unknown_fields_of_our_own_config_are_refused():
    with pytest.raises(ValidationError, match="hidden_size"):
        DistilBertConfig(hidden_size=3)


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
