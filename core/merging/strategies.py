"""The ways in which adapters become one, under the names that AdapterHub gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from polyhead.contracts import FusingAdapter, SideAdapter
from polyhead.errors import ConfigError, shown
from polyhead.merging.averaging import weighted_sum
from polyhead.merging.low_rank import LORA, is_up, low_rank_sum

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import Adapter, AdapterConfig

__all__ = ["STRATEGIES", "Strategy", "check_strategy", "merged_adapter"]

Strategy = Literal["linear", "lora_linear_only_negate_b", "lora_delta_w_svd"]
"""How adapters are merged: `linear`, any kind's weights; `lora_linear_only_negate_b`, LoRA whose A
never changes its sign; `lora_delta_w_svd`, the best low-rank form of the sum of what LoRAs add."""

STRATEGIES: Final[tuple[str, ...]] = get_args(Strategy)


def check_strategy(strategy: object) -> Strategy:
    """The strategy of that name.

    Raises:
        ConfigError: There is none.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(
            f"{shown(strategy)} is no way to merge adapters; there are: {', '.join(STRATEGIES)}."
        )
    return cast("Strategy", strategy)


def merged_adapter(
    adapters: Mapping[str, Adapter],
    shares: Mapping[str, float],
    strategy: Strategy = "linear",
    rank: int | None = None,
) -> tuple[AdapterConfig, dict[str, Tensor]]:
    """The configuration and the state dict of an adapter that others are merged into.

    Args:
        adapters: By name; at least one.
        shares: One of each, taken as they are.
        strategy: How.
        rank: Of the result, for `lora_delta_w_svd` alone.

    Raises:
        ConfigError: The sum has no meaning for adapters of that kind or with those shares, or
            `rank` does not go with the strategy.
    """
    if strategy == "lora_delta_w_svd":
        return low_rank_sum(adapters, shares, rank)
    if rank is not None:
        raise ConfigError(f"a rank goes with the strategy 'lora_delta_w_svd', not {strategy!r}.")
    first = next(iter(adapters.values()))
    if strategy == "lora_linear_only_negate_b":
        for name, adapter in adapters.items():
            if adapter.kind != LORA:
                raise ConfigError(
                    f"{strategy!r} is for adapters of kind {LORA!r}, and {name!r} is of kind "
                    f"{adapter.kind!r}; use 'linear'."
                )
        summed = weighted_sum(
            adapters,
            shares,
            "adapter",
            lambda weight, share: share if is_up(weight) else abs(share),
        )
        _check_meaning(adapters, [abs(share) for share in shares.values()])
    else:
        _check_meaning(adapters, list(shares.values()))
        summed = weighted_sum(adapters, shares, "adapter")
    return first.config, summed


def _check_meaning(adapters: Mapping[str, Adapter], shares: list[float]) -> None:
    """Refuses what the kind itself says has no meaning."""
    for name, adapter in adapters.items():
        reason = adapter.why_no_sum(shares)
        if reason is None and isinstance(adapter, SideAdapter | FusingAdapter):
            reason = _needs_one(shares)
        if reason is not None:
            raise ConfigError(
                f"the adapter {name!r} of kind {adapter.kind!r} cannot be merged so: {reason}"
            )


def _needs_one(shares: list[float]) -> str | None:
    """Why shares that do not add up to 1 mean nothing where no weights leave things as they are."""
    total = math.fsum(shares)
    if abs(total - 1) < 1e-6:  # noqa: PLR2004 - rounding of what the caller divided
        return None
    return (
        f"there are no weights under which it changes nothing, so the shares must add up to 1, not "
        f"{total:g}; give such, or normalize_weights=True."
    )
