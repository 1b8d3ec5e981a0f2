"""Bottlenecks of several adapters at one place of a layer, each on rows of its own, run together.

What is the same for all of them is computed once. The small products are computed slice by slice;
on a GPU, where many small steps cost more than their numbers, with stacked weights in two steps.

Dimensions: N tokens of all rows, G bottlenecks, T tokens of the longest slice, D width of the
encoder, R width of the bottlenecks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from polyhead.batch import lane, sent

__all__ = ["Bottleneck", "add_bottlenecks"]

_MOST_PADDING: Final = 4
"""Slices are stacked while the longest makes the others at most so many times as long in all."""


@dataclass(frozen=True)
class Bottleneck:
    """The weights of one of them.

    Attributes:
        down: Weight and bias. Shape: (R, D) and (R,).
        up: Weight and bias. Shape: (D, R) and (D,).
    """

    down: tuple[Tensor, Tensor]
    up: tuple[Tensor, Tensor]


def add_bottlenecks(
    base_ND: Tensor,
    read_ND: Tensor,
    parts: Sequence[tuple[slice, Bottleneck]],
    activation: Callable[[Tensor], Tensor],
    factor: float,
) -> None:
    """Adds what bottlenecks make of their tokens, in place; outside autograd's graph alone.

    Args:
        base_ND: What is added to.
        read_ND: What they read.
        parts: Each one's tokens and weights; slices lie side by side and none is empty.
        activation: Between the two products.
        factor: What the results are multiplied with.
    """
    if _is_stacked(base_ND.device, [part for part, _ in parts]):
        _add_stacked(base_ND, read_ND, parts, activation, factor)
        return
    for tokens, (down, up) in ((part, (own.down, own.up)) for part, own in parts):
        inner_NR = activation(functional.linear(read_ND[tokens], *down))
        base_ND[tokens].addmm_(inner_NR, up[0].t(), alpha=factor).add_(up[1], alpha=factor)


def _is_stacked(device: torch.device, parts: Sequence[slice]) -> bool:
    """Whether weights are stacked for these slices.

    On a CPU they never are: copying them together takes as long as it saves, whatever the size of
    the slices (measured with 8 to 128 slices of 8 to 64 tokens: 0.98 to 1.15 times the time).
    """
    if device.type == "cpu" or len(parts) == 1:
        return False
    lengths: list[int] = [part.stop - part.start for part in parts]
    return max(lengths) * len(lengths) <= _MOST_PADDING * sum(lengths)


def _add_stacked(
    base_ND: Tensor,
    read_ND: Tensor,
    parts: Sequence[tuple[slice, Bottleneck]],
    activation: Callable[[Tensor], Tensor],
    factor: float,
) -> None:
    """As `add_bottlenecks`, by products of stacked weights; shorter slices are padded."""
    spans = tuple((part.start, part.stop) for part, _ in parts)
    tokens_GT, place_N = _padding(spans, read_ND.device, lane(read_ND.device))
    down_GRD, down_GR = (
        torch.stack(each) for each in zip(*(p.down for _, p in parts), strict=True)
    )
    up_GDR, up_GD = (torch.stack(each) for each in zip(*(p.up for _, p in parts), strict=True))
    read_GTD = read_ND[tokens_GT]
    inner_GTR = torch.baddbmm(down_GR.unsqueeze(1), read_GTD, down_GRD.transpose(1, 2))
    up_GTD = torch.baddbmm(up_GD.unsqueeze(1), activation(inner_GTR), up_GDR.transpose(1, 2))
    tokens = slice(parts[0][0].start, parts[-1][0].stop)
    base_ND[tokens].add_(up_GTD.flatten(0, 1).index_select(0, place_N), alpha=factor)


@lru_cache(maxsize=16)  # the same at every site of every layer of a pass
def _padding(
    spans: tuple[tuple[int, int], ...], device: torch.device, _lane: int
) -> tuple[Tensor, Tensor]:
    """The token at each place of padded slices, and the place of each token.

    Args:
        spans: Where each slice starts, and what is behind it.
        device: Where they lie.
        _lane: What work there is in turn with.

    Returns:
        Shape: (G, T), any token where a slice has ended; and (N,), among the G * T places.
    """
    starts, stops = torch.tensor(spans).unbind(1)
    columns = torch.arange(int((stops - starts).max()))
    tokens_GT = starts.unsqueeze(1) + columns
    is_token = tokens_GT < stops.unsqueeze(1)
    place_N = is_token.flatten().nonzero().squeeze(1)
    return sent(tokens_GT.clamp(max=int(stops[-1]) - 1), device), sent(place_N, device)
