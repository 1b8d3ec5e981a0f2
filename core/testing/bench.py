"""A tiny model with the class under test in one of its tasks, beside foreign adapters and heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from polyhead.batch import Hidden, Packed
from polyhead.contracts import (
    Adapter,
    AdapterConfig,
    Encoded,
    Example,
    FusingAdapter,
    Head,
    HeadConfig,
    HeadOutput,
    LayerTaps,
    Prediction,
    TextSettings,
    targets_of,
    validate_config,
)
from polyhead.model import DistilBertModelWithHeads, HeadCall, Task
from polyhead.registry import registry
from polyhead.testing.noise import shaken
from polyhead.testing.tiny_model import tiny_model
from polyhead.train import seeded

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LONGER", "OTHER", "SPARE", "SUBJECT", "Bench", "make_bench", "plain_head"]

SUBJECT: Final = "subject"
"""The task with the class under test; its head and adapter have that name too."""

OTHER: Final = "other"
"""A task that has nothing to do with it."""

SPARE: Final = "spare"
"""An adapter that no task uses."""

LONGER: Final = "longer"
"""Another one, which puts a prompt into each row, and keys and values in front of its own."""

_LONGER: Final = "prompt_tuning[prompt_length=3]|prefix_tuning_flat[prefix_length=2]"


@dataclass(frozen=True)
class Bench:
    """What one check works on.

    Attributes:
        model: It has the tasks `SUBJECT` and `OTHER` and the adapters `SPARE` and `LONGER`, no
            weight fresh.
        module: The head or adapter under test.
        examples: Labelled examples of the subject's head.
        questions: Examples that its head can answer.
    """

    model: DistilBertModelWithHeads
    module: Head | Adapter
    examples: Sequence[Example]
    questions: Sequence[Example]

    @property
    def task(self) -> Task:
        """The task with the class under test."""
        return self.model.task(SUBJECT)

    @property
    def head(self) -> Head:
        """The subject's head."""
        return self.model.heads[SUBJECT]

    @property
    def adapter(self) -> Adapter:
        """The subject's adapter."""
        return self.model.adapters[SUBJECT]

    def taps(self, layer: int) -> LayerTaps:
        """Where the subject's adapter acts in `layer`: a fusing one, over what it fuses."""
        adapter = self.adapter
        if isinstance(adapter, FusingAdapter):
            parts = [self.model.adapters[name].taps(layer) for name in adapter.fused]
            return adapter.taps_over(layer, parts)
        return adapter.taps(layer)

    def encoded(self, examples: Sequence[Example]) -> list[Encoded]:
        """Examples as the subject's head reads them."""
        return self.head.encode(examples, self.model.text_tokenizer(self.task))

    def lesson(self) -> Sequence[Encoded]:
        """The labelled examples as a training step computes them, always the same."""
        return self.head.draw(self.encoded(self.examples), torch.Generator().manual_seed(0))

    def compute(self, encoded: Sequence[Encoded]) -> HeadOutput:
        """The output of the subject's head for these alone."""
        return self.model.compute([HeadCall.of(self.task, encoded)])[0]

    def loss(self, encoded: Sequence[Encoded]) -> Tensor:
        """The subject's loss on labelled examples. Shape: ()."""
        return self.head.loss(self.compute(encoded), targets_of(encoded).to(self.model.device))

    def answers(self, questions: Sequence[Example] | None = None) -> list[Prediction]:
        """What the subject's task answers to `questions`, by default to all there are."""
        return self.model.predict(
            list(self.questions if questions is None else questions), task=SUBJECT
        )

    def states(self, adapter: str | None) -> Tensor:
        """The last hidden states of all questions, each alone, under an adapter. Shape: (N, D)."""
        rows = [row for item in self.encoded(self.questions) for row in item.rows]
        with torch.inference_mode():
            states = [
                self.model(
                    torch.tensor([row.ids]), adapter_names=adapter, head=None
                ).last_hidden_state
                for row in rows
            ]
        return torch.cat(states, dim=1)[0]

    def hidden(
        self, encoded: Sequence[Encoded], change: Callable[[Tensor], Tensor] = lambda values: values
    ) -> Hidden:
        """What the bare encoder makes of examples, as the subject's head gets it.

        Args:
            encoded: The examples.
            change: What becomes of the hidden states of each layer. Shape: (N, D) -> (N, D).
        """
        packed = Packed.of([row for item in encoded for row in item.rows], self.model.device)
        layers = self.model.encoder(packed, keep_layers=True).layers or ()
        layers = tuple(change(layer) for layer in layers)
        embeddings = self.model.encoder.word_embeddings.weight
        hidden = Hidden(
            batch=layers[-1],
            batch_packing=packed.packing,
            index=tuple(range(packed.packing.n_rows)),
            batch_layers=layers if self.head.keeps_layers else None,
            row_counts=tuple(len(item.rows) for item in encoded),
            word_embeddings=embeddings.to(layers[-1].device),
        )
        return self.head.select(hidden)


def make_bench(
    head: HeadConfig,
    adapter: str | AdapterConfig | None,
    *,
    is_head: bool,
    examples: Sequence[Example],
    questions: Sequence[Example],
    text: TextSettings | None = None,
    model: DistilBertModelWithHeads | None = None,
) -> Bench:
    """A model with the subject and foreign parts.

    Args:
        head: Of the subject's task.
        adapter: Likewise.
        is_head: Whether it is the head that is under test, and not the adapter.
        examples: Labelled examples of the subject's head.
        questions: Examples that its head can answer.
        text: How the subject's texts are read; as its head recommends when None.
        model: What gets the parts; `tiny_model()` when None.
    """
    model = tiny_model() if model is None else model
    with seeded(0):
        model.add_task(SUBJECT, head=head, adapter=adapter, text=text)
        model.add_task(OTHER, head=plain_head(), adapter="double_seq_bn")
        model.add_adapter(SPARE, "par_bn")
        model.add_adapter(LONGER, _LONGER)
    for number, part in enumerate((*model.heads.values(), *model.adapters.values())):
        shaken(part, seed=number)
    module = model.heads[SUBJECT] if is_head else model.adapters[SUBJECT]
    return Bench(model, module, examples, questions)


def plain_head(**fields: object) -> HeadConfig:
    """The configuration of a built-in head that tells "no" from "yes", with further fields."""
    # by its kind: the kit knows no head by name, as little as the rest of the core
    kind = registry().head("classification")
    options = {"labels": ("no", "yes"), **fields}
    return validate_config(kind.Config, options, "head kind 'classification'")
