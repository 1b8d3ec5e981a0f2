"""What a head reads and answers: examples, their rows and targets, outputs, predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from polyhead.errors import InputError

if TYPE_CHECKING:
    from polyhead.batch import Row

__all__ = ["Encoded", "Example", "HeadOutput", "Prediction", "targets_of"]

HeadOutput = Tensor | dict[str, Tensor]
"""What a head computes: logits, or several named tensors."""


class Example(BaseModel):
    """Base of every head's example: what a user writes in one line of a data file.

    Attributes:
        target_fields: The fields that hold what is to be predicted: needed in training, not read in
            prediction.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    target_fields: ClassVar[tuple[str, ...]] = ("label",)


class Prediction(BaseModel):
    """Base of every head's answer for one example: typed, JSON-ready.

    `str` of it is the answer in a few words, as a table shows it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __str__(self) -> str:
        fields = self.model_dump(mode="json")
        if "label" not in fields:
            return json.dumps(fields, ensure_ascii=False)
        label, score = fields["label"], fields.get("score")
        return f"{label} ({score:.2f})" if isinstance(score, float) else str(label)


@dataclass(frozen=True)
class Encoded:
    """One example, ready for the encoder.

    Attributes:
        example: The example itself.
        rows: Its rows: one for most heads; windows of a long text or the choices of a question
            are several.
        target: What `loss` compares with, or None for an example without label. The targets of a
            batch are concatenated along the first dimension.
    """

    example: Example
    rows: tuple[Row, ...]
    target: Tensor | None = None

    @property
    def n_tokens(self) -> int:
        """Tokens of all its rows."""
        return sum(len(row) for row in self.rows)

    @property
    def is_cut(self) -> bool:
        """Whether some of its tokens did not fit."""
        return any(row.n_dropped for row in self.rows)


def targets_of(encoded: Sequence[Encoded]) -> Tensor:
    """The targets of a batch, concatenated.

    Raises:
        InputError: An example has no label.
    """
    targets = [item.target for item in encoded if item.target is not None]
    if len(targets) < len(encoded):
        raise InputError(f"{len(encoded) - len(targets)} of {len(encoded)} examples have no label.")
    return torch.cat(targets)
