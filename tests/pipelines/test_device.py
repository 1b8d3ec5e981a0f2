import logging

import pytest
import torch

from polyhead.errors import ConfigError
from polyhead.pipelines.device import default_device, read_device


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize("device", [-1, "cpu", torch.device("cpu")], ids=str)
def test_the_cpu_is_always_there(no_gpu, device):
    assert read_device(device) == torch.device("cpu")


@pytest.mark.parametrize("number", [0, 3])
def test_a_number_without_any_gpu_is_the_cpu_and_one_line_in_the_log(no_gpu, caplog, number):
    with caplog.at_level(logging.WARNING, "polyhead"):
        assert read_device(number) == torch.device("cpu")
    assert [record.getMessage() for record in caplog.records] == [
        f"device={number}: there is no GPU that torch can use; computing on the CPU."
    ]


@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda")], ids=str)
def test_a_gpu_by_name_without_any_is_refused(no_gpu, device):
    with pytest.raises(ConfigError, match="there is no GPU that torch can use"):
        read_device(device)


@pytest.mark.parametrize(
    ("device", "expected"), [(0, "cuda:0"), (1, "cuda:1"), ("cuda:1", "cuda:1"), ("cuda", "cuda")]
)
def test_gpus_are_found_by_number_and_name(two_gpus, device, expected):
    assert read_device(device) == torch.device(expected)


@pytest.mark.parametrize("device", [2, "cuda:2"])
def test_a_gpu_too_many_is_refused(two_gpus, device):
    with pytest.raises(ConfigError, match="there is no GPU 2; the GPUs here are 0 to 1"):
        read_device(device)


@pytest.mark.parametrize("device", ["gpu", "", "cuda:x", 1.5, True, None, "meta"], ids=repr)
def test_what_is_no_device_is_refused(device):
    with pytest.raises(ConfigError, match="device must be"):
        read_device(device)


def test_the_default_is_the_first_gpu(two_gpus):
    assert default_device() == torch.device("cuda:0")


def test_the_default_without_gpu_is_the_cpu(no_gpu):
    assert default_device() == torch.device("cpu")
