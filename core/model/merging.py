"""New adapters and heads out of those of a model, and its encoder with an adapter merged in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch

from polyhead.contracts import Adapter, Head
from polyhead.encoder import Encoder
from polyhead.errors import ConfigError
from polyhead.merging import (
    check_strategy,
    merged_adapter,
    merged_encoder,
    normalised,
    read_shares,
    weighted_sum,
)
from polyhead.model.saving import SavableModel
from polyhead.registry import registry

__all__ = ["MergingModel"]

PartT = TypeVar("PartT", Adapter, Head)


class MergingModel(SavableModel):
    """A model whose adapters and heads can be merged into new ones."""

    def average_adapters(
        self,
        name: str,
        shares: Mapping[str, float],
        *,
        strategy: str = "linear",
        normalize_weights: bool = False,
        rank: int | None = None,
    ) -> None:
        """Adds an adapter that others are merged into; they stay as they are.

        Args:
            name: Of the new adapter.
            shares: The adapters to merge, and what the weights of each are multiplied with before
                they are added up; negative ones take away what an adapter has learned.
            strategy: "linear": the weights are added up. "lora_linear_only_negate_b": likewise, but
                A of a LoRA never changes its sign. "lora_delta_w_svd": the LoRA nearest to the sum
                of what LoRAs of any ranks add.
            normalize_weights: Whether the shares are divided by their sum.
            rank: Of the result of "lora_delta_w_svd"; when None, as much as keeps the whole sum.

        Raises:
            NameTakenError: There is an adapter of that name.
            UnknownAdapterError: One to merge is not there.
            ConfigError: The adapters are not alike, or their sum has no meaning; the message says
                why.
        """
        self._adapters.check_new(name)
        merged = self._merged_adapter(shares, strategy, normalize_weights, rank)
        self._adapters.add(name, merged)

    def average_heads(
        self, name: str, shares: Mapping[str, float], *, normalize_weights: bool = False
    ) -> None:
        """Adds a head that others are merged into; they stay as they are.

        Args:
            name: Of the new head. Its own adapter is the one of that name, if there is one.
            shares: The heads to merge, and what the weights of each are multiplied with before they
                are added up.
            normalize_weights: Whether the shares are divided by their sum.

        Raises:
            NameTakenError: There is a head of that name.
            UnknownHeadError: One to merge is not there.
            ConfigError: The heads are not alike: their kinds, labels or layers differ.
        """
        self._heads.check_new(name)
        self._heads.add(name, self._merged_head(shares, normalize_weights))

    def merged_encoder(self, adapter: str) -> Encoder:
        """A frozen copy of the encoder with an adapter merged into its linear layers.

        It computes by itself what the model's own encoder, which is never written, computes under
        the adapter. LoRA, DoRA and IA3 without gates can be merged.

        Args:
            adapter: Its name.

        Raises:
            UnknownAdapterError: There is none of that name.
            ConfigError: What it does is not a change of linear layers.
        """
        return merged_encoder(self.encoder, self._adapters.find(adapter), adapter)

    def _merged_adapter(
        self, shares: object, strategy: str, normalize_weights: bool, rank: int | None
    ) -> Adapter:
        given = read_shares(shares, "adapter")
        adapters = {each: self._adapters.find(each) for each in given}
        taken = normalised(given, "adapter") if normalize_weights else given
        config, tensors = merged_adapter(adapters, taken, check_strategy(strategy), rank)
        with torch.random.fork_rng(devices=[]):  # fresh weights are drawn only to be replaced
            merged = registry().adapter_for(config)(config, self.shape)
        merged.load_state_dict(tensors)
        return self._fitted(_checked(merged))

    def _merged_head(self, shares: object, normalize_weights: bool) -> Head:
        given = read_shares(shares, "head")
        heads = {each: self._heads.find(each) for each in given}
        taken = normalised(given, "head") if normalize_weights else given
        tensors = weighted_sum(heads, taken, "head")
        config = next(iter(heads.values())).config
        with torch.random.fork_rng(devices=[]):
            merged = registry().head_for(config)(config, self.shape)
        merged.load_state_dict(tensors)
        return self._fitted(_checked(merged))


def _checked(merged: PartT) -> PartT:
    """Refuses weights that have become infinite."""
    for weight, tensor in merged.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ConfigError(f"the sum is not finite in {weight}; use smaller shares.")
    return merged
