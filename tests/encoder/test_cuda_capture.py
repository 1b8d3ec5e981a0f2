"""What torch is asked for when steps are recorded, told without a GPU."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch

from polyhead.encoder import cuda_capture
from polyhead.encoder.cuda_capture import CudaCaptures, StreamTurns

CUDA = torch.device("cuda", 1)


class Stream:
    def __init__(self, name, log):
        self.name = name
        self.log = log

    def wait_stream(self, other):
        self.log.append(f"{self.name} waits for {other.name}")


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that writes down what it is told; `stream` is the current stream."""
    log = []
    own = Stream("own", log)
    gpu = SimpleNamespace(log=log, stream=Stream("current", log), pools=iter("ABC"))

    @contextmanager
    def entered(name):
        log.append(f"enter {name}")
        yield
        log.append(f"leave {name}")

    def record(graph, *, pool, stream, capture_error_mode):
        assert (stream, capture_error_mode) == (own, "thread_local")
        return entered(f"graph of pool {pool}")

    cuda = torch.cuda
    monkeypatch.setattr(cuda, "Stream", lambda device: gpu.log.append("new stream") or own)
    monkeypatch.setattr(cuda, "graph_pool_handle", lambda: next(gpu.pools))
    monkeypatch.setattr(cuda, "current_stream", lambda device: gpu.stream)
    monkeypatch.setattr(cuda, "stream", lambda stream: entered(stream.name))
    monkeypatch.setattr(cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(
        cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: log.append("replay"))
    )
    monkeypatch.setattr(cuda, "graph", record)
    return gpu


def test_a_function_is_warmed_up_beside_and_recorded_once(gpu):
    capture = CudaCaptures(CUDA)()

    def compute(values):
        gpu.log.append("compute")
        assert not torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        return (values + 1,)

    with torch.inference_mode():
        replay = capture(compute, (torch.zeros(2),))
    assert gpu.log == [
        "new stream",
        "own waits for current",
        "enter own",
        *["compute"] * 3,
        "leave own",
        "current waits for own",
        "enter graph of pool A",
        "compute",
        "leave graph of pool A",
    ]
    gpu.log.clear()
    first, second = replay(), replay()
    assert gpu.log == ["replay", "replay"]
    assert first[0] is second[0]
    assert not first[0].is_inference()


def test_what_one_records_shares_memory_and_no_other_does(gpu):
    captures = CudaCaptures(CUDA)
    one, other = captures(), captures()
    for capture in (one, one, other):
        capture(lambda: (), ())
    entered = [line for line in gpu.log if line.startswith("enter graph")]
    assert [line[-1] for line in entered] == ["A", "A", "B"]
    assert gpu.log.count("new stream") == 1


def test_a_function_that_fails_leaves_the_next_one_free_to_be_recorded(gpu):
    capture = CudaCaptures(CUDA)()

    def fail():
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        capture(fail, ())
    assert not cuda_capture._ONE_AT_A_TIME.locked()
    capture(lambda: (), ())


def test_a_stream_waits_for_the_one_that_worked_before(gpu):
    turns = StreamTurns()
    first, second = gpu.stream, Stream("second", gpu.log)
    for stream in (first, first, second, first):
        gpu.stream = stream
        turns.take(CUDA)
    assert gpu.log == ["second waits for current", "current waits for second"]


def test_a_cpu_has_no_streams(gpu):
    turns = StreamTurns()
    turns.take(torch.device("cpu"))
    assert not gpu.log
