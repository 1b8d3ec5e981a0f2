"""What torch is asked for when adapters are copied, told without a GPU."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from polyhead.hosting.device_lanes import CudaLanes, lanes_of

CUDA = torch.device("cuda", 0)


class Stream:
    def __init__(self, name, log):
        self.name = name
        self.log = log
        self.cuda_stream = hash(name)

    def wait_event(self, event):
        self.log.append(f"{self.name} waits for {event.name}")


@pytest.fixture
def log(monkeypatch):
    """What a GPU is told."""
    log = []
    streams = [Stream("current", log)]
    numbers = iter("123456789")

    @contextmanager
    def entered(stream):
        streams.append(stream)
        yield
        streams.pop()

    def event():
        name = f"event {next(numbers)}"

        def record(stream):
            log.append(f"{name} behind {stream.name}")

        return SimpleNamespace(name=name, record=record)

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("side", log))
    monkeypatch.setattr(torch.cuda, "Event", event)
    monkeypatch.setattr(torch.cuda, "stream", entered)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: streams[-1])
    real = torch.empty

    def empty(n_bytes, *, dtype, device, pin_memory=False):
        log.append(f"{device} {'pinned' if pin_memory else 'memory'} in {streams[-1].name}")
        return real(n_bytes, dtype=dtype, device="cpu")

    def copy(target, source, *, non_blocking):
        assert non_blocking
        log.append(f"copy in {streams[-1].name}")

    monkeypatch.setattr(torch, "empty", empty)
    monkeypatch.setattr(torch.Tensor, "copy_", copy)
    return log


def test_a_copy_is_made_beside_behind_what_it_waits_for_and_waited_for_here(log):
    lanes = CudaLanes(CUDA)
    source, target = lanes.pinned(8), lanes.memory(8)
    _, used = lanes.mark()
    ready = lanes.copy(target, source, [used])
    lanes.wait(ready)
    assert log == [
        "cpu pinned in current",
        "cuda:0 memory in side",
        "event 1 behind current",
        "side waits for event 1",
        "copy in side",
        "event 2 behind side",
        "current waits for event 2",
    ]


def test_later_copies_wait_for_what_is_settled(log):
    lanes = CudaLanes(CUDA)
    lane, used = lanes.mark()
    lanes.settle([used])
    assert lane == hash("current")
    assert log == ["event 1 behind current", "side waits for event 1"]


def test_a_cpu_needs_no_copies(log):
    assert lanes_of(torch.device("cpu")) is None
    assert isinstance(lanes_of(CUDA), CudaLanes)
    assert not log
