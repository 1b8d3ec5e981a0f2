"""The pipeline "text-classification": labels of texts and of pairs of texts.

Dimensions: B rows, K labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from polyhead.batch import Row
from polyhead.errors import InputError
from polyhead.pipelines.base import Pipeline, Reading
from polyhead.pipelines.logits import finite_logits
from polyhead.pipelines.options import TokenizerOptions
from polyhead.pipelines.reading import rows_of_texts, text_of
from polyhead.pipelines.source import Example, Rows

__all__ = ["TextClassificationOptions", "TextClassificationPipeline"]

_PAIR_HINT = 'give a pair of texts as {"text": ..., "text_pair": ...}'
_PAIR = 2


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class TextClassificationOptions(TokenizerOptions):
    """What a text classification can be asked for; the tokenizer's arguments among them."""

    reading: ClassVar[frozenset[str]] = frozenset(TokenizerOptions.model_fields)

    top_k: int | None = Field(
        default=1, gt=0, description="How many labels, the best first; None for all."
    )
    function_to_apply: Annotated[
        Literal["default", "none", "sigmoid", "softmax"] | None, BeforeValidator(_lower)
    ] = Field(
        default=None,
        description="What makes scores of logits. By default none for regression, sigmoid for "
        "several labels at once and for a single one, else softmax.",
    )


class TextClassificationPipeline(Pipeline):
    """Labels of texts.

    An input is a text, or a mapping with `text` and, for a pair, `text_pair`. The answer is
    `{"label": ..., "score": ...}`, in a list of its own for a single text; where `top_k` is given
    it is a list of such, the best first.

    Source: transformers.pipelines.text_classification, version 5.23.
    """

    kind = "text-classification"
    head_kinds = frozenset({"classification", "multilabel", "regression"})
    model_class = "DistilBertForSequenceClassification"
    Options = TextClassificationOptions
    input_names = ("text", "text_pair")

    def _call(self, inputs: object, batch_size: int | None, given: Mapping[str, Any]) -> Any:
        answer = super()._call(inputs, batch_size, given)
        # a text alone has its answer in a list, unless this very call asks for a list
        return [answer] if isinstance(inputs, str) and "top_k" not in given else answer

    def _example(self, item: object, options: TextClassificationOptions) -> Example:
        del options
        if isinstance(item, list) and len(item) == 1 and _is_pair(item[0]):
            item = dict(zip(("text", "text_pair"), item[0], strict=True))  # an old form of pairs
        if isinstance(item, Mapping):
            odd = sorted(map(str, item.keys() - {"text", "text_pair"}))
            if odd or "text" not in item:
                problem = f"has {odd[0]!r}" if odd else "has no 'text'"
                raise InputError(f"a mapping {problem}; {_PAIR_HINT}.")
            pair = item.get("text_pair")
            second = None if pair is None else text_of(pair, "text_pair", _PAIR_HINT)
            # an empty second text beside a single first is none, as transformers has it
            return {"text": text_of(item["text"], "text", _PAIR_HINT), "text_pair": second or None}
        return {"text": text_of(item, "text", _PAIR_HINT), "text_pair": None}

    def _tokenized(
        self, tokenizer: Any, examples: Sequence[Example], options: TextClassificationOptions
    ) -> list[Rows]:
        return rows_of_texts(tokenizer, examples, options.arguments(), self._source.max_length)

    def _values(self, rows: Sequence[Row], options: TextClassificationOptions) -> Sequence[Tensor]:
        del options
        return finite_logits(self._source.compute(rows)).unbind()

    def _answer(
        self, reading: Reading, values: Sequence[Tensor], options: TextClassificationOptions
    ) -> Any:
        del reading
        [logits_K] = values
        scores = _scores(logits_K, self._function(options, len(logits_K))).tolist()
        answers = [
            {"label": label, "score": score}
            for label, score in zip(self._source.labels, scores, strict=True)
        ]
        if not options.has("top_k"):
            return max(answers, key=_score)
        return sorted(answers, key=_score, reverse=True)[: options.top_k]

    def _function(self, options: TextClassificationOptions, n_labels: int) -> str:
        if options.function_to_apply not in {None, "default"}:
            return str(options.function_to_apply)
        if self._source.problem_type == "regression":
            return "none"
        is_multilabel = self._source.problem_type == "multi_label_classification"
        return "sigmoid" if is_multilabel or n_labels == 1 else "softmax"


def _is_pair(item: object) -> bool:
    return isinstance(item, list) and len(item) == _PAIR


def _score(answer: dict[str, Any]) -> float:
    return float(answer["score"])


def _scores(logits_K: Tensor, function: str) -> Tensor:
    if function == "none":
        return logits_K
    return logits_K.sigmoid() if function == "sigmoid" else torch.softmax(logits_K, dim=0)
