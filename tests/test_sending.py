"""What goes to a GPU goes there without waiting for it, told without a GPU."""

from types import SimpleNamespace

import pytest
import torch

from polyhead import batch
from polyhead.batch import Packed, Packing, Row, lane, sent

CUDA = torch.device("cuda", 0)


@pytest.fixture
def copies(monkeypatch):
    """What is sent to a GPU that is not there, and how; stream 7 is the current one."""
    seen = []
    real = torch.Tensor.to

    def to(tensor, *args, **kwargs):
        if args[:1] != (CUDA,):
            return real(tensor, *args, **kwargs)
        is_pinned = any(each is tensor for each in pinned)
        seen.append((tuple(tensor.shape), kwargs.get("non_blocking", False), is_pinned))
        return tensor

    def pin(tensor):
        pinned.append(tensor.clone())
        return pinned[-1]

    pinned = []
    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    stream = SimpleNamespace(cuda_stream=7)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: stream)
    return SimpleNamespace(seen=seen, stream=stream)


def test_a_tensor_goes_to_a_gpu_from_pinned_memory_in_its_turn(copies):
    values = torch.arange(3)
    assert torch.equal(sent(values, CUDA), values)
    assert copies.seen == [((3,), True, True)]


def test_nothing_is_pinned_for_other_devices_and_for_no_numbers(copies):
    values = torch.arange(3)
    assert sent(values, torch.device("cpu")) is values
    assert sent(values, torch.device("meta")).is_meta
    sent(values[:0], CUDA)
    assert copies.seen == [((0,), False, False)]


def test_a_packing_sends_each_of_its_numbers_once_for_a_stream(copies):
    packing = Packing((2, 1))
    for _ in range(2):
        there = packing.on(CUDA)
        assert there.row_of_token.tolist() == [0, 0, 1]
        assert there.column_of_token.tolist() == [0, 1, 0]
        assert there.starts.tolist() == [0, 2, 3]
        assert there.lengths.tolist() == [2, 1]
    assert [shape for shape, *_ in copies.seen] == [(3,), (3,), (3,), (2,)]
    copies.stream.cuda_stream = 8  # it might read them before they are there
    assert packing.on(CUDA).lengths.tolist() == [2, 1]
    assert len(copies.seen) == 5


def test_what_is_kept_in_use_can_be_found_again_in_training():
    packing = Packing((2, 1))
    values = torch.randn(3, 4, requires_grad=True)
    with torch.inference_mode():
        packing.first(values), packing.mean(values), packing.max(values)
    (packing.first(values) + packing.mean(values) + packing.max(values)).sum().backward()
    assert values.grad is not None


def test_rows_are_looked_at_on_the_cpu_and_sent_as_one(copies, monkeypatch):
    packed = Packed.of([Row((5, 6, 7)), Row((9,), positions=(4,))], CUDA)
    assert copies.seen == [((2, 4), True, True)]
    assert packed.ids.tolist() == [5, 6, 7, 9]
    assert packed.positions.tolist() == [0, 1, 2, 4]
    monkeypatch.setattr(batch.Extremes, "of", None)  # nothing is looked at again
    assert packed.extremes == (5, 9, 4)


def test_extremes_of_rows_that_stay_are_looked_up_when_they_are_asked_for():
    assert Packed.of([Row((5, 3)), Row((9,))]).extremes == (3, 9, 1)


def test_no_rows_can_be_sent(copies):
    packed = Packed.of([], CUDA)
    assert packed.known is None
    assert packed.ids.shape == (0,)


def test_a_lane_is_the_current_stream(copies):
    assert lane(CUDA) == 7
    assert lane(torch.device("cpu")) == 0
