"""Answers of a task that was trained here: a head and its adapter on a frozen encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from polyhead.batch import Row
from polyhead.contracts import Adapter, Head, HeadOutput, Tokenizer
from polyhead.errors import InputError
from polyhead.model import HeadCall, ModelOutput
from polyhead.pipelines.source import Example, Rows, Source, Tokenize

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads, Task

__all__ = ["TaskSource", "TaskVocabulary"]

_PROBLEM_TYPES: Final = {
    "classification": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regression": "regression",
}
_OPTIONS: Final = {
    "question_answering": {
        "max_answer_len": "max_answer_length",
        "handle_impossible_answer": "null_answers",
        "align_to_words": "align_to_words",
    }
}
"""For each kind of head the options that its configuration decides, and the fields of it."""


class TaskSource(Source):
    """A model with heads and one of its tasks; without a task, its bare encoder."""

    is_task = True

    def __init__(self, model: DistilBertModelWithHeads, task: Task | None) -> None:
        """Puts them together.

        Args:
            model: It is not changed.
            task: One of its tasks, or None.

        Raises:
            InputError: The model has no tokenizer.
        """
        if model.tokenizer is None:
            raise InputError(
                f"the backbone {model.backbone.name!r} came without a tokenizer, and pipelines "
                "read texts."
            )
        self.model = model
        self.tokenizer = model.tokenizer
        self.name = "the bare encoder" if task is None else f"the task {task.name!r}"
        self._model = model
        self._task = task
        self._tokenizer = model.tokenizer if task is None else model.text_tokenizer(task)

    @property
    def head(self) -> Head | None:
        """The task's."""
        return None if self._task is None else self._model.heads[self._task.head]

    @property
    def adapters(self) -> Sequence[Adapter]:
        """Those that act on the task's rows; none for the bare encoder."""
        setup = None if self._task is None else self._task.adapter
        return tuple(self._model.adapters_of(setup).values())

    @property
    def vocabulary(self) -> TaskVocabulary:
        """The backbone's."""
        return TaskVocabulary(self._tokenizer)

    @property
    def labels(self) -> Sequence[str]:
        """The labels of the head's configuration, or its outputs in regression."""
        config: Any = None if self.head is None else self.head.config
        names: Sequence[str] | None = getattr(config, "labels", None)
        return getattr(config, "outputs", ()) if names is None else names

    @property
    def problem_type(self) -> str | None:
        """By the kind of head."""
        return None if self.head is None else _PROBLEM_TYPES.get(self.head.kind)

    @property
    def max_length(self) -> int:
        """As the task's text settings say."""
        return min(self._tokenizer.settings.max_length, self.max_positions)

    @property
    def max_positions(self) -> int:
        """As many as the backbone has positions."""
        return self._model.shape.max_positions

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self._model.device

    @property
    def dtype(self) -> torch.dtype:
        """The encoder's type."""
        return self._model.dtype

    @property
    def is_training(self) -> bool:
        """Whether the head or the adapter is in training mode."""
        return any(part.training for part in (self.head, *self.adapters) if part is not None)

    @property
    def defaults(self) -> Mapping[str, Any]:
        """What the head's configuration decides."""
        if self.head is None:
            return {}
        names = _OPTIONS.get(self.head.kind, {})
        return {option: getattr(self.head.config, field) for option, field in names.items()}

    def rows(
        self, examples: Sequence[Example], tokenize: Tokenize, *, for_head: bool
    ) -> list[Rows]:
        """The rows that the head makes of the examples, as in training."""
        del tokenize
        if not for_head or self.head is None:
            return [(row,) for row in self._tokenizer.rows([item["text"] for item in examples])]
        head = self.head
        encoded = head.encode([head.parse(example) for example in examples], self._tokenizer)
        return [item.rows for item in encoded]

    def compute(self, rows: Sequence[Row]) -> HeadOutput:
        """What the head computes of rows."""
        if self._task is None:
            raise TypeError("a bare encoder has no head")
        adapters = (self._task.adapter,) * len(rows)
        [output] = self._model.compute([HeadCall(self._task.head, tuple(rows), adapters)])
        return output

    def hidden(self, rows: Sequence[Row]) -> Tensor:
        """The last hidden states of rows under the task's adapter. Shape: (N, D)."""
        longest = max(len(row) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row.ids)
            mask[number, : len(row)] = 1
        adapter = None if self._task is None else self._task.adapter
        output: ModelOutput = self._model(ids, mask, head=None, adapter_names=adapter)
        return output.last_hidden_state[mask.bool().to(self.device)]

    def save(self, folder: str) -> None:
        """Writes the task's folder."""
        if self._task is None:
            raise InputError("a bare encoder is saved by its checkpoint, not by a pipeline.")
        self._model.save_task(self._task.name, folder)


class TaskVocabulary:
    """The tokens of a backbone."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Wraps its tokenizer.

        Args:
            tokenizer: It is only read.
        """
        self._tokenizer = tokenizer
        self.unk_id = tokenizer.unk_id
        self.mask_id = tokenizer.mask_id
        self.pad_id = tokenizer.pad_id
        self.mask_token = None if self.mask_id is None else tokenizer.token(self.mask_id)

    def token(self, number: int) -> str:
        """The token of an id."""
        return self._tokenizer.token(number)

    def token_id(self, token: str) -> int | None:
        """The id of a token, or None where the vocabulary does not have it."""
        return self._tokenizer.token_id(token)

    def first_id(self, text: str) -> int | None:
        """The id of a text's first token, or None where it has no token."""
        try:
            [row] = self._tokenizer.rows([text])
        except InputError:
            return None
        return row.ids[1]  # behind [CLS]

    def spell(self, ids: Sequence[int], *, keep_special: bool) -> str:
        """The text that ids stand for."""
        return self._tokenizer.decode(ids, keep_special=keep_special)
