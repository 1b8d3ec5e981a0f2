"""Attention is computed by the flash kernel where it can be, as each call is."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from polyhead.batch import Packing
from polyhead.encoder import Encoder, auto_attention, varlen_attention
from polyhead.encoder.attention import DenseAttention
from polyhead.encoder.auto_attention import AutoAttention
from polyhead.encoder.eager_attention import EagerAttention
from polyhead.encoder.varlen_attention import fitting_kernel

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
PACKING = Packing((3, 1, 2))


@pytest.fixture
def flash(monkeypatch):
    """A kernel that marks what it computed, for tensors of half precision."""

    def kernel(query, *_):
        return torch.full_like(query, 7)

    def found(device, dtype, width):
        assert width == 8
        return kernel if dtype is torch.bfloat16 else None

    monkeypatch.setattr(auto_attention, "fitting_kernel", found)


def attended(dtype, dropout=0.0, attention=None):
    attention = attention or AutoAttention(PACKING, CPU)
    return attention(torch.zeros(6, 3, 2, 8, dtype=dtype), dropout)


def test_the_tensors_of_each_call_decide(flash):
    attention = AutoAttention(PACKING, CPU)
    assert (attended(torch.bfloat16, attention=attention) == 7).all()
    assert (attended(torch.float32, attention=attention) == 0).all()


def test_dropout_is_computed_without_it(flash):
    assert (attended(torch.bfloat16, dropout=0.5) == 0).all()


@pytest.mark.parametrize(
    ("chosen", "device", "expected"),
    [
        (None, CUDA, AutoAttention),
        ("sdpa", CUDA, DenseAttention),
        ("eager", CUDA, EagerAttention),
        (None, CPU, DenseAttention),
    ],
)
def test_an_encoder_on_a_gpu_leaves_the_choice_to_each_call(chosen, device, expected):
    own = SimpleNamespace(
        training=False,
        config=SimpleNamespace(attention_dropout=0.1, attn_implementation=chosen),
        norm=SimpleNamespace(weight=SimpleNamespace(device=device)),
        layers=[None],
        _kernel=None,
    )
    attends = Encoder._attends(own, Packing((2, 2)), head_mask=None, maps=None)
    assert type(attends(0)) is expected


@pytest.fixture
def gpu(monkeypatch):
    """A GPU and a torch that have the kernel."""
    module = ModuleType("torch.nn.attention.varlen")
    module.varlen_attn = "the kernel"
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", module)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.backends.cuda, "is_flash_attention_available", lambda: True)
    varlen_attention._kernel_on.cache_clear()
    yield monkeypatch
    varlen_attention._kernel_on.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_torchs_kernel_fits_half_precision_on_a_gpu(gpu, dtype):
    assert fitting_kernel(CUDA, dtype, 64) == "the kernel"


@pytest.mark.parametrize(
    ("device", "dtype", "width"),
    [
        (CPU, torch.bfloat16, 64),
        (CUDA, torch.float32, 64),
        (CUDA, torch.float16, 12),
        (CUDA, torch.float16, 264),
    ],
)
def test_other_tensors_are_computed_without_it(gpu, device, dtype, width):
    assert fitting_kernel(device, dtype, width) is None


@pytest.mark.parametrize("lacking", ["torch", "old GPU", "build", "CUDA"])
def test_where_it_is_not_there_nothing_is_said_and_nothing_chosen(gpu, lacking):
    match lacking:
        case "torch":
            gpu.setitem(sys.modules, "torch.nn.attention.varlen", None)
        case "old GPU":
            gpu.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
        case "build":
            gpu.setattr(torch.backends.cuda, "is_flash_attention_available", lambda: False)
        case "CUDA":
            gpu.setattr(torch.version, "cuda", None)
    assert fitting_kernel(CUDA, torch.float16, 64) is None
