"""An encoder with an adapter in its weights computes what the adapter makes of the encoder."""

import pytest
import torch

from polyhead.contracts import Adapter, AdapterConfig, LayerTaps, Projection
from polyhead.errors import ConfigError, UnknownAdapterError
from polyhead.merging import merged_encoder
from polyhead.model import DistilBertModelWithHeads

IDS = torch.tensor([[2, 7, 9, 11, 3], [2, 11, 8, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
LINEAR = [
    "lora[modules=(q,k,v,out,lin1,lin2)]",
    "lora[lora_bias=true,dropout=0.3]",
    "rslora[leave_out=(0,)]",
    "dora[modules=(q,out,lin2)]",
    "ia3",
    "ia3[outputs=(q,out,lin1),inputs=(k,lin2,out)]",
    "lora|ia3[inputs=()]",
    "ia3[inputs=()]|lora",
    "ia3|lora[modules=(q,lin1)]",
]


def hidden(model, adapter):
    with torch.no_grad():
        done = model(input_ids=IDS, attention_mask=MASK, adapter_names=adapter, head=None)
    return done.last_hidden_state[MASK.bool()]


@pytest.mark.parametrize("config", LINEAR)
def test_it_computes_the_same_and_leaves_the_encoder_as_it_was(tiny_model, shake, config):
    tiny_model.add_adapter("a", config)
    shake(tiny_model.adapters["a"])
    fingerprint = tiny_model.encoder.fingerprint()
    merged = tiny_model.merged_encoder("a")
    assert tiny_model.encoder.fingerprint() == fingerprint
    assert merged.fingerprint() != fingerprint
    assert merged.is_frozen
    bare = DistilBertModelWithHeads(merged, tiny_model.tokenizer)
    torch.testing.assert_close(hidden(bare, None), hidden(tiny_model, "a"), atol=1e-5, rtol=1e-5)


def test_it_shares_no_memory_with_the_encoder(tiny_model):
    tiny_model.add_adapter("a", "lora")  # fresh: it changes nothing yet
    merged = tiny_model.merged_encoder("a")
    assert merged.fingerprint() == tiny_model.encoder.fingerprint()
    with torch.no_grad():
        for weight in merged.parameters():
            weight.zero_()
    assert tiny_model.encoder.fingerprint() == tiny_model.backbone.fingerprint


def test_a_model_in_training_merges_without_dropout(tiny_model, shake):
    tiny_model.add_adapter("a", "lora[dropout=0.5]")
    shake(tiny_model.adapters["a"])
    expected = tiny_model.merged_encoder("a").fingerprint()
    tiny_model.train()
    assert tiny_model.merged_encoder("a").fingerprint() == expected
    assert tiny_model.adapters["a"].training


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("seq_bn", "at 'ffn'"),
        ("double_seq_bn", "at 'attention'"),
        ("seq_bn_inv", "embeddings"),
        ("prefix_tuning", "at 'prefix'"),
        ("prompt_tuning", "embeddings"),
        ("loreft", "at 'output'"),
        ("mam", "at '"),
        ("lora[use_gating=true]", "use_gating"),
        ("ia3[use_gating=true]", "use_gating"),
        ("ia3|lora[modules=(lin2,)]", "at 'lin2'"),
    ],
)
def test_what_is_no_linear_layer_is_refused_and_named(tiny_model, shake, config, told):
    tiny_model.add_adapter("a", config)
    shake(tiny_model.adapters["a"])
    with pytest.raises(ConfigError, match=told) as caught:
        tiny_model.merged_encoder("a")
    assert "'a'" in str(caught.value)


def test_an_unknown_adapter_is_refused(tiny_model):
    with pytest.raises(UnknownAdapterError):
        tiny_model.merged_encoder("missing")


class _WrongConfig(AdapterConfig):
    """Of an adapter that says it merges."""


class _Wrong(Adapter):
    """It doubles queries, and says that it merges into something else."""

    kind = "wrong"
    Config = _WrongConfig

    def taps(self, layer):
        del layer
        return LayerTaps(q=lambda inputs, outputs, projection, packing: outputs * 2)

    def merged(self, layer, site, projection):
        del layer, site
        return Projection(projection.weight * 3, projection.bias)


def test_an_adapter_that_merges_into_something_else_is_found_out(tiny_model):
    wrong = _Wrong(_WrongConfig(), tiny_model.shape)
    with pytest.raises(ConfigError, match="at 'q'"):
        merged_encoder(tiny_model.encoder, wrong, "a")


def test_half_precision_merges_to_half_precision(tiny_model, shake):
    tiny_model.add_adapter("a", "lora")
    shake(tiny_model.adapters["a"])
    tiny_model.to(torch.bfloat16)
    assert tiny_model.merged_encoder("a").norm.weight.dtype == torch.bfloat16
