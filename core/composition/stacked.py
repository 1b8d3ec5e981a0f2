"""Taps one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from polyhead.batch import Packing
from polyhead.contracts import (
    NO_TAPS,
    PROJECTIONS,
    Change,
    ComposableTap,
    EmbeddingsTap,
    LayerTaps,
    Prefixes,
    PrefixTap,
    Projection,
    ProjectionTap,
    SublayerTap,
    TokenTap,
)
from polyhead.errors import ConfigError

__all__ = ["check_ends", "composable", "stacked", "stacked_embeddings"]

T = TypeVar("T")


def stacked(parts: Sequence[LayerTaps]) -> LayerTaps:
    """The taps of one layer that do what each of `parts` does, in their order.

    Raises:
        ConfigError: A sub-layer's tap that another follows cannot be composed.
    """
    acting = [part for part in parts if part is not NO_TAPS]
    if len(acting) <= 1:
        return acting[0] if acting else NO_TAPS
    sites: dict[str, Any] = {
        site: _one([getattr(part, site) for part in acting], _ChainedProjection)
        for site in PROJECTIONS
    }
    for site in ("inner", "output"):
        sites[site] = _one([getattr(part, site) for part in acting], _ChainedTokens)
    for site in ("attention", "ffn"):
        sites[site] = _one([getattr(part, site) for part in acting], _chained_sublayer)
    sites["prefix"] = _one([part.prefix for part in acting], _SidePrefixes)
    return LayerTaps(**sites)


def stacked_embeddings(taps: Iterable[EmbeddingsTap | None]) -> EmbeddingsTap | None:
    """What acts on the embeddings where several do, one after the other."""
    return _one(list(taps), _ChainedEmbeddings)


def composable(tap: SublayerTap | None, what: str) -> ComposableTap | None:
    """`tap`, if it can be put together with others.

    Args:
        tap: At attention or the feed-forward network.
        what: What would be done with it, for the message: "be averaged".

    Raises:
        ConfigError: It cannot.
    """
    if tap is None or isinstance(tap, ComposableTap):
        return tap
    raise ConfigError(
        f"an adapter with a {type(tap).__name__} cannot {what}: that tap has no `change` and "
        "`close`, the two steps of a ComposableTap. Name that adapter alone, or last in a Stack."
    )


def _one(taps: Sequence[T | None], join: Callable[[tuple[T, ...]], T]) -> T | None:
    """The only tap, what `join` makes of several, or None without any."""
    acting = tuple(tap for tap in taps if tap is not None)
    if len(acting) <= 1:
        return acting[0] if acting else None
    return join(acting)


@dataclass(frozen=True)
class _ChainedProjection:
    taps: tuple[ProjectionTap, ...]

    def __call__(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> Tensor:
        for tap in self.taps:
            outputs = tap(inputs, outputs, projection, packing)
        return outputs


@dataclass(frozen=True)
class _ChainedTokens:
    taps: tuple[TokenTap, ...]

    def __call__(self, values: Tensor, packing: Packing) -> Tensor:
        for tap in self.taps:
            values = tap(values, packing)
        return values


@dataclass(frozen=True)
class _SidePrefixes:
    """The prefixes of several taps side by side, in front of each row."""

    taps: tuple[PrefixTap, ...]

    def __call__(self, inputs: Tensor, packing: Packing) -> Prefixes:
        parts = [tap(inputs, packing) for tap in self.taps]
        keys, values = [], []
        for row in range(packing.n_rows):
            for part in parts:
                tokens = part.packing.tokens(row, row + 1)
                keys.append(part.keys[tokens])
                values.append(part.values[tokens])
        if not keys:
            return parts[0]
        columns = zip(*(part.packing.lengths for part in parts), strict=True)
        return Prefixes(Packing(tuple(map(sum, columns))), torch.cat(keys), torch.cat(values))


class _ChainedEmbeddings(EmbeddingsTap):
    def __init__(self, taps: tuple[EmbeddingsTap, ...]) -> None:
        self.taps = taps

    def enter(self, embeddings: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
        for tap in self.taps:
            embeddings, packing = tap.enter(embeddings, packing)
        return embeddings, packing

    def leave(self, hidden: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
        for tap in reversed(self.taps):
            hidden, packing = tap.leave(hidden, packing)
        return hidden, packing

    def inverted(self, states: Tensor, packing: Packing) -> Tensor:
        for tap in reversed(self.taps):
            states = tap.inverted(states, packing)
        return states


def check_ends(taps: Iterable[SublayerTap]) -> None:
    """Refuses taps that end a sub-layer in two ways: one of them would have to end it for all.

    Raises:
        ConfigError: Some leave out the encoder's own residual and norm, and others do not.
    """
    if len({getattr(tap, "drops_residual", False) for tap in taps}) > 1:
        raise ConfigError(
            "an adapter that leaves out the encoder's own residual and norm at the end of a "
            "sub-layer (adapter_plus, or original_ln_after=false) cannot be put together with one "
            "that does not; choose adapters that end it alike."
        )


def _chained_sublayer(taps: tuple[SublayerTap, ...]) -> SublayerTap:
    check_ends(taps)
    first = tuple(tap for tap in taps[:-1] if composable(tap, "be followed by another"))
    last = taps[-1]
    if isinstance(last, ComposableTap):
        return _ComposableChain(first, last)  # type: ignore[arg-type]  # composable, as was seen
    return _Chain(first, last)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Chain:
    """Changes of a sub-layer's output one after the other; the last one ends the sub-layer."""

    first: tuple[ComposableTap, ...]
    last: SublayerTap

    def __call__(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Tensor:
        for tap in self.first:
            output = tap.change(output, residual, norm, packing).output
        return self.last(output, residual, norm, packing)


@dataclass(frozen=True)
class _ComposableChain(_Chain):
    last: ComposableTap

    @property
    def drops_residual(self) -> bool:
        return getattr(self.last, "drops_residual", False)

    def change(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Change:
        current, added, whole = output, torch.zeros_like(output), True
        for tap in (*self.first, self.last):
            change = tap.change(current, residual, norm, packing)
            whole = whole and change.skip is current
            added = added + change.added
            current = change.output
        # one that drops something of what it was given makes the sum wrong
        return Change(change.read, output, added if whole else current - output)

    def close(self, changed: Tensor, residual: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
        return self.last.close(changed, residual, norm)
