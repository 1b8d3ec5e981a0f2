"""Checks of a head's answers: typed, whole, finite, and ready for JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from unittest import SkipTest

import torch
from pydantic import ValidationError

from polyhead.contracts import Prediction, TextSettings, text_fields
from polyhead.errors import InputError, shown
from polyhead.testing.case import Config
from polyhead.testing.failure import ConformanceError, advising, require, told
from polyhead.testing.head_case import HeadCase
from polyhead.testing.outputs import answers_of

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import Example
    from polyhead.testing.bench import Bench

__all__ = ["AnswerChecks"]


class AnswerChecks(HeadCase):
    """What programs and people need of a head's predictions and figures."""

    def test_its_output_has_a_place_for_each_answer(self, config: Config) -> None:
        """The first dimension is of rows, tokens or examples, as `answers` says."""
        bench = self.bench(config)
        for examples in (bench.questions, bench.questions[:1], bench.questions[:3]):
            encoded = bench.encoded(examples)
            with (
                advising(
                    f"{self.name()}.answers is {self.head.answers!r}, and its output must have as "
                    f"many {self.head.answers}s in the first dimension as there are. Correct "
                    "`forward`, or `answers`."
                ),
                torch.inference_mode(),
            ):
                answers_of(bench.head, bench.compute(encoded), encoded)

    def test_predictions_are_json(self, config: Config) -> None:
        """One a question, each a Prediction that survives JSON and has words to show."""
        bench = self.bench(config)
        with advising(f"{self.name()} cannot answer its examples."):
            answers = bench.answers()
        name = f"{self.name()}.decode"
        require(
            len(answers) == len(bench.questions),
            f"{name} makes {len(answers)} predictions for {len(bench.questions)} examples; make "
            "one an example, in their order.",
        )
        for answer in answers:
            if not isinstance(answer, Prediction):
                raise ConformanceError(
                    f"{name} makes a {type(answer).__name__}; make instances of a subclass of "
                    "polyhead.Prediction."
                )
            odd = [number for number in _numbers(answer.model_dump()) if not math.isfinite(number)]
            require(not odd, f"{name} answers with {odd[:1]}; JSON has finite numbers alone.")
            with advising(f"{type(answer).__name__} cannot be written as JSON and read again."):
                fields = json.loads(answer.model_dump_json())
                again = type(answer).model_validate(fields)
            require(
                again == answer,
                f"{type(answer).__name__} comes back from JSON as another one: {again!r} in "
                f"place of {answer!r}. Give its fields types that JSON has.",
            )
            require(
                len(str(answer).splitlines()) == 1,
                f"str() of a {type(answer).__name__} is not one line, as a table needs it: "
                f"{str(answer)!r}.",
            )

    def test_hidden_states_that_are_not_finite_are_refused(self, config: Config) -> None:
        """Weights that diverged make NaN, and an answer made of it would look like any other."""
        bench = self.bench(config)
        encoded = bench.encoded(bench.questions[:3])
        n_last = encoded[-1].n_tokens

        def poisoned(values_ND: Tensor) -> Tensor:
            return torch.cat([values_ND[:-n_last], values_ND[-n_last:] * torch.nan])

        name = f"{self.name()}.decode"
        with torch.inference_mode():
            output = bench.head(bench.hidden(encoded, poisoned))
            try:
                answers = bench.head.decode(output, encoded)
            except InputError:
                return
            except Exception as error:
                raise ConformanceError(
                    f"{name} raises {type(error).__name__} on an output that is not finite; look "
                    "for NaN first, and raise InputError."
                ) from error
        raise ConformanceError(
            f"{name} answers {answers[-1]!r} from hidden states that are NaN; check with "
            "torch.isfinite, and raise InputError."
        )

    def test_texts_of_any_length_are_answered(self, config: Config) -> None:
        """One letter, and more words than the encoder takes at once."""
        bench = self.bench(config, text=TextSettings(max_length=512))
        questions = [found for text in ("a", "a b " * 300) for found in _with_text(bench, text)]
        if not questions:
            raise SkipTest("its examples have no text that can be replaced")
        for question in questions:
            try:
                answers = bench.answers([question])
            except InputError:
                continue  # refused, with a reason: a text without a gap, a question too long
            except Exception as error:
                raise ConformanceError(
                    f"{self.name()} fails on {shown(question)}; answer it, or refuse it with an "
                    f"InputError. It raised {told(error)}"
                ) from error
            require(
                len(answers) == 1,
                f"{self.name()} makes {len(answers)} predictions for one example; a text in "
                "several rows has one answer.",
            )


def _with_text(bench: Bench, text: str) -> Iterator[Example]:
    """A question with `text` in the place of each of its texts, where it takes it."""
    question = bench.questions[0]
    for name in text_fields(type(question)):
        for others in (question.model_dump(), {}):
            with suppress(ValidationError):
                yield type(question).model_validate({**others, name: text})
                break


def _numbers(value: object) -> Iterator[float]:
    """All floats in a value of dicts and lists."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _numbers(one)
