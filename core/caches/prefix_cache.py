"""Hidden states of the encoder's lowest layers, kept for when the same text comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from polyhead.caches.bounded_cache import BoundedCache
from polyhead.caches.part_digests import digest_of
from polyhead.errors import ConfigError, shown

if TYPE_CHECKING:
    from polyhead.batch import Row

__all__ = ["PrefixCache"]

_ENTRY_BYTES: Final = 1000
"""What a text takes beside its states: the key, its place, and the tensor's own objects."""


class PrefixCache(BoundedCache[Tensor]):
    """Keeps what the bare encoder makes of a text in its lowest layers.

    It serves rows without adapter, and rows whose adapters act in higher layers alone: they start
    there. Which task asks plays no part.

        model.prefix_cache = ph.PrefixCache(1_000_000_000, layer=3)

    Attributes:
        layer: How many layers are kept as one.
    """

    def __init__(self, max_bytes: int, *, layer: int) -> None:
        """Makes an empty cache.

        Args:
            max_bytes: The bound.
            layer: How many of the lowest layers are not computed again. With all of the encoder's,
                texts without adapter are not computed again at all.

        Raises:
            ConfigError: One of them is no whole number above 0.
        """
        super().__init__(max_bytes)
        if isinstance(layer, bool) or not isinstance(layer, int) or layer < 1:
            raise ConfigError(
                "layer is how many of the lowest layers a PrefixCache saves, a whole number above "
                f"0, not {shown(layer)}."
            )
        self.layer = layer

    def key(self, context: bytes, row: Row) -> bytes:
        """The key of a row.

        Args:
            context: The digest of the encoder and of how it computes.
            row: The row.
        """
        return digest_of(context, str(self.layer), repr((row.ids, row.positions)))

    def keep(self, key: bytes, value: Tensor) -> None:
        """Keeps a copy of a text's states, unless it alone exceeds the bound. Shape: (T, D)."""
        if self.bytes_of(value) > self.max_bytes:
            return
        # a copy: a view would hold the whole batch; nor is it for the graph or the mode of a call
        with torch.inference_mode(mode=False), torch.no_grad():
            super().keep(key, value.clone())

    @classmethod
    def bytes_of(cls, value: Tensor) -> int:
        """The memory that a text's states take."""
        return value.nbytes + _ENTRY_BYTES

    def __reduce__(self) -> tuple[object, ...]:
        """As for any cache."""
        return _made, (self.max_bytes, self.layer)


def _made(max_bytes: int, layer: int) -> PrefixCache:
    return PrefixCache(max_bytes, layer=layer)
