"""Flash attention gets the packed rows as they lie, and is refused where it cannot run."""

import sys
from types import ModuleType

import pytest
import torch
from torch.nn import functional

from polyhead.batch import Packed, Packing, Row
from polyhead.encoder import DistilBertConfig, Encoder
from polyhead.encoder import encoder as encoder_module
from polyhead.encoder.attention import DenseAttention
from polyhead.encoder.length_groups import LengthGroups
from polyhead.encoder.varlen_attention import VarlenAttention, flash_kernel
from polyhead.errors import ConfigError

SIZES = {
    "vocab_size": 20,
    "max_position_embeddings": 10,
    "n_layers": 2,
    "n_heads": 2,
    "dim": 16,
    "hidden_dim": 12,
}


def row_by_row(query, key, value, starts, *others):
    """What torch's kernel computes, for want of a GPU."""
    key_starts, longest, longest_key = others
    assert starts.dtype is torch.int32
    assert torch.equal(starts, key_starts)
    assert longest == longest_key == int(starts.diff().max())
    parts = []
    for start, stop in zip(starts.tolist(), starts[1:].tolist(), strict=False):
        row = [part[start:stop].transpose(0, 1) for part in (query, key, value)]
        parts.append(functional.scaled_dot_product_attention(*row).transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize("lengths", [(3, 1, 4, 1), (2,), (5, 5)])
def test_the_kernel_gets_rows_of_any_length_and_order(lengths):
    packing = Packing(lengths)
    qkv_N3HW = torch.randn(packing.n_tokens, 3, 2, 4)
    found = VarlenAttention(packing, row_by_row).attended(qkv_N3HW)
    dense = DenseAttention(LengthGroups.of(packing, torch.device("cpu")))(qkv_N3HW, 0.0)
    torch.testing.assert_close(found, dense, atol=1e-6, rtol=0)


def test_no_rows_are_not_sent_to_the_kernel():
    assert VarlenAttention(Packing(()), row_by_row).attended(torch.empty(0, 3, 2, 4)).shape == (
        0,
        8,
    )


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """A kernel, and no look at the device it would need."""
    calls = []

    def counted(self, qkv, dropout, prefixes=None):
        calls.append(dropout)
        return self.attended(qkv, prefixes)

    monkeypatch.setattr(encoder_module, "flash_kernel", lambda: row_by_row)
    monkeypatch.setattr(VarlenAttention, "__call__", counted)
    return calls


def test_the_encoder_gives_the_same_answers_with_it(as_on_a_gpu):
    torch.manual_seed(0)
    encoder = Encoder(DistilBertConfig(**SIZES, initializer_range=0.2))
    packed = Packed.of([Row((1, 2, 3)), Row((4,)), Row((5, 6))])
    known = encoder(packed).last
    encoder.set_attn_implementation("flash_attention_2")
    torch.testing.assert_close(encoder(packed).last, known, atol=1e-5, rtol=0)
    assert as_on_a_gpu == [0.0, 0.0]
    encoder.set_attn_implementation("eager")
    torch.testing.assert_close(encoder(packed).last, known, atol=1e-5, rtol=0)
    assert len(as_on_a_gpu) == 2


def test_weights_head_masks_and_dropout_are_computed_without_it(as_on_a_gpu):
    config = DistilBertConfig(**SIZES, attn_implementation="flash_attention_2")
    encoder = Encoder(config, is_frozen=False)
    packed = Packed.of([Row((1, 2, 3)), Row((4,))])
    assert len(encoder.eval()(packed, keep_attentions=True).attentions) == 2
    encoder(packed, head_mask=torch.tensor([1, 0]))
    encoder.train()(packed)
    assert not as_on_a_gpu
    encoder.eval()(packed)
    assert as_on_a_gpu == [0.0, 0.0]
    without = Encoder(config.changed(attention_dropout=0.0), is_frozen=False)
    without(packed)
    assert len(as_on_a_gpu) == 4


def test_it_is_refused_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for make in (
        flash_kernel,
        lambda: Encoder(DistilBertConfig(**SIZES, attn_implementation="flash_attention_2")),
        lambda: Encoder(DistilBertConfig(**SIZES)).set_attn_implementation("flash_attention_2"),
    ):
        with pytest.raises(ConfigError) as caught:
            make()
        message = str(caught.value)
        assert "needs a CUDA GPU and torch sees none here" in message
        assert "choose attn_implementation='sdpa', which gives the same answers" in message


def test_it_is_refused_where_torch_lacks_the_kernel(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", None)
    with pytest.raises(ConfigError, match=r"torch.nn.attention.varlen, and .* has none; upgrade"):
        flash_kernel()


def test_torchs_kernel_is_found(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    module = ModuleType("torch.nn.attention.varlen")
    module.varlen_attn = row_by_row
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", module)
    assert flash_kernel() is row_by_row


@pytest.mark.parametrize(
    ("shape", "part"),
    [
        ((3, 3, 2, 8), "computes in float16 or bfloat16 on a CUDA GPU, and this model is float32"),
        ((3, 3, 2, 12), "heads whose width is a multiple of 8 up to 256, not 12"),
        ((3, 3, 2, 264), "not 264"),
    ],
)
def test_it_is_refused_for_a_model_that_it_cannot_compute(shape, part):
    attend = VarlenAttention(Packing((3,)), row_by_row)
    with pytest.raises(ConfigError) as caught:
        attend(torch.zeros(shape), 0.0)
    assert part in str(caught.value)
