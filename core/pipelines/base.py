"""What all pipelines do alike: inputs in, batches through the model, answers out in order."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch

from polyhead.batch import Row
from polyhead.errors import ConfigError, InputError
from polyhead.model import BATCH_TOKENS
from polyhead.pipelines.inputs import chunks, read_inputs
from polyhead.pipelines.options import PipelineOptions, read_options
from polyhead.routing import token_batches

if TYPE_CHECKING:
    from polyhead.pipelines.source import Example, Rows, Source

__all__ = ["Pipeline", "Reading"]

_LIST_CHUNK: Final = 4096
"""Inputs of a list that are read together: enough to sort by length, few enough for memory."""
_STREAM_CHUNK: Final = 64
"""Inputs of a stream that are read together, where no `batch_size` is given."""


@dataclass(frozen=True)
class Reading:
    """One input, read.

    Attributes:
        example: The input as the fields of a head's example.
        rows: Its rows.
    """

    example: Example
    rows: Rows


class Pipeline(ABC):
    """Answers texts as the pipeline of that name in transformers does.

    One pipeline can be called from many threads. Rows are computed in batches of similar length,
    and a row's answer does not depend on what it is computed with.

    Attributes:
        kind: The task it is for.
        head_kinds: The kinds of heads whose tasks it is for.
        needs_head: Whether it asks a head at all.
        model_class: The class of the DistilBERT documents that it can ask.
        Options: What it can be asked for, when it is made and in each call.
        input_names: The fields of an input, where it is a mapping; the first is always there.
        task: The name it was made under.
    """

    kind: ClassVar[str]
    head_kinds: ClassVar[frozenset[str]]
    needs_head: ClassVar[bool] = True
    model_class: ClassVar[str]
    Options: ClassVar[type[PipelineOptions]]
    input_names: ClassVar[tuple[str, ...]] = ("text",)
    task: str

    def __init__(
        self,
        source: Source,
        *,
        task: str | None = None,
        batch_size: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Makes a pipeline; `pipeline(...)` is the usual way.

        Args:
            source: What answers.
            task: The name to show; `kind` when None.
            batch_size: How many rows are computed at once, and how many inputs of a stream are
                read at once. When None, as many rows as make good use of a processor.
            options: What calls ask for unless they say otherwise.

        Raises:
            ConfigError: An option is unknown or out of range.
        """
        self._source = source
        self.task = task or self.kind
        self._batch_size = _checked_size(batch_size)
        self._given = dict(options or {})
        self._options({})

    @property
    def model(self) -> Any:
        """The model that answers."""
        return self._source.model

    @property
    def tokenizer(self) -> Any:
        """The tokenizer that reads texts."""
        return self._source.tokenizer

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._source.device

    @property
    def dtype(self) -> torch.dtype:
        """What it computes with."""
        return self._source.dtype

    def __repr__(self) -> str:
        fields = {
            "task": self.task,
            "model": type(self.model).__name__,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
        }
        return f"{type(self).__name__}: {json.dumps(fields)}"

    def __call__(
        self,
        inputs: Any,
        *,
        batch_size: int | None = None,
        num_workers: int | None = None,
        **options: Any,
    ) -> Any:
        """Answers inputs.

        Args:
            inputs: One input, a list, or anything to iterate over.
            batch_size: For this call, in place of the pipeline's.
            num_workers: Accepted as transformers does, and of no effect.
            options: For this call, beside the pipeline's; see `Options`.

        Returns:
            One answer, a list of them, or for what is neither one input nor a list, an iterator,
            which reads inputs as answers are asked for.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: An input cannot be read.
        """
        del num_workers
        return self._call(inputs, batch_size, options)

    def predict(self, X: Any) -> Any:
        """A call, by its name in scikit-learn."""
        return self(X)

    def transform(self, X: Any) -> Any:
        """A call, by another name in scikit-learn."""
        return self(X)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Writes the model and its tokenizer, or the task, to a folder that makes the pipeline.

        Raises:
            WriteError: It could not be written.
        """
        self._source.save(str(save_directory))

    @abstractmethod
    def _example(self, item: object, options: Any) -> Example:
        """The fields of a head's example that an input stands for.

        Raises:
            InputError: The input is of the wrong form.
        """

    @abstractmethod
    def _tokenized(self, tokenizer: Any, examples: Sequence[Example], options: Any) -> list[Rows]:
        """The rows of each example, read by a checkpoint's tokenizer."""

    @abstractmethod
    def _values(self, rows: Sequence[Row], options: Any) -> Sequence[Any]:
        """What the model computes of the rows of one batch: a value each."""

    @abstractmethod
    def _answer(self, reading: Reading, values: Sequence[Any], options: Any) -> Any:
        """The answer to one input.

        Args:
            reading: The input.
            values: What was computed of each of its rows.
            options: Of the call.
        """

    def _call(self, inputs: object, batch_size: int | None, given: Mapping[str, Any]) -> Any:
        """The answer in the form of the inputs."""
        size = self._batch_size if batch_size is None else _checked_size(batch_size)
        options = self._options(given)
        self._check_mode()
        found = read_inputs(inputs)
        if found.form == "stream":
            return self._stream(found.items, size or _STREAM_CHUNK, size, options)
        if found.form == "list":
            return list(self._stream(found.items, max(size or 0, _LIST_CHUNK), size, options))
        try:
            [answer] = self._answers(list(found.items), size, options)
        except InputError as error:
            raise InputError(error.reason) from None  # it needs no place among others
        return answer

    def _options(self, given: Mapping[str, Any]) -> Any:
        """The options of a call: its own, then the pipeline's, then those the source was made for.

        Raises:
            ConfigError: One is unknown, out of range, or not to be changed.
        """
        mine = {**self._given, **given}
        what = f"a {self.kind!r} pipeline"
        if self._source.is_task:
            fixed = sorted(self.Options.reading & mine.keys())
            if fixed:
                raise ConfigError(
                    f"{self._source.name} reads texts as it was trained to, so {what} on it takes "
                    f"no {fixed[0]!r}; leave it out."
                )
        known = self.Options.model_fields
        own = {name: value for name, value in self._source.defaults.items() if name in known}
        return read_options(self.Options, {**own, **mine}, what)

    def _check_mode(self) -> None:
        if self._source.is_training:
            raise InputError(
                f"{self._source.name} is in training mode, where dropout makes answers random; "
                "call model.eval() first."
            )

    def _stream(
        self, items: Iterable[object], chunk_size: int, batch_size: int | None, options: Any
    ) -> Iterator[Any]:
        start = 0
        for chunk in chunks(items, chunk_size):
            try:
                answers = self._answers(chunk, batch_size, options)
            except InputError as error:
                place = None if error.index is None else start + error.index
                raise InputError(error.reason, index=place) from None
            yield from answers
            start += len(chunk)

    def _answers(self, items: Sequence[object], batch_size: int | None, options: Any) -> list[Any]:
        readings = self._read(items, options)
        rows = [row for reading in readings for row in reading.rows]
        values = self._computed(rows, batch_size, options)
        bounds = pairwise(accumulate((len(reading.rows) for reading in readings), initial=0))
        answers = []
        for place, (reading, (start, stop)) in enumerate(zip(readings, bounds, strict=True)):
            try:
                answers.append(self._answer(reading, values[start:stop], options))
            except InputError as error:
                raise InputError(error.reason, index=place) from None
        return answers

    def _read(self, items: Sequence[object], options: Any) -> list[Reading]:
        examples = []
        for place, item in enumerate(items):
            try:
                examples.append(self._example(item, options))
            except InputError as error:
                raise InputError(error.reason, index=place) from None
        if not examples:
            return []

        def tokenize(tokenizer: Any, examples: Sequence[Example]) -> list[Rows]:
            return self._tokenized(tokenizer, examples, options)

        rows = self._source.rows(examples, tokenize, for_head=self.needs_head)
        for place, own in enumerate(rows):
            self._check_lengths(own, place)
        return [Reading(*pair) for pair in zip(examples, rows, strict=True)]

    def _check_lengths(self, rows: Rows, place: int) -> None:
        if not all(len(row) for row in rows):
            raise InputError("the text has no tokens at all.", index=place)
        longest, most = max(len(row) for row in rows), self._source.max_positions
        if longest > most:
            raise InputError(
                f"the text has {longest} tokens and this model reads {most} at most; shorten it, "
                f"or have it cut with truncation=True, max_length={most} where the pipeline takes "
                "these.",
                index=place,
            )

    def _computed(self, rows: Sequence[Row], batch_size: int | None, options: Any) -> list[Any]:
        """The value of each row, computed in batches of similar length."""
        values: list[Any] = [None] * len(rows)
        for places in _batches([len(row) for row in rows], batch_size):
            with torch.inference_mode():
                found = self._values([rows[place] for place in places], options)
            for place, value in zip(places, found, strict=True):
                values[place] = value
        return values


def _batches(lengths: Sequence[int], size: int | None) -> list[list[int]]:
    if size is None:
        return token_batches(lengths, BATCH_TOKENS)
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    return [order[start : start + size] for start in range(0, len(order), size)]


def _checked_size(size: object) -> int | None:
    if size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 1):
        return size
    raise ConfigError(f"batch_size must be a whole number from 1 on, not {size!r}.")
