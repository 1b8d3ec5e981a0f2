"""The weighted sum of what several taps change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from polyhead.batch import Packing
from polyhead.composition.stacked import check_ends, composable
from polyhead.contracts import (
    NO_TAPS,
    PROJECTIONS,
    Change,
    ComposableTap,
    LayerTaps,
    Prefixes,
    PrefixTap,
    Projection,
    ProjectionTap,
    TokenTap,
)
from polyhead.errors import ConfigError

__all__ = ["averaged"]


def averaged(parts: Sequence[LayerTaps], weights: Sequence[float]) -> LayerTaps:
    """The taps of one layer that average `parts`.

    Args:
        parts: What is averaged. One that does not act at a site changes nothing there.
        weights: Of each part, used as they are.

    Raises:
        ConfigError: A sub-layer's tap cannot be composed, or not all parts have prefixes where one
            has.
    """
    if all(part is NO_TAPS for part in parts):
        return NO_TAPS
    sites: dict[str, Any] = {}
    for site in LayerTaps.sites():
        taps = [getattr(part, site) for part in parts]
        acting = [(tap, w) for tap, w in zip(taps, weights, strict=True) if tap is not None]
        if acting:
            join = _JOINS[site]
            if join is _Prefixes and len(acting) < len(taps):
                raise ConfigError(
                    "an adapter with a prefix cannot be averaged with one that has none in the "
                    "same layer: an average of prefixes is a prefix, token by token."
                )
            sites[site] = join(tuple(acting))
    return LayerTaps(**sites)


@dataclass(frozen=True)
class _Projections:
    parts: tuple[tuple[ProjectionTap, float], ...]

    def __call__(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> Tensor:
        total = outputs
        for tap, weight in self.parts:
            total = total + (tap(inputs, outputs, projection, packing) - outputs) * weight
        return total


@dataclass(frozen=True)
class _Tokens:
    parts: tuple[tuple[TokenTap, float], ...]

    def __call__(self, values: Tensor, packing: Packing) -> Tensor:
        total = values
        for tap, weight in self.parts:
            total = total + (tap(values, packing) - values) * weight
        return total


@dataclass(frozen=True)
class _Prefixes:
    parts: tuple[tuple[PrefixTap, float], ...]

    def __call__(self, inputs: Tensor, packing: Packing) -> Prefixes:
        found = [(tap(inputs, packing), weight) for tap, weight in self.parts]
        lengths = {prefixes.packing.lengths for prefixes, _ in found}
        if len(lengths) > 1:
            raise ConfigError(
                "prefixes of different lengths cannot be averaged: an average of prefixes is a "
                "prefix, token by token."
            )
        return Prefixes(
            found[0][0].packing,
            torch.stack([prefixes.keys * weight for prefixes, weight in found]).sum(0),
            torch.stack([prefixes.values * weight for prefixes, weight in found]).sum(0),
        )


@dataclass(frozen=True)
class _Sublayers:
    parts: tuple[tuple[ComposableTap, float], ...]

    @property
    def drops_residual(self) -> bool:
        return getattr(self.parts[-1][0], "drops_residual", False)

    def __call__(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Tensor:
        return self.close(self.change(output, residual, norm, packing).output, residual, norm)

    def change(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Change:
        added, read = torch.zeros_like(output), output
        for tap, weight in self.parts:
            found = tap.change(output, residual, norm, packing)
            own = found.added if found.skip is output else found.output - output
            added = added + own * weight
            read = found.read
        return Change(read, output, added)

    def close(self, changed: Tensor, residual: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
        return self.parts[-1][0].close(changed, residual, norm)


def _sublayers(parts: tuple[tuple[ComposableTap, float], ...]) -> _Sublayers:
    for tap, _ in parts:
        composable(tap, "be averaged")
    check_ends(tap for tap, _ in parts)
    return _Sublayers(parts)


_JOINS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(PROJECTIONS, _Projections),
    "inner": _Tokens,
    "output": _Tokens,
    "attention": _sublayers,
    "ffn": _sublayers,
    "prefix": _Prefixes,
}
