"""The part of a text that answers a question, for texts of any length.

Dimensions: B rows (windows), N tokens of all rows, T tokens of the longest row, D width, W windows
of one example.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.contracts import (
    Encoded,
    Head,
    Prediction,
    Recipe,
    TextSettings,
    validate_config,
)
from polyhead.errors import InputError
from polyhead.heads.question_answering.config import (
    QuestionAnsweringHeadConfig,
    configure_from_examples,
)
from polyhead.heads.question_answering.example import QuestionAnsweringExample
from polyhead.heads.question_answering.metrics import QuestionAnsweringMetrics
from polyhead.heads.question_answering.spans import SpanSearch, window_logits
from polyhead.heads.question_answering.targets import window_targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polyhead.batch import Hidden, Row
    from polyhead.contracts import EncoderShape, HeadOutput, Tokenizer
    from polyhead.heads.question_answering.spans import Span

__all__ = ["AnswerCandidate", "QuestionAnsweringHead", "QuestionAnsweringPrediction"]

_PARTS = ("start", "end")
_IGNORED = -100  # in place of a position: the loss leaves it out


class AnswerCandidate(BaseModel):
    """One possible answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(description="The characters of the context; empty for 'no answer'.")
    start: int | None = Field(
        description="Where it starts in the context, in characters; None for 'no answer'."
    )
    end: int | None = Field(description="Where it ends: context[start:end] is the text.")
    score: float = Field(description="Its probability among the candidates.")


class QuestionAnsweringPrediction(Prediction):
    """The answer to one question."""

    text: str = Field(description="The answer; empty where the context has none.")
    start: int | None = Field(
        description="Where it starts in the context, in characters; None where there is none."
    )
    end: int | None = Field(description="Where it ends: context[start:end] is the text.")
    score: float = Field(description="Its probability among the candidates.")
    candidates: tuple[AnswerCandidate, ...] = Field(
        description="The best answers, the best first; their scores add up to 1. With null answers "
        "'no answer' is one of them."
    )
    null_margin: float | None = Field(
        description="With null answers: the logits of 'no answer' less those of the best span; "
        "above null_threshold there is no answer. None without."
    )

    def __str__(self) -> str:
        return f"{self.text or 'no answer'} ({self.score:.2f})"


