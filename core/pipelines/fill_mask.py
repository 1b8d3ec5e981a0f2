"""The pipeline "fill-mask": the words behind masks.

Dimensions: N tokens of all rows, M masks, V token ids, K best tokens of a mask.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

import torch
from pydantic import Field
from torch import Tensor

from polyhead.batch import Row
from polyhead.contracts import HeadOutput
from polyhead.errors import ConfigError, InputError, shown
from polyhead.pipelines.base import Pipeline, Reading
from polyhead.pipelines.logits import finite
from polyhead.pipelines.options import PipelineOptions, TokenizerOptions, read_options
from polyhead.pipelines.reading import rows_of_texts, text_of
from polyhead.pipelines.source import Example, Rows

__all__ = ["FillMaskOptions", "FillMaskPipeline"]

_LOG = logging.getLogger(__name__)

Best = list[tuple[int, float]]
"""The best tokens of a mask by their ids, and their probabilities."""


class FillMaskOptions(PipelineOptions):
    """What filling masks can be asked for."""

    reading: ClassVar[frozenset[str]] = frozenset({"tokenizer_kwargs"})

    top_k: int = Field(default=5, gt=0, description="How many tokens for each mask.")
    targets: str | list[str] | None = Field(
        default=None,
        description="The tokens to choose from; of one that the vocabulary lacks, its first part.",
    )
    tokenizer_kwargs: dict[str, Any] = Field(
        default={}, description="Arguments of the tokenizer's call."
    )


@dataclass(frozen=True)
class _Call:
    """What a call asks for.

    Attributes:
        top_k: How many tokens for each mask.
        targets: The ids to choose from; None for all.
        tokenizer_arguments: Of the tokenizer's call.
    """

    top_k: int
    targets: list[int] | None
    tokenizer_arguments: Mapping[str, Any]


class _MaskedLM(Protocol):
    """What a masked language model's head offers."""

    def project(self, output: HeadOutput, places: Tensor) -> Tensor: ...


class FillMaskPipeline(Pipeline):
    """Words for the masks of texts.

    An input is a text that holds the mask token. The answer is a list of `{"score", "token",
    "token_str", "sequence"}`, the best first; for several masks it is such a list for each, whose
    sequences keep the other masks.

    Source: transformers.pipelines.fill_mask, version 5.23.
    """

    kind = "fill-mask"
    head_kinds = frozenset({"masked_lm"})
    model_class = "DistilBertForMaskedLM"
    Options = FillMaskOptions

    def _call(self, inputs: object, batch_size: int | None, given: Mapping[str, Any]) -> Any:
        answer = super()._call(inputs, batch_size, given)
        # as there: a list of one text has the answer of the text
        return answer[0] if isinstance(inputs, list) and len(inputs) == 1 else answer

    def _options(self, given: Mapping[str, Any]) -> _Call:
        options: FillMaskOptions = super()._options(given)
        read_options(TokenizerOptions, options.tokenizer_kwargs, "tokenizer_kwargs")
        if self._source.vocabulary.mask_id is None:
            raise ConfigError(
                f"the vocabulary of {self._source.name} has no mask token, so there is nothing to "
                "fill; a 'fill-mask' pipeline needs one that has it."
            )
        return _Call(options.top_k, self._targets(options), options.tokenizer_kwargs)

    def _example(self, item: object, options: _Call) -> Example:
        del options
        return {"text": text_of(item, "text", "give a list for several")}

    def _tokenized(self, tokenizer: Any, examples: Sequence[Example], options: _Call) -> list[Rows]:
        return rows_of_texts(
            tokenizer, examples, options.tokenizer_arguments, self._source.max_length
        )

    def _read(self, items: Sequence[object], options: _Call) -> list[Reading]:
        readings = super()._read(items, options)
        vocabulary = self._source.vocabulary
        for place, reading in enumerate(readings):
            if not any(vocabulary.mask_id in row.ids for row in reading.rows):
                raise InputError(
                    f"the text {shown(reading.example['text'])} has no {vocabulary.mask_token}, or "
                    "it was cut off; write it wherever a word is to be found.",
                    index=place,
                )
        return readings

    def _values(self, rows: Sequence[Row], options: _Call) -> Sequence[list[Best]]:
        """The best tokens for each mask of each row."""
        output = self._source.compute(rows)
        ids = [token for row in rows for token in row.ids]
        mask_id = self._source.vocabulary.mask_id
        places_M = [place for place, token in enumerate(ids) if token == mask_id]
        head = cast("_MaskedLM", self._source.head)
        logits_MV = finite(head.project(output, torch.tensor(places_M, dtype=torch.long)))
        best = iter(_best(logits_MV.softmax(dim=1), options))
        return [[next(best) for token in row.ids if token == mask_id] for row in rows]

    def _answer(self, reading: Reading, values: Sequence[list[Best]], options: _Call) -> list[Any]:
        del options
        answers = self._fillings(_whole(reading.rows), [best for own in values for best in own])
        return answers[0] if len(answers) == 1 else answers

    def _fillings(self, ids: Sequence[int], best: Sequence[Best]) -> list[list[dict[str, Any]]]:
        """For each mask its best tokens, each with the text that it makes."""
        vocabulary = self._source.vocabulary
        places = [place for place, token in enumerate(ids) if token == vocabulary.mask_id]
        keep_special = len(places) > 1  # the other masks would go, too

        def filling(place: int, token: int, score: float) -> dict[str, Any]:
            filled = [*ids[:place], token, *ids[place + 1 :]]
            shown_ids = [number for number in filled if number != vocabulary.pad_id]
            return {
                "score": score,
                "token": token,
                "token_str": vocabulary.spell([token], keep_special=True),
                "sequence": vocabulary.spell(shown_ids, keep_special=keep_special),
            }

        return [
            [filling(place, token, score) for token, score in own]
            for place, own in zip(places, best, strict=True)
        ]

    def _targets(self, options: FillMaskOptions) -> list[int] | None:
        """The ids to choose from, each once; None for all.

        Raises:
            ConfigError: None of the targets is a token or has one.
        """
        if options.targets is None:
            return None
        targets = [options.targets] if isinstance(options.targets, str) else options.targets
        found = {number for number in map(self._target, targets) if number is not None}
        if not found:
            raise ConfigError("targets has no token that the vocabulary knows; give one at least.")
        return sorted(found)

    def _target(self, target: str) -> int | None:
        vocabulary = self._source.vocabulary
        number = vocabulary.token_id(target)
        if number is not None:
            return number
        number = vocabulary.first_id(target)
        if number is None:
            _LOG.warning("the target %r has no token at all and is left out.", target)
        else:
            _LOG.warning(
                "the target %r is no token of the vocabulary; its first part, %r, stands for it.",
                target,
                vocabulary.token(number),
            )
        return number


def _best(probabilities_MV: Tensor, options: _Call) -> list[Best]:
    """The most probable tokens of each of M masks, best first."""
    targets = options.targets
    if targets is not None:
        probabilities_MV = probabilities_MV[:, targets]
    top = probabilities_MV.topk(min(options.top_k, probabilities_MV.shape[1]), dim=1)
    tokens_MK = top.indices if targets is None else torch.tensor(targets)[top.indices]
    pairs = zip(tokens_MK.tolist(), top.values.tolist(), strict=True)
    return [list(zip(tokens, scores, strict=True)) for tokens, scores in pairs]


def _whole(rows: Rows) -> list[int]:
    """The ids of a text that several rows cover one after the other, as if it were one row."""
    ids = list(rows[0].ids)
    for row in rows[1:]:
        ids[-1:] = row.ids[1:]
    return ids
