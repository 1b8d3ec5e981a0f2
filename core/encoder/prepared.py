"""What is made of a weight once, and kept for as long as the weight stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from polyhead.encoder.tensor_writes import n_writes

__all__ = ["Prepared"]


class Prepared:
    """Keeps what `make` makes of a weight, and makes it anew when the weight has changed.

    A change is seen by the weight's place in memory and by torch's count of writes in place. What
    is written past that count is not seen, and needs a `forget`: through `weight.data`, by torch's
    fused optimizers, to a weight made in inference mode. Any number of threads may ask at once.
    """

    def __init__(self, make: Callable[[Tensor], Tensor]) -> None:
        """Keeps nothing yet.

        Args:
            make: It only reads the weight, and returns what shares no memory with it.
        """
        self._make = make
        self._kept: _Kept | None = None

    def of(self, weight: Tensor) -> Tensor:
        """What `make` returns for `weight` as it is now."""
        kept = self._kept
        if kept is None or not kept.is_of(weight):
            kept = self._kept = self._made(weight)
        return kept.made

    def forget(self) -> None:
        """Frees what is kept."""
        self._kept = None

    # what is kept is neither for the graph of a call nor for its mode
    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _made(self, weight: Tensor) -> _Kept:
        held = weight.detach()
        return _Kept(held, n_writes(weight), self._make(held))

    def __getstate__(self) -> dict[str, object]:
        """What a copy takes over: all but what is kept."""
        return {"_make": self._make, "_kept": None}


class _Kept(NamedTuple):
    """What was made, and of what.

    Attributes:
        weight: In memory of the weight itself, which no other weight can come to lie in so.
        writes: How often the weight had been written.
        made: What was made.
    """

    weight: Tensor
    writes: int
    made: Tensor

    def is_of(self, weight: Tensor) -> bool:
        return self.writes == n_writes(weight) and self.weight.data_ptr() == weight.data_ptr()
