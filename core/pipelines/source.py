"""Where a pipeline's answers come from: a model, its head, and how it reads texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

from polyhead.batch import Row
from polyhead.contracts import Head, HeadOutput

if TYPE_CHECKING:
    import torch

__all__ = ["Example", "Rows", "Source", "Tokenize", "Vocabulary"]

Example = Mapping[str, Any]
"""One input as the fields of a head's example."""

Rows = tuple[Row, ...]
"""The rows of one input, with offsets."""

Tokenize = Callable[[Any, Sequence[Example]], list[Rows]]
"""Makes rows with a checkpoint's `DistilBertTokenizer`, as a pipeline's options say."""


class Vocabulary(Protocol):
    """What pipelines need to know of tokens.

    Attributes:
        unk_id: Of the token for what the vocabulary cannot spell.
        mask_id: Of the token that hides another, or None.
        mask_token: That token, or None.
        pad_id: Of the token that stands for no token, or None.
    """

    unk_id: int
    mask_id: int | None
    mask_token: str | None
    pad_id: int | None

    def token(self, number: int) -> str:
        """The token of an id."""

    def token_id(self, token: str) -> int | None:
        """The id of a token, or None where the vocabulary does not have it."""

    def first_id(self, text: str) -> int | None:
        """The id of a text's first token, or None where it has no token."""

    def spell(self, ids: Sequence[int], *, keep_special: bool) -> str:
        """The text that ids stand for."""


class Source(ABC):
    """A model that answers, and what goes with it.

    Attributes:
        model: The model.
        tokenizer: Its tokenizer.
        name: What messages call it.
        is_task: Whether it is a task that was trained here: it reads texts as it did then.
    """

    model: nn.Module
    tokenizer: Any
    name: str
    is_task: bool

    @property
    @abstractmethod
    def head(self) -> Head | None:
        """The head that answers; None for a bare encoder."""

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary:
        """Its tokens."""

    @property
    @abstractmethod
    def labels(self) -> Sequence[str]:
        """The names of the head's outputs, in their order."""

    @property
    @abstractmethod
    def problem_type(self) -> str | None:
        """What the head's outputs are, under the names of transformers' `problem_type`."""

    @property
    @abstractmethod
    def max_length(self) -> int:
        """What texts are cut to where they are to be cut and nothing else is said."""

    @property
    @abstractmethod
    def max_positions(self) -> int:
        """Most tokens of one row that the model can read."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """What it computes with."""

    @property
    @abstractmethod
    def is_training(self) -> bool:
        """Whether it is in training mode, where dropout makes answers random."""

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Options that it was made for."""
        return {}

    @abstractmethod
    def rows(
        self, examples: Sequence[Example], tokenize: Tokenize, *, for_head: bool
    ) -> list[Rows]:
        """The rows of each example.

        Args:
            examples: The inputs.
            tokenize: How a checkpoint reads them; a task goes its own way.
            for_head: Whether the head will read them.

        Raises:
            InputError: An input cannot be read; the error has its place.
        """

    @abstractmethod
    def compute(self, rows: Sequence[Row]) -> HeadOutput:
        """What the head computes of rows, in one pass."""

    @abstractmethod
    def hidden(self, rows: Sequence[Row]) -> Tensor:
        """The last hidden states of rows, end to end. Shape: (N, D)."""

    @abstractmethod
    def save(self, folder: str) -> None:
        """Writes what a pipeline can be made from again."""
