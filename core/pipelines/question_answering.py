"""The pipeline "question-answering": the part of a text that answers a question.

Dimensions: T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from polyhead.batch import Row
from polyhead.errors import ConfigError, InputError
from polyhead.pipelines.answer_spans import (
    AnswerSpan,
    WindowScores,
    best_answers,
    words_of_context,
)
from polyhead.pipelines.base import Pipeline, Reading
from polyhead.pipelines.logits import finite
from polyhead.pipelines.options import PipelineOptions
from polyhead.pipelines.reading import row_of, text_of
from polyhead.pipelines.source import Example, Rows

__all__ = ["QuestionAnsweringOptions", "QuestionAnsweringPipeline"]

_HINT = "a question and a context are texts"
_FORM = 'a question is asked as question=..., context=..., or as {"question": ..., "context": ...}'
_USUAL_WINDOW = 384
_USUAL_STRIDE = 128
_SPECIAL_TOKENS = 3  # [CLS] question [SEP] context [SEP]


class QuestionAnsweringOptions(PipelineOptions):
    """What question answering can be asked for."""

    reading: ClassVar[frozenset[str]] = frozenset(
        {"doc_stride", "max_seq_len", "max_question_len", "padding"}
    )

    top_k: int = Field(default=1, gt=0, description="How many answers, the best first.")
    doc_stride: int | None = Field(
        default=None,
        ge=0,
        description="How many tokens of a long context a window shares with the one before; 128, "
        "or half a window where that is less, when None.",
    )
    max_answer_len: int = Field(default=15, gt=0, description="Most tokens of an answer.")
    max_seq_len: int | None = Field(
        default=None, gt=0, description="Most tokens of a window; 384 or what fits when None."
    )
    max_question_len: int | None = Field(
        default=None, gt=0, description="What a question is cut to; None leaves it whole."
    )
    handle_impossible_answer: bool = Field(
        default=False, description="Whether 'no answer' is an answer."
    )
    align_to_words: bool = Field(
        default=True, description="Whether answers are made of whole words."
    )
    padding: Any = Field(default=None, description="Accepted; padding is never computed.")


class QuestionAnsweringPipeline(Pipeline):
    """Answers that are parts of texts of any length.

    The answer is `{"score", "start", "end", "answer"}`, `start` and `end` in characters of the
    context, or a list of such where several are asked for and found.

    Source: transformers.pipelines.question_answering, version 4.57. Questions are not cut there
    either, unless with a slow tokenizer.
    """

    kind = "question-answering"
    head_kinds = frozenset({"question_answering"})
    model_class = "DistilBertForQuestionAnswering"
    Options = QuestionAnsweringOptions
    input_names = ("question", "context")

    def __call__(
        self,
        inputs: Any = None,
        context: Any = None,
        *,
        question: Any = None,
        batch_size: int | None = None,
        num_workers: int | None = None,
        **options: Any,
    ) -> Any:
        """Answers questions.

        Args:
            inputs: A mapping with `question` and `context`, a list of such, or anything to iterate
                over; or the question, with its context behind it.
            context: The text that holds the answer, or one for each question.
            question: The question, or a list of questions.
            batch_size: For this call, in place of the pipeline's.
            num_workers: Accepted as transformers does, and of no effect.
            options: For this call, beside the pipeline's; see `Options`.

        Returns:
            One answer, or a list of them; for an iterator, an iterator. A list of one question has
            its answer alone.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: A question or a context is missing or empty, or there is no room for both.
        """
        del num_workers
        if isinstance(inputs, str) and question is None:
            inputs, question = None, inputs
        if question is not None or context is not None:
            if inputs is not None:
                raise InputError(f"questions are given twice; {_FORM}.")
            inputs = _paired(question, context)
        return self._call(inputs, batch_size, options)

    def _call(self, inputs: object, batch_size: int | None, given: Mapping[str, Any]) -> Any:
        answer = super()._call(inputs, batch_size, given)
        is_single = isinstance(inputs, list | tuple) and len(inputs) == 1
        return answer[0] if is_single else answer

    def _options(self, given: Mapping[str, Any]) -> QuestionAnsweringOptions:
        options: QuestionAnsweringOptions = super()._options(given)
        window, stride = self._window(options)
        if stride > window:
            raise ConfigError(
                f"doc_stride={stride} is more than the {window} tokens of a window (max_seq_len)."
            )
        return options

    def _window(self, options: QuestionAnsweringOptions) -> tuple[int, int]:
        """Most tokens of a window, and how many of them it shares with the one before."""
        window, stride = options.max_seq_len, options.doc_stride
        window = min(self._source.max_length, _USUAL_WINDOW) if window is None else window
        return window, min(window // 2, _USUAL_STRIDE) if stride is None else stride

    def _example(self, item: object, options: QuestionAnsweringOptions) -> Example:
        del options
        if not isinstance(item, Mapping) or not {"question", "context"} <= item.keys():
            raise InputError(f"{_FORM}.")
        example = {name: text_of(item[name], name, _HINT) for name in self.input_names}
        for name, text in example.items():
            if not text.strip():
                raise InputError(f"the {name} has no words: it is empty or white space only.")
        return example

    def _tokenized(
        self, tokenizer: Any, examples: Sequence[Example], options: QuestionAnsweringOptions
    ) -> list[Rows]:
        rows = []
        for place, example in enumerate(examples):
            try:
                rows.append(self._windows(tokenizer, example, options))
            except InputError as error:
                raise InputError(error.reason, index=place) from None
        return rows

    def _windows(self, tokenizer: Any, example: Example, options: QuestionAnsweringOptions) -> Rows:
        question, context = example["question"], example["context"]
        [pieces] = tokenizer([question], add_special_tokens=False, verbose=False).encodings
        n_question = len(pieces)
        if options.max_question_len is not None and n_question > options.max_question_len:
            n_question = options.max_question_len
            question = question[: pieces.offsets[n_question - 1][1]]
        window, stride = self._window(options)
        room = window - _SPECIAL_TOKENS - n_question
        if room < 1:
            raise InputError(
                f"the question has {n_question} tokens, and a window of {window} has no room for "
                "the context beside it; shorten it, or cut it with max_question_len."
            )
        found = tokenizer(
            [question],
            [context],
            truncation="only_second",
            max_length=window,
            # a long question leaves little room, and a window must bring something new
            stride=stride if stride < room else room // 2,
            return_overflowing_tokens=True,
        )
        return tuple(row_of(encoding) for encoding in found.encodings)

    def _values(self, rows: Sequence[Row], options: QuestionAnsweringOptions) -> Sequence[Tensor]:
        """The start and end logits of each row, (2, T)."""
        del options
        output = self._source.compute(rows)
        if isinstance(output, Tensor):
            raise TypeError("a question answering head computes start and end logits")
        parts = [output["start"].cpu(), output["end"].cpu()]
        return [
            finite(torch.stack([part[number, : len(row)] for part in parts]))
            for number, row in enumerate(rows)
        ]

    def _answer(
        self, reading: Reading, values: Sequence[Tensor], options: QuestionAnsweringOptions
    ) -> Any:
        windows = [
            WindowScores.of(row, logits_2T)
            for row, logits_2T in zip(reading.rows, values, strict=True)
        ]
        # of aligned spans several may become one
        most = options.top_k * 2 + 10 if options.align_to_words else options.top_k
        spans: list[AnswerSpan] = []
        for window in windows:
            # where a window cuts a word in two transformers answers with its part; a task does not
            seen = reading.rows if self._source.is_task else (window.row,)
            words = words_of_context(seen) if options.align_to_words else None
            spans += window.spans(most, options.max_answer_len, words)
        null_score = None
        if options.handle_impossible_answer:
            null_score = min(window.null_score for window in windows)
        answers = best_answers(reading.example["context"], spans, null_score, options.top_k)
        return answers[0] if len(answers) == 1 else answers


def _paired(question: object, context: object) -> list[dict[str, Any]]:
    """A mapping for each question.

    Raises:
        InputError: They are not two texts, questions about one text, or two lists of one length.
    """
    if isinstance(question, str) and isinstance(context, str):
        return [{"question": question, "context": context}]
    if isinstance(question, list | tuple) and isinstance(context, str):
        return [{"question": item, "context": context} for item in question]
    if isinstance(question, list | tuple) and isinstance(context, list | tuple):
        if len(question) != len(context):
            raise InputError(f"there are {len(question)} questions and {len(context)} contexts.")
        pairs = zip(question, context, strict=True)
        return [{"question": item, "context": text} for item, text in pairs]
    missing = "context" if context is None else "question" if question is None else None
    if missing is not None:
        raise InputError(f"there is no {missing}; {_FORM}.")
    raise InputError(
        "question and context must be two texts, a list of questions and one text, or two lists, "
        f"not {type(question).__name__} and {type(context).__name__}."
    )
