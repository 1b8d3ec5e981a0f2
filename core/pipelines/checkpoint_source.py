"""Answers of a model of the DistilBERT documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from polyhead.batch import Hidden, Row
from polyhead.contracts import Head, HeadOutput
from polyhead.pipelines.source import Example, Rows, Source, Tokenize
from polyhead.routing import Plan, Route

if TYPE_CHECKING:
    from polyhead.distilbert import DistilBertPreTrainedModel
    from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer

__all__ = ["CheckpointSource", "CheckpointVocabulary"]


class CheckpointSource(Source):
    """A model of the DistilBERT documents and its tokenizer."""

    is_task = False

    def __init__(self, model: DistilBertPreTrainedModel, tokenizer: DistilBertTokenizer) -> None:
        """Puts them together.

        Args:
            model: It is not changed.
            tokenizer: Likewise.
        """
        self.model = model
        self.tokenizer = tokenizer
        self.name = f"the {type(model).__name__}"
        self._model = model

    @property
    def head(self) -> Head | None:
        """The head of a `DistilBertFor...`; None for a `DistilBertModel`."""
        return cast("Head | None", getattr(self._model, "head", None))

    @property
    def vocabulary(self) -> CheckpointVocabulary:
        """The tokenizer's."""
        return CheckpointVocabulary(self.tokenizer)

    @property
    def labels(self) -> Sequence[str]:
        """As the model's configuration names them now."""
        names = self._model.config.id2label
        return [names.get(number, f"LABEL_{number}") for number in range(len(names))]

    @property
    def problem_type(self) -> str | None:
        """As the model's configuration says."""
        return self._model.config.problem_type

    @property
    def max_length(self) -> int:
        """What the tokenizer says, or what the model can read where that is less."""
        return min(int(self.tokenizer.model_max_length), self.max_positions)

    @property
    def max_positions(self) -> int:
        """As many as there are position embeddings."""
        return self._model.config.max_position_embeddings

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self._model.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type."""
        return self._model.dtype

    @property
    def is_training(self) -> bool:
        """Whether the model is in training mode."""
        return self._model.training

    def rows(
        self, examples: Sequence[Example], tokenize: Tokenize, *, for_head: bool
    ) -> list[Rows]:
        """What `tokenize` makes of the examples."""
        del for_head
        return tokenize(self.tokenizer, examples)

    def compute(self, rows: Sequence[Row]) -> HeadOutput:
        """What the head computes of rows, packed: there is no padding."""
        if self.head is None:
            raise TypeError(f"{self.name} has no head")
        return cast("HeadOutput", self.head(self._encoded(rows)))

    def hidden(self, rows: Sequence[Row]) -> Tensor:
        """The last hidden states of rows. Shape: (N, D)."""
        return self._encoded(rows).tokens

    def save(self, folder: str) -> None:
        """Writes a checkpoint with its tokenizer."""
        self._model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _encoded(self, rows: Sequence[Row]) -> Hidden:
        plan = Plan.of(rows, [None] * len(rows))
        output = self._model.base_model.encoder(plan.packed(self.device), Route(plan, {}))
        # a masked language model may have an output matrix of its own
        projector = self._model.get_output_embeddings() or self._model.get_input_embeddings()
        return Hidden(output.last, plan.packing, plan.place, word_embeddings=projector.weight)


class CheckpointVocabulary:
    """The tokens of a `DistilBertTokenizer`."""

    def __init__(self, tokenizer: DistilBertTokenizer) -> None:
        """Wraps it.

        Args:
            tokenizer: It is only read.
        """
        self._tokenizer = tokenizer
        self.unk_id = -1 if tokenizer.unk_token_id is None else tokenizer.unk_token_id
        self.mask_id = tokenizer.mask_token_id
        self.pad_id = tokenizer.pad_token_id
        self.mask_token = tokenizer.mask_token

    def token(self, number: int) -> str:
        """The token of an id; nothing for an id that has none."""
        return self._tokenizer.convert_ids_to_tokens(number) or ""

    def token_id(self, token: str) -> int | None:
        """The id of a token, or None where the vocabulary does not have it."""
        if token not in self._tokenizer:
            return None
        return self._tokenizer.convert_tokens_to_ids(token)

    def first_id(self, text: str) -> int | None:
        """The id of a text's first token, or None where it has no token."""
        ids = self._tokenizer.encode(text, add_special_tokens=False, verbose=False)
        return int(ids[0]) if ids else None

    def spell(self, ids: Sequence[int], *, keep_special: bool) -> str:
        """The text that ids stand for."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=not keep_special))
