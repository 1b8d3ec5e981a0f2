"""Copies to a GPU beside the work that it does, and what waits for what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CudaLanes", "Event", "Lanes", "lanes_of"]


class Event(Protocol):
    """A place in the work of a device, which other work can wait for."""


class Lanes(Protocol):
    """Where copies to a device are made, and where their results are read.

    Copies take turns with one another, and the current stream's work likewise; one waits for the
    other only where it is told to. Memory may be freed without further ado behind `settle`.
    """

    def pinned(self, n_bytes: int) -> Tensor:
        """Memory of the host that copies start from. Shape: (n_bytes,), uint8."""
        ...

    def memory(self, n_bytes: int) -> Tensor:
        """Memory of the device. Shape: (n_bytes,), uint8."""
        ...

    def copy(self, target: Tensor, source: Tensor, after: Iterable[Event]) -> Event:
        """Starts a copy.

        Args:
            target: As `memory` returned it.
            source: As `pinned` returned it.
            after: What it waits for.

        Returns:
            What is reached when it is done.
        """
        ...

    def wait(self, event: Event) -> None:
        """Lets all that is started from now on, in the current stream, wait for an event."""
        ...

    def mark(self) -> tuple[int, Event]:
        """The current stream's number, and what is reached when all started in it so far is done.

        An event behind another of the same stream stands for both.
        """
        ...

    def settle(self, events: Iterable[Event]) -> None:
        """Lets copies that start from now on wait for events."""
        ...


class CudaLanes:
    """Those of a GPU: copies are made in a stream of their own.

    Its memory is taken in that stream, so torch gives it back to copies of that stream alone, which
    are in turn with what was settled before.

    Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-streams
    """

    def __init__(self, device: torch.device) -> None:
        """Takes the GPU."""
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def pinned(self, n_bytes: int) -> Tensor:
        """See `Lanes`."""
        return torch.empty(n_bytes, dtype=torch.uint8, device="cpu", pin_memory=True)

    def memory(self, n_bytes: int) -> Tensor:
        """See `Lanes`."""
        with torch.cuda.stream(self._stream):
            return torch.empty(n_bytes, dtype=torch.uint8, device=self._device)

    def copy(self, target: Tensor, source: Tensor, after: Iterable[Event]) -> Event:
        """See `Lanes`."""
        self.settle(after)
        with torch.cuda.stream(self._stream):
            target.copy_(source, non_blocking=True)
            return self._event(self._stream)

    def wait(self, event: Event) -> None:
        """See `Lanes`."""
        torch.cuda.current_stream(self._device).wait_event(event)  # type: ignore[arg-type]

    def mark(self) -> tuple[int, Event]:
        """See `Lanes`."""
        stream = torch.cuda.current_stream(self._device)
        return stream.cuda_stream, self._event(stream)

    def settle(self, events: Iterable[Event]) -> None:
        """See `Lanes`."""
        for event in events:
            self._stream.wait_event(event)  # type: ignore[arg-type]

    @staticmethod
    def _event(stream: torch.cuda.Stream) -> Event:
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(stream)
        return event


def lanes_of(device: torch.device) -> Lanes | None:
    """Those of a device; None for one that reads the host's memory itself."""
    return CudaLanes(device) if device.type == "cuda" else None
