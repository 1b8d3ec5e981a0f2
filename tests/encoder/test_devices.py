"""A device that is not there is refused in a sentence."""

import pytest
import torch

from polyhead.encoder import device_named
from polyhead.errors import ConfigError


@pytest.mark.parametrize("name", [None, "cpu", torch.device("cpu")])
def test_the_cpu_is_there(name):
    assert device_named(name) == torch.device("cpu")


def test_gpus_are_there_that_torch_sees(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_named("cuda") == torch.device("cuda")
    assert device_named("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ConfigError, match=r"sees 2 CUDA devices here, so there is no 'cuda:2'"):
        device_named("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", torch.device("cuda", 0)])
def test_a_gpu_that_is_not_there_is_refused(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match="sees 0 CUDA devices"):
        device_named(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", 3.5, ["cpu"], ("cpu",)], ids=repr)
def test_what_is_no_device_is_refused(name):
    with pytest.raises(ConfigError, match=r"is no device; give 'cpu', 'cuda' or 'cuda:1'\.$"):
        device_named(name)
