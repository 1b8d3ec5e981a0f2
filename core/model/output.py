"""What one call of the model returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from polyhead.batch import Hidden
from polyhead.contracts import HeadOutput
from polyhead.errors import InputError

__all__ = ["ModelOutput"]


@dataclass(frozen=True)
class ModelOutput:
    """Hidden states, the heads' outputs, and the loss where labels were given.

    Attributes:
        hidden: Hidden states of the batch's tokens, packed in the order of its rows.
        mask: Which places of the padded batch hold a token. Shape: (B, T), bool.
        heads: Each row's head, or None for a row that was asked for none.
        outputs: Each head's output for its own rows, in the order of the batch.
        losses: Each head's mean loss over its own rows; empty without labels.
    """

    hidden: Hidden
    mask: Tensor
    heads: tuple[str | None, ...]
    outputs: Mapping[str, HeadOutput]
    losses: Mapping[str, Tensor]

    @cached_property
    def last_hidden_state(self) -> Tensor:
        """The last layer, padded as the input was, zeros where it was masked. Shape: (B, T, D)."""
        tokens = self.hidden.tokens
        padded = tokens.new_zeros(*self.mask.shape, tokens.shape[-1])
        return padded.index_put(self.mask.nonzero(as_tuple=True), tokens)

    @property
    def loss(self) -> Tensor | None:
        """The sum of the heads' losses, or None without labels. Shape: ()."""
        return torch.stack(list(self.losses.values())).sum() if self.losses else None

    @property
    def logits(self) -> Tensor:
        """The output of the call's one head, a row each. Shape: (B, ...).

        Raises:
            InputError: The rows have several heads, some have none, or the head's output is not one
                tensor.
        """
        names = set(self.heads)
        if len(names) != 1 or None in names:
            raise InputError(
                "rows of this batch have different heads or none; read .outputs[head] or .rows."
            )
        output = next(iter(self.outputs.values()))
        if not isinstance(output, Tensor):
            raise InputError(
                f"the head's output has several parts: {', '.join(output)}; read .outputs."
            )
        return output

    @cached_property
    def rows(self) -> tuple[HeadOutput | None, ...]:
        """Each row's own output, in the batch's order; None for a row without head.

        Only for heads that answer once a row; read `.outputs` for others.
        """
        taken = dict.fromkeys(self.outputs, 0)
        rows: list[HeadOutput | None] = []
        for head in self.heads:
            if head is None:
                rows.append(None)
                continue
            output, place = self.outputs[head], taken[head]
            taken[head] += 1
            rows.append(
                output[place]
                if isinstance(output, Tensor)
                else {part: values[place] for part, values in output.items()}
            )
        return tuple(rows)
