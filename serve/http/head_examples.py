"""An example of each kind of head: a request, and what a head of that kind really answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from polyhead.contracts import sample_of
from polyhead.encoder import DistilBertConfig
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.contracts import Head, HeadConfig

__all__ = ["HeadExample", "head_examples"]

_OPTIONS: Final[tuple[Mapping[str, Any], ...]] = (
    {},
    {"labels": ("negative", "positive")},
    {"labels": ("O", "B-PLACE", "I-PLACE")},
)
"""Some of these make a config of a kind that nothing else is known of."""


@dataclass(frozen=True)
class HeadExample:
    """What a task of some kind is asked and answers.

    Attributes:
        kind: The kind of head.
        example: The fields of an example.
        answer: Of a head with random weights; None where none could be made.
        n_tokens: Of the example.
    """

    kind: str
    example: dict[str, Any]
    answer: dict[str, Any] | None = None
    n_tokens: int = 0

    @property
    def task(self) -> str:
        """A name for a task of that kind."""
        return f"my-{self.kind.replace('_', '-')}"[:64]

    def request(self, is_one: bool) -> dict[str, Any]:
        """A body that asks it, at the route of one task or of several."""
        inputs = [self.example]
        return {"inputs": inputs} if is_one else {"task": self.task, "inputs": inputs}

    @property
    def reply(self) -> dict[str, Any] | None:
        """The body of the response to that."""
        if self.answer is None:
            return None
        return {
            "results": [{"answers": {self.task: self.answer}, "errors": {}}],
            "tasks": {self.task: {"version": "0123456789ab"}},
            "usage": {"n_tokens": self.n_tokens},
        }


def head_examples(model: DistilBertModelWithHeads) -> list[HeadExample]:
    """One example of each kind that is installed.

    Args:
        model: Its tokenizer reads the examples; nothing else of it is used.
    """
    return [_example_of(kind, model) for kind in registry().head_kinds()]


def _example_of(kind: str, model: DistilBertModelWithHeads) -> HeadExample:
    head = registry().head(kind)
    fields = sample_of(head.Example)
    for config in _configs(head):
        try:
            tiny = _tiny(model)
            tiny.add_task("one", head=config)
            [question] = tiny.questions({"one": [fields]})
            [answer] = tiny.answer([question], private=True)["one"]
        except Exception:  # noqa: BLE001, S112 - a plug-in's head may raise anything
            continue
        n_tokens = sum(item.n_tokens for item in question.encoded)
        return HeadExample(kind, fields, answer.model_dump(mode="json"), n_tokens)
    return HeadExample(kind, fields)


def _configs(head: type[Head]) -> Iterator[HeadConfig]:
    for options in _OPTIONS:
        try:
            yield head.Config(**options)
        except Exception:  # noqa: BLE001, S112 - as above
            continue


def _tiny(model: DistilBertModelWithHeads) -> DistilBertModelWithHeads:
    """A model of a few thousand weights beside its vocabulary, on the CPU."""
    tokenizer = model.tokenizer
    config = DistilBertConfig(
        vocab_size=1 if tokenizer is None else tokenizer.vocab_size,
        dim=8,
        n_heads=2,
        n_layers=1,
        hidden_dim=16,
        max_position_embeddings=512,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DistilBertModelWithHeads.from_config(config, tokenizer)