class QuestionAnsweringHead(Head):
    """A start and an end logit for each token, from one linear layer.

    `start, end = W dropout(h) + b` with h a token's hidden state. A span's score is the start logit
    of its first token and the end logit of its last, added; that of "no answer" is [CLS]'s own, in
    the window where it is lowest. The weights start as N(0, 0.02), the bias as 0.

    Source: BERT, Devlin et al. 2019, arXiv:1810.04805, sections 4.2 and 4.3; the layout is that of
    the `adapters` library 1.3, whose files the tests read.
    """

    kind = "question_answering"
    Config = QuestionAnsweringHeadConfig
    Example = QuestionAnsweringExample
    recipe = Recipe(
        epochs=2, lr=2e-3, head_lr=5e-3, batch_size=16, text=TextSettings(max_length=256)
    )
    config: QuestionAnsweringHeadConfig

    def __init__(self, config: QuestionAnsweringHeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape)
        self.out = nn.Linear(shape.width, len(_PARTS))
        init.normal_(self.out.weight, std=0.02)
        init.zeros_(self.out.bias)
        self._search = SpanSearch(config.n_best, config.max_answer_length, config.align_to_words)

    @classmethod
    def configure(
        cls, options: Mapping[str, Any], examples: Sequence[QuestionAnsweringExample]
    ) -> QuestionAnsweringHeadConfig:
        """The config that `options` give, completed from labelled examples.

        Args:
            options: Fields of the config. Without `null_answers` it is on if an example's answers
                are an empty list.
            examples: The training examples.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: Answers are not known, or empty where `null_answers` is given as off.
        """
        return configure_from_examples(options, examples)

    def encode(
        self, examples: Sequence[QuestionAnsweringExample], tokenizer: Tokenizer
    ) -> list[Encoded]:
        """Windows of the context, each behind the whole question: [CLS] question [SEP] part [SEP].

        A window's target is the first and the last token of the first answer. In one that does not
        hold all of it, and where there is no answer, both are 0, which stands for [CLS].

        Raises:
            InputError: The question or context is empty, the question leaves no room for the
                context, or an answer does not stand where it is said to.
        """
        windows = tokenizer.windows(
            [example.question for example in examples],
            [example.context for example in examples],
            overlap=self.config.overlap,
            names=("question", "context"),
        )
        return [
            Encoded(example, rows, self._target(number, example, rows))
            for number, (example, rows) in enumerate(zip(examples, windows, strict=True))
        ]

    def forward(self, hidden: Hidden) -> dict[str, Tensor]:
        """Logits "start" and "end", -inf behind the shorter rows. Shape: (B, T) each."""
        dropped_ND = functional.dropout(hidden.tokens, self.config.dropout, self.training)
        logits_BT2 = hidden.packing.padded(self.out(dropped_ND), -math.inf)
        return dict(zip(_PARTS, logits_BT2.unbind(dim=2), strict=True))

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """Positions in a padded batch as positions in its rows. Shape: (B, 2) -> (B, 2), int64.

        A position behind the batch or of no token becomes -100, which the loss leaves out, as
        transformers does with those behind the batch.

        Raises:
            InputError: They are not two whole numbers a row, from 0 or -100.
        """
        labels = super().targets(labels, mask).to(mask.device)
        if labels.shape[1:] != (len(_PARTS),):
            raise InputError(
                f"labels of shape {tuple(labels.shape)} do not fit; give the positions of the "
                "answer's first and last token for each row."
            )
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise InputError(f"labels must be whole numbers, not {labels.dtype}.")
        wrong = labels[(labels < 0) & (labels != _IGNORED)]
        if wrong.numel():
            raise InputError(
                f"the position {int(wrong[0])} is below 0; only {_IGNORED} is, for what the loss "
                "leaves out."
            )
        inside_B2 = labels.long().clamp(0, mask.shape[1] - 1)
        is_token_B2 = (labels == inside_B2) & mask.gather(1, inside_B2)
        places_B2 = (mask.long().cumsum(dim=1) - 1).gather(1, inside_B2)
        return places_B2.where(is_token_B2, _IGNORED)

    def loss(self, output: HeadOutput, targets: Tensor) -> Tensor:
        """Mean of the start's and the end's cross entropy, in float32. Shape: ().

        Each is the mean over the rows whose target is not -100, and 0 where there is none.
        """
        if isinstance(output, Tensor):
            raise TypeError("this head's output is a dict of start and end logits, not one tensor")
        losses = [
            _cross_entropy(output[part], targets[:, number].to(output[part].device))
            for number, part in enumerate(_PARTS)
        ]
        return torch.stack(losses).mean()

    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """The best answer to each question, over all windows of its context.

        Raises:
            InputError: The logits are not finite.
        """
        predictions: list[Prediction] = []
        for logits in window_logits(output, encoded):
            null = logits.null_score if self.config.null_answers else None
            spans = self._search.spans(logits)
            predictions.append(self._prediction(logits.example.context, spans, null))
        return predictions

    def metrics(self) -> QuestionAnsweringMetrics:
        """A fresh collector of exact match and F1."""
        return QuestionAnsweringMetrics(self.config)

    def set_null_threshold(self, threshold: float) -> None:
        """Changes from which margin on there is no answer; the head is saved with it.

        Args:
            threshold: As `null_threshold`; `best_threshold` of an evaluation is one.

        Raises:
            ConfigError: It is no finite number.
        """
        fields = {**self.config.model_dump(), "null_threshold": threshold}
        self.config = validate_config(
            QuestionAnsweringHeadConfig, fields, "head kind 'question_answering'"
        )

    def _prediction(
        self, context: str, spans: Sequence[Span], null: float | None
    ) -> QuestionAnsweringPrediction:
        ranked: list[tuple[float, Span | None]] = [(span.score, span) for span in spans]
        if null is not None:
            ranked.append((null, None))
        ranked.sort(key=lambda pair: -pair[0])
        total = _log_sum_exp([score for score, _ in ranked])
        candidates = {
            span: _candidate(context, span, math.exp(score - total)) for score, span in ranked
        }
        margin = None if null is None else null - spans[0].score
        is_null = margin is not None and margin > self.config.null_threshold
        answer = candidates[None if is_null else spans[0]]
        return QuestionAnsweringPrediction(
            **answer.model_dump(), candidates=tuple(candidates.values()), null_margin=margin
        )

    def _target(
        self, number: int, example: QuestionAnsweringExample, rows: Sequence[Row]
    ) -> Tensor | None:
        try:
            return window_targets(example, rows)
        except InputError as error:
            raise InputError(error.reason, index=number) from None


def _cross_entropy(logits_BT: Tensor, targets_B: Tensor) -> Tensor:
    total = functional.cross_entropy(
        logits_BT.float(), targets_B, ignore_index=_IGNORED, reduction="sum"
    )
    # not reduction="mean", which is no number where every row is left out
    return total / (targets_B != _IGNORED).sum().clamp(min=1)


def _candidate(context: str, span: Span | None, score: float) -> AnswerCandidate:
    if span is None:
        return AnswerCandidate(text="", start=None, end=None, score=score)
    text = context[span.start : span.end]
    return AnswerCandidate(text=text, start=span.start, end=span.end, score=score)


def _log_sum_exp(scores: Sequence[float]) -> float:
    highest = max(scores)
    return highest + math.log(sum(math.exp(score - highest) for score in scores))
