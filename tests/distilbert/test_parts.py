"""What every class offers besides its answers: embeddings, sizes, training and adapters."""

import copy
import pickle

import pytest
import torch
from torch import nn

from polyhead.distilbert import (
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    DistilBertModel,
)
from polyhead.encoder import DistilBertConfig, sinusoids
from polyhead.errors import (
    ArtifactError,
    BackboneMismatchError,
    ConfigError,
    NameTakenError,
    OutputExistsError,
    UnknownAdapterError,
)
from polyhead.model import DistilBertModelWithHeads

IDS = torch.tensor([[1, 5, 9], [2, 2, 3]])


@pytest.fixture
def model(sizes):
    torch.manual_seed(0)
    return DistilBertForSequenceClassification(DistilBertConfig(**sizes)).eval()


def test_the_base_is_the_model_without_head(model):
    assert model.base_model is model.distilbert
    assert isinstance(model.distilbert, DistilBertModel)
    assert model.distilbert.base_model is model.distilbert
    assert model.base_model_prefix == "distilbert"
    assert model.config_class is DistilBertConfig
    assert model.config is model.distilbert.config


def test_a_model_copies_its_configuration(sizes):
    config = DistilBertConfig(**sizes)
    model = DistilBertModel(config)
    assert model.config == config
    config.dim = 4
    assert model.config.dim == 32


@pytest.mark.parametrize(
    "name", ["DistilBertModel", "DistilBertForMaskedLM", "DistilBertForSequenceClassification"]
)
def test_parameters_are_counted_as_transformers_counts_them(make_pair, name):
    theirs, ours = make_pair(name)
    assert ours.num_parameters() == theirs.num_parameters()
    assert ours.num_parameters(only_trainable=True) == theirs.num_parameters(only_trainable=True)
    assert ours.num_parameters(exclude_embeddings=True) == ours.num_parameters() - 32 * (40 + 24)
    ours.freeze_encoder()
    held = ours.base_model.num_parameters()
    assert ours.num_parameters(only_trainable=True) == ours.num_parameters() - held


def test_type_and_device_follow_the_model(model):
    assert model.dtype is torch.float32
    assert model.device == torch.device("cpu")
    assert model.to(torch.float64).dtype is torch.float64
    assert model.half().dtype is torch.float16
    assert model(IDS).logits.dtype is torch.float16
    assert model.to("meta").device.type == "meta"


def test_input_embeddings_may_be_replaced(model):
    known = model(IDS).logits
    embeddings = model.get_input_embeddings()
    assert embeddings.weight.shape == (40, 32)
    other = nn.Embedding(50, 32)
    model.set_input_embeddings(other)
    assert model.get_input_embeddings() is other
    assert model.config.vocab_size == 50
    assert not torch.allclose(model(IDS).logits, known)
    assert model(torch.tensor([[49]])).logits.shape == (1, 2)
    model.set_input_embeddings(embeddings)
    assert torch.equal(model(IDS).logits, known)
    with pytest.raises(ConfigError, match="have the width 31 and the encoder has 32"):
        model.set_input_embeddings(nn.Embedding(40, 31))


def test_only_a_language_model_has_output_embeddings(model, sizes):
    assert model.get_output_embeddings() is None
    language_model = DistilBertForMaskedLM(DistilBertConfig(**sizes))
    assert language_model.get_output_embeddings().weight.shape == (40, 32)


@pytest.mark.parametrize("number", [41, 39, 40])
def test_the_vocabulary_may_be_resized(model, number):
    known = model(IDS).logits
    weight = model.get_input_embeddings().weight
    assert model.resize_token_embeddings(number).weight.shape == (number, 32)
    assert model.config.vocab_size == number
    kept = min(number, 40)
    assert torch.equal(model.get_input_embeddings().weight[:kept], weight[:kept])
    assert torch.equal(model(IDS).logits, known)
    assert model.resize_token_embeddings() is model.get_input_embeddings()


def test_a_vocabulary_without_padding_is_refused(sizes):
    model = DistilBertModel(DistilBertConfig(**sizes, pad_token_id=7))
    with pytest.raises(ConfigError, match="7 token ids would not have the padding token, 7"):
        model.resize_token_embeddings(7)
    with pytest.raises(ConfigError, match="vocab_size"):
        DistilBertModel(DistilBertConfig(**sizes, pad_token_id=None)).resize_token_embeddings(0)


@pytest.mark.parametrize("is_sinusoidal", [False, True])
@pytest.mark.parametrize("number", [30, 10])
def test_positions_may_be_resized(sizes, number, is_sinusoidal):
    config = DistilBertConfig(**sizes, sinusoidal_pos_embds=is_sinusoidal)
    model = DistilBertForSequenceClassification(config).eval()
    known = model(IDS).logits
    weight = model.get_position_embeddings().weight
    model.resize_position_embeddings(number)
    assert model.config.max_position_embeddings == number
    found = model.get_position_embeddings().weight
    assert found.shape == (number, 32)
    kept = min(number, 24)
    assert torch.equal(found[:kept], weight[:kept])
    assert found.requires_grad == (not is_sinusoidal)
    assert torch.equal(model(IDS).logits, known)
    if is_sinusoidal:
        torch.testing.assert_close(found.data, sinusoids(number, 32))
    else:
        assert (found[24:].abs() < 0.2).all()  # drawn with initializer_range, not with 1
    assert model(torch.ones(1, number, dtype=torch.long)).logits.shape == (1, 2)


