"""The weights of an adapter in one piece of the host's memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from polyhead.encoder.tensor_writes import n_writes

if TYPE_CHECKING:
    from polyhead.contracts import Adapter

__all__ = ["HostCopy"]

_ALIGNED: Final = 256  # bytes, as torch's own memory of a GPU


class _Span(NamedTuple):
    """Where a tensor lies in the piece, and what it is.

    Attributes:
        start: Its first byte.
        dtype: Its type.
        shape: Its shape.
    """

    start: int
    dtype: torch.dtype
    shape: torch.Size

    def of(self, flat: Tensor) -> Tensor:
        """The tensor itself."""
        n_bytes = self.shape.numel() * self.dtype.itemsize
        return flat[self.start : self.start + n_bytes].view(self.dtype).view(self.shape)


class _Weight(NamedTuple):
    """A parameter or buffer, and whose it is.

    Attributes:
        owner: The module's own table of them.
        name: In that table.
        tensor: What stands there.
        place: Where its numbers lie.
    """

    owner: dict[str, Any]
    name: str
    tensor: Tensor
    place: int


class HostCopy:
    """An adapter whose weights lie in one piece, so that a single copy brings all of them over.

    Attributes:
        adapter: The adapter itself: what is written to its weights is written there.
        flat: The piece. Shape: (n_bytes,), uint8.
        sort: Equal for adapters that differ in nothing but their weights' numbers.
    """

    def __init__(self, adapter: Adapter, allocate: Callable[[int], Tensor]) -> None:
        """Moves the weights of an adapter to a new piece; gradients are dropped.

        Args:
            adapter: Wherever it is.
            allocate: Returns so many bytes.
        """
        self.adapter = adapter
        found = list(_weights_of(adapter))
        self._spans, n_bytes = _spans([tensor for *_, tensor in found])
        with torch.inference_mode(mode=False), torch.no_grad():
            self.flat = allocate(n_bytes)
            for (*_, tensor), span in zip(found, self._spans, strict=True):
                tensor.grad = None
                tensor.data = span.of(self.flat).copy_(tensor)
        self._weights = [_Weight(*each, each[2].data_ptr()) for each in found]
        self.sort: Hashable = (type(adapter), adapter.sort, self._spans)

    @property
    def n_bytes(self) -> int:
        """The size of the piece."""
        return len(self.flat)

    def writes(self) -> tuple[int, ...] | None:
        """How often each weight was written so far; None where one is no longer in the piece."""
        found = []
        for owner, name, tensor, place in self._weights:
            if owner.get(name) is not tensor or tensor.data_ptr() != place:
                return None
            found.append(n_writes(tensor))
        return tuple(found)

    def twin(self, flat: Tensor) -> Adapter:
        """A copy of the adapter that reads its weights from another piece, and learns nothing.

        Args:
            flat: Of the same size, with these weights or those of an adapter of the same sort.
        """
        memo: dict[int, Any] = {}
        with torch.inference_mode(mode=False), torch.no_grad():
            for (_, _, tensor, _), span in zip(self._weights, self._spans, strict=True):
                there = span.of(flat)
                is_parameter = isinstance(tensor, nn.Parameter)
                memo[id(tensor)] = nn.Parameter(there, False) if is_parameter else there
            return copy.deepcopy(self.adapter, memo)


def _weights_of(adapter: nn.Module) -> Iterator[tuple[dict[str, Any], str, Tensor]]:
    """Each parameter and buffer once, with the table that it stands in and its name there."""
    seen: set[int] = set()
    for module in adapter.modules():
        for owner in (module._parameters, module._buffers):  # noqa: SLF001 - to see what is replaced
            for name, tensor in owner.items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield owner, name, tensor


def _spans(tensors: list[Tensor]) -> tuple[tuple[_Span, ...], int]:
    """Where each of some tensors lies in a piece that holds all of them, and its size."""
    spans, start = [], 0
    for tensor in tensors:
        spans.append(_Span(start, tensor.dtype, tensor.shape))
        start += -(-tensor.nbytes // _ALIGNED) * _ALIGNED
    return tuple(spans), start
