"""What one call of the model returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from polyhead.contracts import Head, HeadOutput
from polyhead.errors import InputError
from polyhead.model.padded import EncodedBatch

__all__ = ["ModelOutput"]


@dataclass(frozen=True)
class ModelOutput:
    """Hidden states, the heads' outputs, and the loss where labels were given.

    Attributes:
        encoded: What the encoder made of the batch.
        heads: Each row's head, or None for a row that was asked for none. Where examples have
            several rows, each example's.
        modules: The heads that were asked, by name.
        outputs: Each head's output for its own rows, in the order of the batch.
        losses: Each head's mean loss over its own rows; empty without labels.
        penalties: What adapters add to the loss, such as AdapterFusion's regulariser.
    """

    encoded: EncodedBatch
    heads: tuple[str | None, ...]
    modules: Mapping[str, Head]
    outputs: Mapping[str, HeadOutput]
    losses: Mapping[str, Tensor]
    penalties: tuple[Tensor, ...] = ()

    @cached_property
    def last_hidden_state(self) -> Tensor:
        """The last layer, padded as the input was, zeros where it was masked. Shape: (B, T, D)."""
        return self.encoded.last_hidden_state

    @property
    def hidden_states(self) -> tuple[Tensor, ...] | None:
        """The embeddings and each layer's hidden states, each (B, T, D), if they were asked for."""
        return self.encoded.hidden_states

    @property
    def attentions(self) -> tuple[Tensor, ...] | None:
        """Each layer's attention weights, each (B, H, T, T), if they were asked for."""
        return self.encoded.attentions

    @property
    def loss(self) -> Tensor | None:
        """The sum of the heads' losses and the penalties; None without labels. Shape: ()."""
        if not self.losses:
            return None
        return torch.stack([*self.losses.values(), *self.penalties]).sum()

    @property
    def logits(self) -> Tensor:
        """The output of the call's one head.

        Returns:
            For a head that answers once a row, (B, ...); for one that answers each token, padded as
            the input was, zeros where it was masked, (B, T, ...); for one that answers each
            example, (E, ...).

        Raises:
            InputError: The rows have several heads, some have none, or the head's output is not one
                tensor.
        """
        names = set(self.heads)
        if len(names) != 1 or None in names:
            raise InputError(
                "rows of this batch have different heads or none; read .outputs[head] or .rows."
            )
        [(name, output)] = self.outputs.items()
        head = self.modules[name]
        logits = head.logits(output)
        return self.encoded.padded(logits) if head.answers == "token" else logits

    def to_tuple(self) -> tuple[Any, ...]:
        """What is there of loss, logits (or hidden states), layers and attention weights, in order.

        Without a head, the last hidden states stand in the logits' place; of a head whose output
        has several parts, the parts do.

        Raises:
            InputError: The rows have several heads, or some have none.
        """
        if not self.outputs:
            first: tuple[Any, ...] = (self.last_hidden_state,)
        else:
            output = next(iter(self.outputs.values()))
            is_one = isinstance(output, Tensor) or len(set(self.heads)) > 1
            first = (self.logits,) if is_one else tuple(output.values())
        values = (self.loss, *first, self.hidden_states, self.attentions)
        return tuple(value for value in values if value is not None)

    def __getitem__(self, place: int | slice) -> Any:
        return self.to_tuple()[place]

    @cached_property
    def rows(self) -> tuple[HeadOutput | None, ...]:
        """Each row's own output, in the batch's order; None for a row without head.

        For a head that answers each token it has the row's tokens, (T_row, ...); for one that
        answers each example, it is the example's.
        """
        parts = {name: iter(self._split(name)) for name in self.outputs}
        return tuple(None if head is None else next(parts[head]) for head in self.heads)

    def _split(self, name: str) -> list[HeadOutput]:
        """A head's output, row by row."""
        head, output = self.modules[name], self.outputs[name]
        if head.answers == "token":
            n_tokens = zip(self.heads, self.encoded.mask.sum(dim=1).tolist(), strict=True)
            own = [n for owner, n in n_tokens if owner == name]
            return list(torch.split(head.logits(output), own))
        if isinstance(output, Tensor):
            return list(output.unbind())
        parts = {part: values.unbind() for part, values in output.items()}
        return [dict(zip(parts, row, strict=True)) for row in zip(*parts.values(), strict=True)]
