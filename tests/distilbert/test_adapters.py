"""Adapters on the documented classes: added and loaded as a whole or not at all."""

import pytest
import torch

from polyhead import DistilBertConfig, DistilBertModel, FusionConfig
from polyhead.errors import ConfigError, InputError, UnknownAdapterError

IDS = torch.tensor([[5, 6, 7]])


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2}
    return DistilBertModel(DistilBertConfig(**sizes)).eval()


def test_one_that_cannot_be_initialised_leaves_nothing(model):
    with pytest.raises(InputError, match="needs a tokenizer"):
        model.add_adapter("a", "prompt_tuning[prompt_init=from_string,prompt_init_text=hello]")
    assert "a" not in model.adapters
    model.add_adapter("a", "seq_bn")


def test_weights_that_depend_on_the_encoder_are_set(model):
    model.add_adapter("a", "dora")
    with torch.no_grad():
        found = model(IDS, adapter_names="a").last_hidden_state
        bare = model(IDS).last_hidden_state
    torch.testing.assert_close(found, bare, atol=1e-5, rtol=0)


def test_a_fusion_is_loaded_behind_those_that_it_fuses(model, tmp_path):
    for name in ("a", "b"):
        model.add_adapter(name, "seq_bn")
    model.add_adapter("both", FusionConfig.dynamic("a", "b"))
    model.save_adapter("both", tmp_path)
    torch.manual_seed(0)
    other = DistilBertModel(model.config).eval()
    with pytest.raises((UnknownAdapterError, ConfigError), match="'a'"):
        other.load_adapter(tmp_path)
    assert "both" not in other.adapters
    for name in ("a", "b"):
        other.add_adapter(name, "seq_bn")
    assert other.load_adapter(tmp_path) == "both"
