"""Heads of the classes of the DistilBERT documents: fresh, or with a checkpoint's weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from polyhead.contracts import Head, validate_config
from polyhead.errors import CheckpointError
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.encoder import DistilBertConfig

__all__ = ["fill", "label_names", "new_head"]


def new_head(kind: str, config: DistilBertConfig, **fields: Any) -> Head:
    """A head of that kind on the encoder's last layer, with fresh weights.

    Args:
        kind: As it is registered.
        config: Of the encoder; weights are drawn with its `initializer_range`.
        fields: Of the head's configuration.

    Raises:
        ConfigError: A field is out of range.
    """
    cls = registry().head(kind)
    fields = {"hidden": "last", **fields}
    head = cls(validate_config(cls.Config, fields, f"head kind {kind!r}"), config.shape)
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=config.initializer_range)
    return head


def label_names(config: DistilBertConfig) -> list[str]:
    """The labels' names in the order of their numbers; LABEL_0, ... where they are no names."""
    numbers = range(config.num_labels)
    names = [config.id2label.get(number, "") for number in numbers]
    if all(names) and len(set(names)) == len(names):
        return names
    return [f"LABEL_{number}" for number in numbers]


def fill(
    module: nn.Module,
    found: Mapping[str, Tensor],
    names: Mapping[str, str],
    folder: Path,
    *,
    may_differ: bool = False,
) -> list[str]:
    """Puts a checkpoint's weights into a head or a layer.

    Args:
        module: What takes them.
        found: The checkpoint's weights that are not the encoder's.
        names: For each weight its name there.
        folder: The checkpoint, for messages.
        may_differ: Whether weights of another shape are passed over, and not refused.

    Returns:
        The names there of weights that it lacks, and that stayed fresh.

    Raises:
        CheckpointError: A weight is of another shape or not finite.
    """
    fresh = []
    own = module.state_dict()
    for ours, theirs in names.items():
        weight = found.get(theirs)
        if weight is not None and weight.shape != own[ours].shape and not may_differ:
            raise CheckpointError(
                f"{folder}: {theirs} has the shape {tuple(weight.shape)} and the config makes it "
                f"{tuple(own[ours].shape)}; give the checkpoint's own num_labels, or "
                "ignore_mismatched_sizes=True for a fresh head."
            )
        if weight is None or weight.shape != own[ours].shape:
            fresh.append(theirs)
        elif not torch.isfinite(weight).all():
            raise CheckpointError(f"{folder}: {theirs} holds values that are not finite.")
        else:
            own[ours].copy_(weight)
    return fresh
