"""Parts of each row, every one under taps of its own.

Dimensions: N tokens of all rows, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from polyhead.batch import Packing
from polyhead.composition.stacked import composable
from polyhead.contracts import (
    NO_TAPS,
    PROJECTIONS,
    Change,
    ComposableTap,
    LayerTaps,
    Projection,
    ProjectionTap,
    SublayerTap,
    TokenTap,
)
from polyhead.errors import ConfigError, InputError

__all__ = ["split"]

Splits = tuple[int | None, ...]


def split(parts: Sequence[LayerTaps], splits: Splits) -> LayerTaps:
    """The taps of one layer that work on parts of each row.

    Args:
        parts: What acts on each part.
        splits: The tokens of each part; the last may be None, all the others.

    Raises:
        ConfigError: One of `parts` has a prefix, which belongs to a whole row.
    """
    if all(part is NO_TAPS for part in parts):
        return NO_TAPS
    if any(part.prefix is not None for part in parts):
        raise ConfigError(
            "an adapter with a prefix cannot be split: a prefix belongs to a whole row."
        )
    sites: dict[str, Any] = {}
    for site, join in _JOINS.items():
        taps = tuple(getattr(part, site) for part in parts)
        if any(tap is not None for tap in taps):
            sites[site] = join(taps, splits)
    return LayerTaps(**sites)


@dataclass(frozen=True)
class _Cut:
    """Where the tokens of a batch's rows go.

    Attributes:
        tokens: Of each part the places among all tokens.
        packings: Of each part; rows without a token in it are left out.
        inverse: The place of each token in all parts, one behind the other.
        whole: Where each row lies among all tokens.
        name: What keeps cuts of the same rows apart.
    """

    tokens: tuple[Tensor, ...]
    packings: tuple[Packing, ...]
    inverse: Tensor
    whole: Packing
    name: str

    def on(self, values: Tensor) -> Iterator[tuple[Tensor, Packing]]:
        """Each part's values, with where its rows lie."""
        for number, packing in enumerate(self.packings):
            yield values.index_select(0, self._there(str(number), values.device)), packing

    def joined(self, parts: Sequence[Tensor]) -> Tensor:
        """The parts' values in the places of their tokens. Shape: (N, ...)."""
        values = torch.cat(list(parts))
        return values.index_select(0, self._there("inverse", values.device))

    def _there(self, name: str, device: torch.device) -> Tensor:
        """`inverse`, or the tokens of a part by its number, on a device."""
        own = self.inverse if name == "inverse" else self.tokens[int(name)]
        return self.whole.kept(f"{self.name} {name}", device, lambda: own)


@lru_cache(maxsize=8)  # the same cut at every site of every layer of a pass
@torch.inference_mode(mode=False)  # what is made to answer is found again in training
def _cut(packing: Packing, splits: Splits) -> _Cut:
    total = sum(n for n in splits if n is not None)
    if splits[-1] is not None:
        wrong = [length for length in packing.lengths if length != total]
        if wrong:
            raise InputError(
                f"Split divides rows of {total} tokens and a row has {wrong[0]}; let the last of "
                "splits be None, for all the others."
            )
    tokens: list[Tensor] = []
    packings = []
    place = 0
    for n_tokens in splits:
        taken = [
            (start + place, start + min(length, length if n_tokens is None else place + n_tokens))
            for start, length in zip(packing.starts, packing.lengths, strict=False)
        ]
        spans = [(start, stop) for start, stop in taken if start < stop]
        tokens.append(torch.cat([torch.arange(0), *(torch.arange(*span) for span in spans)]))
        packings.append(_worked_out(Packing(tuple(stop - start for start, stop in spans))))
        place += n_tokens or 0
    order = torch.cat(tokens)
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order))
    return _Cut(tuple(tokens), tuple(packings), inverse, packing, f"split {splits}")


def _worked_out(packing: Packing) -> Packing:
    """The packing, with the tensors that it keeps made here and not at their first use."""
    _ = packing.row_of_token, packing.column_of_token
    return packing


@dataclass(frozen=True)
class _Projections:
    taps: tuple[ProjectionTap | None, ...]
    splits: Splits

    def __call__(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> Tensor:
        cut = _cut(packing, self.splits)
        parts = zip(self.taps, cut.on(inputs), cut.on(outputs), strict=True)
        return cut.joined(
            [
                own if tap is None else tap(read, own, projection, rows)
                for tap, (read, rows), (own, _) in parts
            ]
        )


@dataclass(frozen=True)
class _Tokens:
    taps: tuple[TokenTap | None, ...]
    splits: Splits

    def __call__(self, values: Tensor, packing: Packing) -> Tensor:
        cut = _cut(packing, self.splits)
        parts = zip(self.taps, cut.on(values), strict=True)
        return cut.joined([own if tap is None else tap(own, rows) for tap, (own, rows) in parts])


@dataclass(frozen=True)
class _Sublayers:
    taps: tuple[SublayerTap | None, ...]
    splits: Splits

    def __call__(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Tensor:
        cut = _cut(packing, self.splits)
        parts = zip(self.taps, cut.on(output), cut.on(residual), strict=True)
        return cut.joined(
            [
                norm(own + skip) if tap is None else tap(own, skip, norm, rows)
                for tap, (own, rows), (skip, _) in parts
            ]
        )


@dataclass(frozen=True)
class _ComposableSublayers(_Sublayers):
    taps: tuple[ComposableTap | None, ...]

    def change(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Change:
        cut = _cut(packing, self.splits)
        read, added = [], []
        parts = zip(self.taps, cut.on(output), cut.on(residual), strict=True)
        for tap, (own, rows), (skip, _) in parts:
            if tap is None:
                read.append(own)
                added.append(torch.zeros_like(own))
                continue
            found = tap.change(own, skip, norm, rows)
            read.append(found.read)
            added.append(found.added if found.skip is own else found.output - own)
        return Change(cut.joined(read), output, cut.joined(added))

    def close(self, changed: Tensor, residual: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
        acting = [tap for tap in self.taps if tap is not None]
        return acting[-1].close(changed, residual, norm)


def _sublayers(taps: tuple[SublayerTap | None, ...], splits: Splits) -> _Sublayers:
    if all(tap is None or isinstance(tap, ComposableTap) for tap in taps):
        return _ComposableSublayers(tuple(composable(tap, "be split") for tap in taps), splits)
    return _Sublayers(taps, splits)


_JOINS: dict[str, Callable[[Any, Splits], Any]] = {
    **dict.fromkeys(PROJECTIONS, _Projections),
    "inner": _Tokens,
    "output": _Tokens,
    "attention": _sublayers,
    "ffn": _sublayers,
}
