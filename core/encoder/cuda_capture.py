"""Work on a GPU recorded once, and started again as a whole.

A CUDA graph starts all kernels of a function by one call, where each would cost a call of its own:
for few tokens these take longer than the numbers. It reads and writes the same memory each time.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Capture", "CudaCaptures", "Replay", "StreamTurns"]

Replay = Callable[[], "tuple[Tensor, ...]"]
"""Computes anew from what lies in the inputs now. What it returns lies in the same memory in every
call, and is overwritten by the next."""

_WARM_UPS: Final = 3
"""How often a function runs before it is recorded, as torch does it itself: libraries that it calls
take memory, and choose kernels, when they are first called."""

_ONE_AT_A_TIME: Final = threading.Lock()  # torch's own condition, for a process


class Capture(Protocol):
    """Records functions."""

    def __call__(
        self, compute: Callable[..., tuple[Tensor, ...]], inputs: tuple[Tensor, ...]
    ) -> Replay:
        """What starts `compute` again.

        Args:
            compute: It must not look at numbers, or depend on anything but its inputs.
            inputs: What it reads, in memory that stays; it is called with these.
        """
        ...


class CudaCaptures:
    """Makes what records functions of which no two run at once.

    They are recorded in one stream: torch gives the matrix products of each stream a memory of
    their own, which is large.
    """

    def __init__(self, device: torch.device) -> None:
        """Takes the GPU that functions run on."""
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self) -> Capture:
        """A new one, with memory of its own."""
        return _CudaCapture(self._device, self._stream)


class _CudaCapture:
    """Records functions as CUDA graphs, which share the memory between their steps.

    They can share it since each keeps what it returns, and no two of them may run at once.
    """

    def __init__(self, device: torch.device, stream: torch.cuda.Stream) -> None:
        self._device = device
        self._stream = stream
        self._pool = torch.cuda.graph_pool_handle()

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def __call__(
        self, compute: Callable[..., tuple[Tensor, ...]], inputs: tuple[Tensor, ...]
    ) -> Replay:
        """See `Capture`."""
        with _ONE_AT_A_TIME, torch.cuda.device(self._device):
            self._warm_up(compute, inputs)
            graph = torch.cuda.CUDAGraph()
            # other threads may go on taking memory
            with torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ):
                outputs = compute(*inputs)

        def replay() -> tuple[Tensor, ...]:
            graph.replay()
            return outputs

        return replay

    def _warm_up(
        self, compute: Callable[..., tuple[Tensor, ...]], inputs: tuple[Tensor, ...]
    ) -> None:
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UPS):
                compute(*inputs)
        current.wait_stream(self._stream)


class StreamTurns:
    """Puts work of several threads on the same memory in order, whatever streams they use.

    Each thread takes its turn before its work, and no other may until all of it was started.
    """

    def __init__(self) -> None:
        """Nothing was started yet."""
        self._last: torch.cuda.Stream | None = None

    def take(self, device: torch.device) -> None:
        """Lets the current stream wait for what was started in the turn before."""
        if device.type != "cuda":
            return
        current = torch.cuda.current_stream(device)
        if self._last is not None and self._last != current:
            current.wait_stream(self._last)
        self._last = current
