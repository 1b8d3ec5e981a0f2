"""How good a head's answers are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from polyhead.contracts.examples import Encoded, HeadOutput

__all__ = ["Metrics"]


class Metrics(ABC):
    """Collects outputs and tells how good they were.

    Attributes:
        primary: The figure of `compute` by which the best checkpoint is chosen.
        higher_is_better: The direction of `primary`.
    """

    primary: ClassVar[str]
    higher_is_better: ClassVar[bool] = True

    @abstractmethod
    def update(self, output: HeadOutput, encoded: Sequence[Encoded]) -> None:
        """Takes in the output of a batch and the labelled examples it belongs to."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """The figures over all batches so far, by their names in the field."""
