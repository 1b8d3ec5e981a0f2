"""Which layers' hidden states a head needs of the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyhead.contracts import Head, SideAdapter

if TYPE_CHECKING:
    from polyhead.contracts import Adapter

__all__ = ["Reading", "layers_read"]


@dataclass(frozen=True)
class Reading:
    """What one head reads of the rows that go through the encoder together.

    Attributes:
        numbers: Its rows, by their places among all that are asked for.
        depth: The highest layer that it reads.
        keeps_layers: Whether it reads others than the last that the pass computes.
        row_counts: How many rows each of its examples has; one each when None.
    """

    numbers: Sequence[int]
    depth: int
    keeps_layers: bool = False
    row_counts: tuple[int, ...] | None = None

    @classmethod
    def of(
        cls, head: Head, numbers: Sequence[int], row_counts: tuple[int, ...] | None = None
    ) -> Reading:
        """What `head` reads of its rows."""
        return cls(numbers, head.depth, head.keeps_layers, row_counts)


def layers_read(head: Head, adapter: Adapter | None) -> frozenset[int]:
    """The layers of the encoder, 0 for the embeddings, that a head under an adapter looks at.

    Args:
        head: The head.
        adapter: What its rows go through; a side adapter reads layers of its own.
    """
    is_several = head.keeps_layers and (
        head.reads_layers or not isinstance(head.config.hidden, int)
    )
    own = frozenset(range(head.depth + 1) if is_several else (head.depth,))
    if not isinstance(adapter, SideAdapter):
        return own
    return (own - {head.depth}) | frozenset(adapter.reads(head.depth))
