"""Where adapters act inside a frozen encoder, and what acts there.

The encoder is post-norm. For one layer with input x:

    q, k, v = project(x);  a = out(attention(q, k, v))
    h = norm1(a + x)
    f = lin2(act(lin1(h)))
    y = norm2(f + h)

Each tap takes the place of one of these steps, or comes right behind it, for the tokens of its
adapter's rows.

Dimensions: B rows, N tokens of all rows, D width, I and O numbers read and written by a projection,
H attention heads, W width of a head, P length of a prefix.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from polyhead.batch import Packing

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

__all__ = [
    "NO_TAPS",
    "PROJECTIONS",
    "Change",
    "ComposableTap",
    "EmbeddingsTap",
    "JoinableTap",
    "LayerStep",
    "LayerTaps",
    "PrefixTap",
    "Prefixes",
    "Projection",
    "ProjectionTap",
    "SublayerTap",
    "TokenTap",
]

PROJECTIONS = ("q", "k", "v", "out", "lin1", "lin2")
"""The linear layers of an encoder's layer, in the order in which they are computed."""


class Projection:
    """One frozen linear layer of the encoder.

    Attributes:
        weight: Shape: (O, I). Of an encoder that keeps it in fewer bits it is made anew each time
            it is asked for.
        bias: Shape: (O,).
    """

    __slots__ = ("_weight", "bias")

    def __init__(self, weight: Tensor | Callable[[], Tensor], bias: Tensor) -> None:
        """Takes a weight, or what makes it, and a bias."""
        self._weight = weight
        self.bias = bias

    @property
    def weight(self) -> Tensor:
        """See the class."""
        return self._weight if isinstance(self._weight, Tensor) else self._weight()

    def __iter__(self) -> Iterator[Tensor]:
        """The weight, then the bias."""
        return iter((self.weight, self.bias))

    def __call__(self, inputs: Tensor) -> Tensor:
        """What the encoder itself computes. Shape: (N, I) -> (N, O)."""
        return functional.linear(inputs, self.weight, self.bias)


