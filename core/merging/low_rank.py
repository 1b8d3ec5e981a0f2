"""The sum of what several LoRA adapters add to the encoder's weights, as one LoRA adapter.

Source: the singular value decomposition gives the nearest matrix of a rank (Eckart and Young 1936).
The `adapters` library 1.3 leaves alpha / r out of what it decomposes; here the sum is that of what
the adapters do.

Dimensions: I and O numbers that a linear layer reads and writes, R rank, S sum of all ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol, cast

import torch
from torch import Tensor

from polyhead.contracts import PROJECTIONS, validate_config
from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from polyhead.contracts import Adapter, AdapterConfig

__all__ = ["LORA", "is_up", "low_rank_sum"]

LORA: Final = "lora"
"""The kind of adapters that are merged so. Its tensors are `<site>.<layer>.<part>`: `down` is A,
`up` is B, `bias` that of B."""


class _LoraConfig(Protocol):
    """What is used of the configuration of that kind."""

    modules: tuple[str, ...]
    use_dora: bool
    use_gating: bool
    lora_bias: bool

    def scale(self, layer: int, site: str) -> float: ...


def is_up(weight: str) -> bool:
    """Whether what a LoRA adapter adds is proportional to that tensor: it is B, or its bias."""
    return weight.endswith((".up", ".bias")) and ".gate." not in weight


def low_rank_sum(
    adapters: Mapping[str, Adapter], shares: Mapping[str, float], rank: int | None
) -> tuple[AdapterConfig, dict[str, Tensor]]:
    """The LoRA adapter nearest to the sum of what the given ones add, each times its share.

    Their ranks, factors and sites may differ.

    Args:
        adapters: LoRA adapters by name, without gates, and no DoRA.
        shares: One of each.
        rank: Of the result; when None, as much as keeps the whole sum.

    Returns:
        Its configuration and its state dict. Its alpha is its rank, so that its factor is 1.

    Raises:
        ConfigError: One of them is of another kind, or what it adds is no sum; or the rank is out
            of range.
    """
    for name, adapter in adapters.items():
        _check_additive(name, adapter)
    changes = _changes(adapters, shares)
    kept = max(len(change.down) for change in changes.values()) if rank is None else rank
    config = _config_of(next(iter(adapters.values())), changes, kept)
    like = next(next(iter(adapters.values())).parameters())
    tensors: dict[str, Tensor] = {}
    for (layer, site), change in changes.items():
        down_RI, up_OR = change.of_rank(kept)
        tensors[f"{site}.{layer}.down"] = down_RI.to(like)
        tensors[f"{site}.{layer}.up"] = up_OR.to(like)
        if config.lora_bias:
            tensors[f"{site}.{layer}.bias"] = change.bias.to(like)
    return cast("AdapterConfig", config), tensors


class _Change:
    """What is added to one linear layer: `up @ down`, and a bias, each the sum of several."""

    def __init__(self, written: int, read: int) -> None:
        self.down = torch.zeros(0, read, dtype=torch.float64)
        self.up = torch.zeros(written, 0, dtype=torch.float64)
        self.bias = torch.zeros(written, dtype=torch.float64)

    def add(self, down_RI: Tensor, up_OR: Tensor, bias_O: Tensor | None, factor: float) -> None:
        self.down = torch.cat([self.down, down_RI.detach().cpu().double()])
        self.up = torch.cat([self.up, factor * up_OR.detach().cpu().double()], dim=1)
        if bias_O is not None:
            self.bias = self.bias + factor * bias_O.detach().cpu().double()

    def of_rank(self, rank: int) -> tuple[Tensor, Tensor]:
        """A and B of the nearest product of that rank. Shape: (R, I) and (O, R).

        Only a matrix as large as the ranks is decomposed: with up = Q_u R_u and down' = Q_d R_d, it
        is R_u R_d'.
        """
        basis_OS, upper_SS = torch.linalg.qr(self.up)
        other_IS, lower_SS = torch.linalg.qr(self.down.T)
        left_SS, values_S, right_SS = torch.linalg.svd(upper_SS @ lower_SS.T)
        # both factors of one size: none of them is rounded more coarsely than the other
        roots_S = values_S.sqrt()[:rank]
        up_OR = basis_OS @ left_SS[:, : len(roots_S)] * roots_S
        down_RI = roots_S[:, None] * (right_SS[: len(roots_S)] @ other_IS.T)
        missing = rank - len(roots_S)
        return (
            torch.cat([down_RI, down_RI.new_zeros(missing, down_RI.shape[1])]),
            torch.cat([up_OR, up_OR.new_zeros(len(up_OR), missing)], dim=1),
        )


def _changes(
    adapters: Mapping[str, Adapter], shares: Mapping[str, float]
) -> dict[tuple[int, str], _Change]:
    """The sum at each linear layer that any of them changes, those at all such layers and sites."""
    found: dict[tuple[int, str], list[tuple[Tensor, Tensor, Tensor | None, float]]] = {}
    for name, adapter in adapters.items():
        state = adapter.state_dict()
        config = cast("_LoraConfig", adapter.config)
        for tensor, down_RI in state.items():
            site, _, rest = tensor.partition(".")
            number, _, part = rest.partition(".")
            if part != "down":
                continue
            place = f"{site}.{number}"
            factor = shares[name] * config.scale(int(number), site)
            parts = (down_RI, state[f"{place}.up"], state.get(f"{place}.bias"), factor)
            found.setdefault((int(number), site), []).append(parts)
    sizes = {site: (len(each[0][1]), each[0][0].shape[1]) for (_, site), each in found.items()}
    changes: dict[tuple[int, str], _Change] = {}
    for layer in sorted({layer for layer, _ in found}):
        for site, size in sizes.items():
            changes[layer, site] = _Change(*size)
            for each in found.get((layer, site), ()):
                changes[layer, site].add(*each)
    return changes


def _config_of(
    first: Adapter, changes: Mapping[tuple[int, str], _Change], rank: int
) -> _LoraConfig:
    layers = {layer for layer, _ in changes}
    fields = {
        **first.config.model_dump(),
        "r": rank,
        "alpha": float(rank),
        "rank_pattern": {},
        "alpha_pattern": {},
        "use_rslora": False,
        "modules": tuple(
            site for site in PROJECTIONS if any(site == other for _, other in changes)
        ),
        "leave_out": tuple(layer for layer in range(first.shape.n_layers) if layer not in layers),
        "lora_bias": any(bool(change.bias.any()) for change in changes.values()),
    }
    return cast("_LoraConfig", validate_config(first.Config, fields, f"adapter kind {LORA!r}"))


def _check_additive(name: str, adapter: Adapter) -> None:
    if adapter.kind != LORA:
        raise ConfigError(
            f"'lora_delta_w_svd' is for adapters of kind {LORA!r}, and {name!r} is of kind "
            f"{adapter.kind!r}; use 'linear'."
        )
    config = cast("_LoraConfig", adapter.config)
    if config.use_dora:
        raise ConfigError(
            f"the adapter {name!r} is a DoRA: what it adds to a weight is not of low rank and "
            "depends on that weight, so it has no low-rank sum; merge it into a copy of the "
            "encoder, or use 'linear'."
        )
    if config.use_gating:
        raise ConfigError(
            f"the adapter {name!r} has gates: what it adds differs from text to text, so it has no "
            "low-rank sum; use 'linear'."
        )
