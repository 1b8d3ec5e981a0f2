"""The pipeline "feature-extraction": the hidden states of texts.

Dimensions: T tokens of a text, D width of the encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from polyhead.batch import Row
from polyhead.errors import ConfigError
from polyhead.pipelines.base import Pipeline, Reading
from polyhead.pipelines.options import PipelineOptions, TokenizerOptions, read_options
from polyhead.pipelines.reading import PaddedRow, rows_of_texts, text_of
from polyhead.pipelines.source import Example, Rows

__all__ = ["FeatureExtractionOptions", "FeatureExtractionPipeline"]


class FeatureExtractionOptions(PipelineOptions):
    """What a feature extraction can be asked for."""

    reading: ClassVar[frozenset[str]] = frozenset({"truncation", "tokenize_kwargs"})

    return_tensors: bool = Field(
        default=False, description="Whether answers are tensors, not nested lists."
    )
    truncation: Any = Field(default=None, description="Whether texts that are too long are cut.")
    tokenize_kwargs: dict[str, Any] = Field(
        default={}, description="Arguments of the tokenizer's call."
    )


class FeatureExtractionPipeline(Pipeline):
    """The last hidden states of texts.

    An input is a text. The answer is a nested list of shape (1, T, D), or a tensor of that shape
    with `return_tensors`; where padding is asked for, its places are zeros. A task answers with
    what its adapter makes of the text, whatever its head.

    Source: transformers.pipelines.feature_extraction, version 5.23.
    """

    kind = "feature-extraction"
    head_kinds = frozenset({"embedding"})
    needs_head = False
    model_class = "DistilBertModel"
    Options = FeatureExtractionOptions

    def _options(self, given: Mapping[str, Any]) -> FeatureExtractionOptions:
        options: FeatureExtractionOptions = super()._options(given)
        if options.has("truncation") and "truncation" in options.tokenize_kwargs:
            raise ConfigError("truncation is given twice, by itself and in tokenize_kwargs.")
        self._arguments(options)
        return options

    def _arguments(self, options: FeatureExtractionOptions) -> dict[str, Any]:
        fields = dict(options.tokenize_kwargs)
        if options.truncation is not None:
            fields["truncation"] = options.truncation
        return read_options(TokenizerOptions, fields, "tokenize_kwargs").arguments()

    def _example(self, item: object, options: FeatureExtractionOptions) -> Example:
        del options
        return {"text": text_of(item, "text", "give a list for several")}

    def _tokenized(
        self, tokenizer: Any, examples: Sequence[Example], options: FeatureExtractionOptions
    ) -> list[Rows]:
        arguments = self._arguments(options)
        return rows_of_texts(tokenizer, examples, arguments, self._source.max_length)

    def _values(self, rows: Sequence[Row], options: FeatureExtractionOptions) -> Sequence[Tensor]:
        del options
        return torch.split(self._source.hidden(rows).cpu(), [len(row) for row in rows])

    def _answer(
        self, reading: Reading, values: Sequence[Tensor], options: FeatureExtractionOptions
    ) -> Any:
        [row], [hidden_TD] = reading.rows, values
        if isinstance(row, PaddedRow) and row.n_places > len(row):
            hidden_TD = _padded(hidden_TD, row)
        # a copy: what inference mode made cannot be used in training
        return hidden_TD[None].clone() if options.return_tensors else [hidden_TD.tolist()]


def _padded(hidden_TD: Tensor, row: PaddedRow) -> Tensor:
    """The hidden states with zeros for padding, which the model does not read."""
    places = torch.tensor(row.positions or range(len(row)))
    return hidden_TD.new_zeros(row.n_places, hidden_TD.shape[1]).index_copy(0, places, hidden_TD)
