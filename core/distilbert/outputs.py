"""What calls return, under the names that transformers' documents give.

Dimensions: B rows, T tokens of a padded row, D width of the encoder, H attention heads, K labels, V
token ids, E examples, C choices of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, overload

from torch import Tensor

__all__ = [
    "BaseModelOutput",
    "CallOutput",
    "MaskedLMOutput",
    "MultipleChoiceModelOutput",
    "QuestionAnsweringModelOutput",
    "SequenceClassifierOutput",
    "TokenClassifierOutput",
]

Layers = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class CallOutput:
    """Base of all: values by attribute, by name and, without those that are None, by place.

    `output.logits`, `output["logits"]`, `output[0]` and `output[:2]` are all understood, and as in
    a dict, `in` and iteration speak of the names.
    """

    @overload
    def __getitem__(self, key: str | int) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, key: str | int | slice) -> Any:
        return dict(self.items())[key] if isinstance(key, str) else self.to_tuple()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def keys(self) -> list[str]:
        """The names of the values that are there."""
        return [name for name, _ in self.items()]

    def values(self) -> list[Any]:
        """The values that are there."""
        return [value for _, value in self.items()]

    def items(self) -> list[tuple[str, Any]]:
        """The names and values that are there."""
        found = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [(name, value) for name, value in found if value is not None]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of that name, or `default` where it is not there."""
        return dict(self.items()).get(name, default)

    def to_tuple(self) -> tuple[Any, ...]:
        """The values that are there, as `return_dict=False` gives them."""
        return tuple(self.values())


@dataclass(frozen=True, eq=False)
class BaseModelOutput(CallOutput):
    """What the bare encoder computes.

    Attributes:
        last_hidden_state: Of the last layer. Shape: (B, T, D).
        hidden_states: The embeddings and each layer's, where they were asked for, each (B, T, D).
        attentions: Each layer's attention weights, where they were asked for, each (B, H, T, T).
    """

    last_hidden_state: Tensor
    hidden_states: Layers | None = None
    attentions: Layers | None = None


@dataclass(frozen=True, eq=False)
class SequenceClassifierOutput(CallOutput):
    """What sequence classification computes.

    Attributes:
        loss: Where labels were given. Shape: ().
        logits: Before softmax or sigmoid; the values themselves in regression. Shape: (B, K).
        hidden_states: As in `BaseModelOutput`.
        attentions: As in `BaseModelOutput`.
    """

    loss: Tensor | None
    logits: Tensor
    hidden_states: Layers | None = None
    attentions: Layers | None = None


@dataclass(frozen=True, eq=False)
class TokenClassifierOutput(CallOutput):
    """What token classification computes.

    Attributes:
        loss: Where labels were given. Shape: ().
        logits: Before softmax. Shape: (B, T, K).
        hidden_states: As in `BaseModelOutput`.
        attentions: As in `BaseModelOutput`.
    """

    loss: Tensor | None
    logits: Tensor
    hidden_states: Layers | None = None
    attentions: Layers | None = None


@dataclass(frozen=True, eq=False)
class MaskedLMOutput(CallOutput):
    """What a masked language model computes.

    Attributes:
        loss: Where labels were given. Shape: ().
        logits: Before softmax. Shape: (B, T, V).
        hidden_states: As in `BaseModelOutput`.
        attentions: As in `BaseModelOutput`.
    """

    loss: Tensor | None
    logits: Tensor
    hidden_states: Layers | None = None
    attentions: Layers | None = None


@dataclass(frozen=True, eq=False)
class QuestionAnsweringModelOutput(CallOutput):
    """What extractive question answering computes.

    Attributes:
        loss: Where positions were given. Shape: ().
        start_logits: How well each token begins the answer, before softmax. Shape: (B, T).
        end_logits: How well each token ends it, before softmax. Shape: (B, T).
        hidden_states: As in `BaseModelOutput`.
        attentions: As in `BaseModelOutput`.
    """

    loss: Tensor | None
    start_logits: Tensor
    end_logits: Tensor
    hidden_states: Layers | None = None
    attentions: Layers | None = None


@dataclass(frozen=True, eq=False)
class MultipleChoiceModelOutput(CallOutput):
    """What multiple choice computes.

    Attributes:
        loss: Where labels were given. Shape: ().
        logits: Before the softmax over the choices. Shape: (E, C).
        hidden_states: As in `BaseModelOutput`, with a row for each choice, B = E * C.
        attentions: As in `BaseModelOutput`, likewise.
    """

    loss: Tensor | None
    logits: Tensor
    hidden_states: Layers | None = None
    attentions: Layers | None = None
