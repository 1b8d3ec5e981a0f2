"""Bottlenecks of several adapters at one place of a layer, each on rows of its own, run together.

What is the same for all of them is computed once. The small products are computed slice by slice;
on a GPU, where many small steps cost more than their numbers, with stacked weights in two steps.

Dimensions: N tokens of all rows, G bottlenecks, T tokens of the longest slice, D width of the
encoder, R width of the bottlenecks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import torch
from torch import Tensor

from polyhead.adapters.bottleneck.hypercomplex import HypercomplexLinear
from polyhead.adapters.linear import BlankLinear
from polyhead.batch import lane, sent

__all__ = ["Bottleneck", "add_bottlenecks"]

_MOST_PADDING: Final = 4
"""Slices are stacked while the longest makes the others at most so many times as long in all."""


class Bottleneck(NamedTuple):
    """One of them.

    Attributes:
        down: From D to R.
        up: From R to D.
    """

    down: BlankLinear | HypercomplexLinear
    up: BlankLinear | HypercomplexLinear


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
        parts: Each one's tokens and layers; slices lie side by side and none is empty. All layers
            have a bias, or all of one direction have none.
        activation: Between the two products.
        factor: What the results are multiplied with.
    """
    if _is_stacked(base_ND.device, [part for part, _ in parts]):
        _add_stacked(base_ND, read_ND, parts, activation, factor)
        return
    for tokens, (down, up) in parts:
        inner_NQ, weight_QD = up.factors(activation(down(read_ND[tokens])))
        sum_ND = base_ND[tokens].addmm_(inner_NQ, weight_QD, alpha=factor)
        if up.bias is not None:
            sum_ND.add_(up.bias, alpha=factor)


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
    inner_GTR = _stacked([own.down for _, own in parts], read_ND[tokens_GT])
    up_GTD = _stacked([own.up for _, own in parts], activation(inner_GTR))
    tokens = slice(parts[0][0].start, parts[-1][0].stop)
    base_ND[tokens].add_(up_GTD.flatten(0, 1).index_select(0, place_N), alpha=factor)


def _stacked(layers: Sequence[BlankLinear | HypercomplexLinear], values_GTI: Tensor) -> Tensor:
    """What each layer makes of its values. Shape: (G, T, O)."""
    weight_GIO = torch.stack([layer.matrix() for layer in layers]).transpose(1, 2)
    biases: list[Tensor] = [layer.bias for layer in layers if layer.bias is not None]
    if not biases:
        return torch.bmm(values_GTI, weight_GIO)
    return torch.baddbmm(torch.stack(biases).unsqueeze(1), values_GTI, weight_GIO)


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
