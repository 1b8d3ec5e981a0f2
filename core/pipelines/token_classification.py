"""The pipeline "token-classification": entities, parts of speech.

Dimensions: N tokens of all rows, K labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Protocol, cast

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from polyhead.batch import Row
from polyhead.contracts import Encoded, Head
from polyhead.errors import ConfigError, InputError
from polyhead.pipelines.base import Pipeline, Reading
from polyhead.pipelines.logits import finite_logits
from polyhead.pipelines.options import PipelineOptions
from polyhead.pipelines.reading import row_of, text_of
from polyhead.pipelines.source import Example, Rows, Vocabulary
from polyhead.pipelines.token_overlap import Found, without_overlap

__all__ = ["Strategy", "TokenClassificationOptions", "TokenClassificationPipeline"]

Strategy = Literal["none", "simple", "first", "average", "max"]

_HINT = "for texts split into words say is_split_into_words=True"


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class TokenClassificationOptions(PipelineOptions):
    """What a token classification can be asked for."""

    reading: ClassVar[frozenset[str]] = frozenset({"stride", "delimiter"})

    aggregation_strategy: Annotated[Strategy, BeforeValidator(_lower)] = Field(
        default="none",
        description="How sub-words are taken together: 'none', 'simple' (neighbours of one type), "
        "or words, by their 'first' sub-word, the 'average' or the 'max'.",
    )
    ignore_labels: list[str] = Field(
        default=["O"], description="Labels that are left out of the answer."
    )
    stride: int | None = Field(
        default=None,
        ge=0,
        description="Reads a text that is too long in several windows, each of which shares that "
        "many tokens with the one before; without it, such a text is cut.",
    )
    is_split_into_words: bool = Field(
        default=False, description="Whether texts are lists of words."
    )
    delimiter: str | None = Field(
        default=None,
        description="What stands between words in the text that characters are counted in; a space "
        "when None.",
    )
    grouped_entities: bool | None = Field(
        default=None, description="Old name of aggregation_strategy 'simple'."
    )
    ignore_subwords: bool | None = Field(
        default=None, description="With grouped_entities, the strategy 'first'."
    )

    @property
    def strategy(self) -> Strategy:
        """How sub-words are taken together, whichever name it was given under."""
        if self.grouped_entities is None and self.ignore_subwords is None:
            return self.aggregation_strategy
        if not self.grouped_entities:
            return "none"
        return "first" if self.ignore_subwords else "simple"


class _Tagger(Protocol):
    """What a tagging head offers."""

    def groups(
        self,
        output: Tensor,
        encoded: Sequence[Encoded],
        tokenizer: Vocabulary,
        strategy: Strategy = "none",
        ignored: Collection[str] = (),
    ) -> list[list[Found]]: ...


class TokenClassificationPipeline(Pipeline):
    """Labels of the tokens or words of texts.

    An input is a text, or with `is_split_into_words` a list of words. The answer is a list of
    `{"entity", "score", "index", "word", "start", "end"}`, or of `{"entity_group", "score", "word",
    "start", "end"}` under an aggregation strategy.

    Source: transformers.pipelines.token_classification, version 5.23.
    """

    kind = "token-classification"
    head_kinds = frozenset({"tagging"})
    model_class = "DistilBertForTokenClassification"
    Options = TokenClassificationOptions

    def _call(self, inputs: object, batch_size: int | None, given: Mapping[str, Any]) -> Any:
        options = self._options(given)
        is_text_of_words = (
            isinstance(inputs, list | tuple)
            and bool(inputs)
            and not any(isinstance(item, list | tuple) for item in inputs)
        )
        if options.is_split_into_words and is_text_of_words:
            inputs = [inputs]
        return super()._call(inputs, batch_size, given)

    def _options(self, given: Mapping[str, Any]) -> TokenClassificationOptions:
        options: TokenClassificationOptions = super()._options(given)
        if options.stride is not None:
            if options.stride >= self._source.max_length:
                raise ConfigError(
                    f"stride={options.stride} must be less than the {self._source.max_length} "
                    "tokens of a window."
                )
            if options.has("aggregation_strategy") and options.strategy == "none":
                raise ConfigError(
                    "stride needs an aggregation_strategy other than 'none', which joins what the "
                    "windows share."
                )
        return options

    def _example(self, item: object, options: TokenClassificationOptions) -> Example:
        if not options.is_split_into_words:
            return {"text": text_of(item, "text", _HINT)}
        if not isinstance(item, list | tuple) or not all(isinstance(word, str) for word in item):
            raise InputError("with is_split_into_words=True a text is a list of words.")
        if not item:
            raise InputError("the list of words is empty.")
        return {"tokens": list(item)}

    def _tokenized(
        self, tokenizer: Any, examples: Sequence[Example], options: TokenClassificationOptions
    ) -> list[Rows]:
        is_split = options.is_split_into_words
        found = tokenizer(
            [example["tokens" if is_split else "text"] for example in examples],
            truncation=True,
            max_length=self._source.max_length,
            stride=options.stride or 0,
            return_overflowing_tokens=options.stride is not None,
            is_split_into_words=is_split,
        )
        rows: list[list[Row]] = [[] for _ in examples]
        samples = found.get("overflow_to_sample_mapping", range(len(examples)))
        for encoding, place in zip(found.encodings, samples, strict=True):
            row: Row = row_of(encoding)
            if is_split:
                row = _counted_in_text(row, examples[place]["tokens"], options.delimiter)
            rows[place].append(row)
        return [tuple(own) for own in rows]

    def _values(self, rows: Sequence[Row], options: TokenClassificationOptions) -> Sequence[Tensor]:
        del options
        logits_NK = finite_logits(self._source.compute(rows))
        return torch.split(logits_NK, [len(row) for row in rows])

    def _answer(
        self, reading: Reading, values: Sequence[Tensor], options: TokenClassificationOptions
    ) -> list[Found]:
        head = self._tagger()
        example = head.parse(_as_text(reading.example, options.delimiter))
        # a task's windows are of one text, each of whose tokens one window answers
        texts = [reading.rows] if self._source.is_task else [(row,) for row in reading.rows]
        groups = cast("_Tagger", head).groups(
            torch.cat(list(values)),
            [Encoded(example, rows) for rows in texts],
            self._source.vocabulary,
            options.strategy,
            options.ignore_labels,
        )
        found = [group for own in groups for group in own]
        return found if len(texts) == 1 else without_overlap(found)

    def _tagger(self) -> Head:
        """The head, with the names that its labels have now."""
        head, labels = cast("Head", self._source.head), tuple(self._source.labels)
        if getattr(head.config, "labels", labels) == labels:
            return head
        head = copy(head)  # it shares the weights
        head.config = head.config.model_copy(update={"labels": labels})
        return head


def _as_text(example: Example, delimiter: str | None) -> Example:
    if "text" in example:
        return example
    return {"text": (" " if delimiter is None else delimiter).join(example["tokens"])}


def _counted_in_text(row: Row, words: Sequence[str], delimiter: str | None) -> Row:
    """The row with offsets that count characters of the joined words, not of each."""
    gap = len(" " if delimiter is None else delimiter)
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word) + gap)
    offsets = tuple(
        (left, right) if word < 0 else (starts[word] + left, starts[word] + right)
        for (left, right), word in zip(row.offsets or (), row.words or (), strict=True)
    )
    return replace(row, offsets=offsets)
