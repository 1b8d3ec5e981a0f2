"""Weighted sums of weights: averages, and task arithmetic with negative shares.

Source: task vectors are Ilharco et al. 2022, arXiv:2212.04089; for adapters, Chronopoulou et al.
2023, arXiv:2302.07027, and Zhang et al. 2023, arXiv:2306.14870.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyhead.errors import ConfigError
from polyhead.merging.likeness import check_alike

if TYPE_CHECKING:
    from polyhead.contracts import Adapter, Head

__all__ = ["weighted_sum"]


def weighted_sum(
    parts: Mapping[str, Adapter] | Mapping[str, Head],
    shares: Mapping[str, float],
    what: str,
    share_of: Callable[[str, float], float] = lambda _, share: share,
) -> dict[str, Tensor]:
    """The state dict of a part whose weights are the sum of the given ones, each times its share.

    Where the shares do not add up to 1, what is added up is how far each weight is from the value
    under which it does nothing (`Adapter.neutral`): half an IA3 adapter scales half as far from 1.

    Args:
        parts: Adapters or heads of equal configurations.
        shares: One of each.
        what: "adapter" or "head", for messages.
        share_of: What is taken in place of a share for the weight of that name.

    Raises:
        ConfigError: They are not alike, or a tensor that is no weight differs.
    """
    check_alike(parts, what)
    first = next(iter(parts.values()))
    states = {name: part.state_dict() for name, part in parts.items()}
    summed = {}
    for weight, like in first.state_dict().items():
        each = {name: state[weight] for name, state in states.items()}
        if not like.is_floating_point():
            _check_equal(each, weight, what)
            summed[weight] = like.clone()
            continue
        own = {name: share_of(weight, shares[name]) for name in parts}
        summed[weight] = _sum(each, own, _neutral(first, weight))
    return summed


def _sum(each: Mapping[str, Tensor], shares: Mapping[str, float], neutral: float) -> Tensor:
    like = next(iter(each.values()))
    total = torch.zeros_like(like, dtype=torch.float32)
    for name, weight in each.items():
        total += shares[name] * weight.detach().float()
    missing = 1 - math.fsum(shares.values())
    if neutral and abs(missing) > 1e-9:  # noqa: PLR2004 - three thirds are not quite 1
        total += missing * neutral
    return total.to(like.dtype)


def _neutral(part: nn.Module, weight: str) -> float:
    neutral = getattr(part, "neutral", None)  # of adapters; a head's weights add up as they are
    return 0.0 if neutral is None else float(neutral(weight))


def _check_equal(each: Mapping[str, Tensor], weight: str, what: str) -> None:
    (first_name, first), *others = each.items()
    for name, tensor in others:
        if not torch.equal(first, tensor):
            raise ConfigError(
                f"the {what}s {first_name!r} and {name!r} cannot be merged: {weight} differs, and "
                "it does not hold numbers that could be added up."
            )