def test_no_positions_are_refused(model):
    with pytest.raises(ConfigError, match="max_position_embeddings"):
        model.resize_position_embeddings(0)
    assert model.config.max_position_embeddings == 24


def test_a_frozen_encoder_trains_neither_weights_nor_with_dropout(model):
    model.freeze_encoder()
    model.train()
    encoder = model.distilbert.encoder
    assert not any(module.training for module in encoder.modules())
    assert model.head.training
    model(IDS, labels=torch.tensor([0, 1])).loss.backward()
    assert all(weight.grad is None for weight in encoder.parameters())
    assert all(weight.grad is not None for weight in model.head.parameters())
    model.unfreeze_encoder()
    assert encoder.training
    model(IDS, labels=torch.tensor([0, 1])).loss.backward()
    assert encoder.layers[0].lin1.weight.grad is not None
    model.eval()
    model.freeze_encoder()
    model.unfreeze_encoder()
    assert not encoder.training


def test_a_hand_that_freezes_parameters_has_its_way(model):
    for weight in model.distilbert.parameters():
        weight.requires_grad = False
    assert model.num_parameters(only_trainable=True) == model.num_parameters() - (
        model.distilbert.num_parameters()
    )


def test_a_state_dict_is_loaded_again(model, sizes):
    other = DistilBertForSequenceClassification(DistilBertConfig(**sizes)).eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(IDS).logits, other(IDS).logits)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
def test_a_copy_answers_alike_and_keeps_what_is_tied(sizes, copied):
    model = DistilBertForMaskedLM(DistilBertConfig(**sizes)).eval()
    model.add_adapter("a")
    other = copied(model)
    assert torch.equal(other(IDS, adapter_names="a").logits, model(IDS, adapter_names="a").logits)
    assert other.get_output_embeddings().weight is other.get_input_embeddings().weight
    assert other.get_input_embeddings().weight is not model.get_input_embeddings().weight


def test_an_adapter_is_trained_on_the_model(model, shake):
    model.add_adapter("a")
    shake(model.adapters["a"])
    model.freeze_encoder()
    model.train()
    model(IDS, labels=torch.tensor([0, 1]), adapter_names="a").loss.backward()
    assert all(weight.grad is not None for weight in model.adapters["a"].parameters())
    model.delete_adapter("a")
    assert not model.adapters
    with pytest.raises(UnknownAdapterError):
        model.delete_adapter("a")


def test_adapters_go_to_the_model_with_heads_and_back(make_theirs, shake, tmp_path):
    make_theirs("DistilBertModel").save_pretrained(tmp_path)
    trained = DistilBertModelWithHeads.from_pretrained(tmp_path)
    trained.add_adapter("a")
    shake(trained.adapters["a"])
    trained.save_adapter("a", tmp_path / "a")
    model = DistilBertModel.from_pretrained(tmp_path)
    assert model.load_adapter(tmp_path / "a") == "a"
    found = model(IDS, adapter_names="a")[0]
    assert torch.equal(found, trained(IDS, adapter_names="a").last_hidden_state)
    path = model.save_adapter("a", tmp_path / "again")
    trained.load_adapter(path, name="b")
    assert torch.equal(trained(IDS, adapter_names="b").last_hidden_state, found)
    with pytest.raises(NameTakenError):
        model.load_adapter(path)
    with pytest.raises(OutputExistsError):
        model.save_adapter("a", tmp_path / "again")
    model.save_adapter("a", tmp_path / "again", overwrite=True)


def test_an_adapter_of_another_encoder_is_refused(make_theirs, tmp_path):
    make_theirs("DistilBertModel").save_pretrained(tmp_path)
    model = DistilBertModel.from_pretrained(tmp_path)
    model.add_adapter("a")
    model.save_adapter("a", tmp_path / "a")
    with torch.no_grad():
        model.encoder.layers[0].lin1.bias += 1  # as training does
    with pytest.raises(BackboneMismatchError):
        model.load_adapter(tmp_path / "a", name="b")
    assert list(model.adapters) == ["a"]


def test_adapters_are_not_loaded_in_half_precision(model, tmp_path):
    model.add_adapter("a")
    model.save_adapter("a", tmp_path)
    model.half()
    with pytest.raises(ArtifactError, match=r"then the adapter, then call model.half"):
        model.load_adapter(tmp_path, name="b")
    with pytest.raises(ArtifactError, match="while its model is float32"):
        model.save_adapter("a", tmp_path / "half")


def test_a_head_is_not_loaded_as_an_adapter(make_theirs, tmp_path, two_labels):
    make_theirs("DistilBertModel").save_pretrained(tmp_path)
    trained = DistilBertModelWithHeads.from_pretrained(tmp_path)
    trained.add_head("h", two_labels)
    path = trained.save_head("h", tmp_path / "h")
    with pytest.raises(ArtifactError, match="was saved as 'head', not as 'adapter'"):
        DistilBertModel.from_pretrained(tmp_path).load_adapter(path)