class ProjectionTap(Protocol):
    """Comes behind one of the encoder's linear layers."""

    def __call__(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> Tensor:
        """What takes the place of `outputs`.

        Args:
            inputs: What the linear layer read. Shape: (N, I).
            outputs: What it computed, with the changes of taps before this one. Shape: (N, O).
                Never written into.
            projection: The layer itself, to be read alone.
            packing: Where each row lies among these tokens.

        Returns:
            Shape: (N, O), dtype and device of `outputs`.
        """
        ...


class TokenTap(Protocol):
    """Comes behind a step that computes each token for itself."""

    def __call__(self, values: Tensor, packing: Packing) -> Tensor:
        """What takes the place of `values`, which are never written into. Same shape and type."""
        ...


@dataclass(frozen=True)
class Prefixes:
    """Keys and values in front of each row's own, which its tokens attend to besides.

    Attributes:
        packing: The length of each row's prefix; 0 for none.
        keys: Row after row. Shape: (M, H, W), M the sum of the lengths.
        values: Likewise.
    """

    packing: Packing
    keys: Tensor
    values: Tensor

    @classmethod
    def shared(cls, keys: Tensor, values: Tensor, n_rows: int) -> Prefixes:
        """The same prefix for each of `n_rows` rows. Shape: keys and values (P, H, W)."""
        packing = Packing((len(keys),) * n_rows)
        return cls(packing, keys.repeat(n_rows, 1, 1), values.repeat(n_rows, 1, 1))

    @classmethod
    def of_rows(cls, keys: Tensor, values: Tensor) -> Prefixes:
        """A prefix for each row. Shape: keys and values (B, P, H, W)."""
        packing = Packing((keys.shape[1],) * len(keys))
        return cls(packing, keys.flatten(0, 1), values.flatten(0, 1))

    @classmethod
    def none(cls, n_rows: int, like: Prefixes) -> Prefixes:
        """No prefix for any of `n_rows` rows; heads and type as those of `like`."""
        return cls(Packing((0,) * n_rows), like.keys[:0], like.values[:0])

    @classmethod
    def joined(cls, parts: Sequence[Prefixes]) -> Prefixes:
        """The prefixes of rows that lie behind one another."""
        lengths = sum((part.packing.lengths for part in parts), ())
        keys = torch.cat([part.keys for part in parts])
        return cls(Packing(lengths), keys, torch.cat([part.values for part in parts]))


class PrefixTap(Protocol):
    """Puts keys and values in front of those that attention computes."""

    def __call__(self, inputs: Tensor, packing: Packing) -> Prefixes:
        """A prefix for each row.

        Args:
            inputs: What the layer reads, x. Shape: (N, D).
            packing: Where each row lies among these tokens.
        """
        ...


class SublayerTap(Protocol):
    """Takes the place of `norm(output + residual)` behind attention or the feed-forward network."""

    def __call__(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Tensor:
        """The hidden states that leave the sub-layer.

        Args:
            output: What the sub-layer computed, a or f. Shape: (N, D).
            residual: What the sub-layer read, x or h. Shape: (N, D).
            norm: The encoder's own frozen layer norm of this place.
            packing: Where each row lies among these tokens.

        Returns:
            Shape: (N, D), dtype and device of `output`.
        """
        ...


class Change(NamedTuple):
    """What one adapter makes of a sub-layer's output, before the encoder's residual and norm.

    Attributes:
        read: What its network read. Shape: (N, D).
        skip: Its own residual, None for 0. Shape: (N, D).
        added: What it adds to that. Shape: (N, D).
        raw: What its network computed, where a gate, dropout or norm of its own makes `added` of
            it; None where `added` is that. Shape: (N, D).
    """

    read: Tensor
    skip: Tensor | None
    added: Tensor
    raw: Tensor | None = None

    @property
    def output(self) -> Tensor:
        """What takes the place of the sub-layer's output. Shape: (N, D)."""
        return self.added if self.skip is None else self.skip + self.added

    @property
    def fused(self) -> Tensor:
        """What a fusion weighs: what the network computed. Shape: (N, D)."""
        return self.added if self.raw is None else self.raw


@runtime_checkable
class ComposableTap(SublayerTap, Protocol):
    """A sub-layer tap that can be stacked, averaged and fused with others.

    It is a SublayerTap in two steps: calling it is `close(change(...).output, residual, norm)`,
    perhaps computed in a faster way. One whose `close` leaves `residual` out has an attribute
    `drops_residual` that is true.
    """

    def change(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Change:
        """What it makes of the sub-layer's output; arguments as those of a SublayerTap."""
        ...

    def close(self, changed: Tensor, residual: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
        """The end of the sub-layer, mostly `norm(changed + residual)`. Shape: (N, D)."""
        ...


class EmbeddingsTap(ABC):  # noqa: B024 - each method has a default, and few taps need all of them
    """Comes between the embeddings and the first layer."""

    def enter(self, embeddings: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
        """What the first layer reads: other values, and perhaps more tokens to a row.

        Args:
            embeddings: Of each token, normed. Shape: (N, D).
            packing: Where each row lies among them.

        Returns:
            The values, shape (M, D), and where the same rows lie among them.
        """
        return embeddings, packing

    def leave(self, hidden: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
        """The tokens that entered, out of those that a layer computed: the way back of `enter`.

        Args:
            hidden: Hidden states of some layer. Shape: (M, D).
            packing: As `enter` returned it.

        Returns:
            The values, shape (N, D), and where the rows lie among them, as they entered.
        """
        return hidden, packing

    def inverted(self, states: Tensor, packing: Packing) -> Tensor:
        """What a head that predicts tokens reads in place of `states`, each (N, D).

        A tap that maps embeddings somewhere else maps back what is compared with embeddings.
        """
        del packing
        return states


@runtime_checkable
class JoinableTap(SublayerTap, Protocol):
    """A sub-layer tap of which several, each on rows of its own, cost less when run together."""

    def join_key(self) -> Hashable | None:
        """Equal for taps that can be run together now, and equal for no two of different classes.

        None where it must be called for itself. Asked for in every layer of every batch.
        """
        ...

    def joined(
        self,
        taps: Sequence[Any],
        parts: Sequence[slice],
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """What several taps compute, outside autograd's graph.

        Args:
            taps: At least two with this one's `join_key`, this one first.
            parts: The tokens of each; side by side, in order, all of the tokens that are given.
            output: As those of a SublayerTap, of all their tokens. Never written into.
            residual: Likewise.
            norm: Likewise.
        """
        ...


class LayerStep(IntEnum):
    """The places of a layer before which rows may part that were one so far, in their order."""

    START = 0
    """Before attention."""
    ATTENTION = 1
    """Before the residual and norm behind attention."""
    FEED_FORWARD = 2
    """Before the feed-forward network."""
    FFN = 3
    """Before the residual and norm behind it."""
    OUTPUT = 4
    """Behind the whole layer."""


@dataclass(frozen=True, slots=True)
class LayerTaps:
    """Where an adapter acts in one layer; None leaves the encoder's own step.

    Attributes:
        q: Behind the queries' projection.
        k: Behind the keys'.
        v: Behind the values'.
        prefix: Keys and values in front of a row's own.
        out: Behind attention's own output projection, a.
        attention: In place of `h = norm1(a + x)`.
        lin1: Behind the first linear layer of the feed-forward network.
        inner: Behind its activation.
        lin2: Behind its second linear layer, f.
        ffn: In place of `y = norm2(f + h)`.
        output: Behind the whole layer, y.
    """

    attention: SublayerTap | None = None
    ffn: SublayerTap | None = None
    q: ProjectionTap | None = None
    k: ProjectionTap | None = None
    v: ProjectionTap | None = None
    out: ProjectionTap | None = None
    lin1: ProjectionTap | None = None
    lin2: ProjectionTap | None = None
    inner: TokenTap | None = None
    output: TokenTap | None = None
    prefix: PrefixTap | None = None

    @classmethod
    def sites(cls) -> tuple[str, ...]:
        """The names of all sites."""
        return tuple(field.name for field in fields(cls))


NO_TAPS = LayerTaps()
