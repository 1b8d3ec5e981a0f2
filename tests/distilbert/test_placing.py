"""Devices and types are understood, or refused with one sentence."""

import pytest
import torch

from polyhead.distilbert.placing import device_of, dtype_of
from polyhead.errors import ConfigError


@pytest.mark.parametrize("number", [0, 1])
def test_auto_is_a_gpu_where_there_is_one(monkeypatch, number):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: number > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: number)
    assert device_of("auto") == torch.device("cuda" if number else "cpu")


@pytest.mark.parametrize(
    ("given", "device"),
    [
        (None, "cpu"),
        ("cpu", "cpu"),
        (torch.device("cpu"), "cpu"),
        ({"": "cpu"}, "cpu"),
        ({"distilbert": "cpu", "classifier": "cpu"}, "cpu"),
        ("cuda", "cuda"),
        ("cuda:1", "cuda:1"),
        (1, "cuda:1"),
        ({"": 0}, "cuda:0"),
    ],
    ids=str,
)
def test_a_device_is_understood(monkeypatch, given, device):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of(given) == torch.device(device)


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("gpu", "'gpu' is no device; give 'auto', 'cpu', 'cuda' or 'cuda:1'"),
        ({"a": "cpu", "b": "cuda"}, "names several devices"),
        ({}, "names several devices"),
        (1.5, "1.5 is no device"),
        ("cuda:2", "torch sees 2 CUDA devices here, so there is no 'cuda:2'"),
    ],
    ids=str,
)
def test_what_is_no_device_is_refused(monkeypatch, given, part):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError) as caught:
        device_of(given)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "own", "expected"),
    [
        (None, torch.float16, torch.float32),
        ("auto", torch.float16, torch.float16),
        ("auto", None, torch.float32),
        ("bfloat16", None, torch.bfloat16),
        ("torch.float16", None, torch.float16),
        (torch.float64, torch.float16, torch.float64),
    ],
)
def test_a_type_is_understood(given, own, expected):
    assert dtype_of(given, own) is expected


@pytest.mark.parametrize("given", ["int8", "half precision", torch.int64, 16, "nn"])
def test_what_is_no_floating_point_type_is_refused(given):
    with pytest.raises(ConfigError, match="is no floating-point type; give 'float32'"):
        dtype_of(given, None)
