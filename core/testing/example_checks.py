"""Checks of a head's examples: what users write, and what becomes of it."""

from __future__ import annotations

from typing import Any, Final
from unittest import SkipTest

import torch

from polyhead.batch import Row
from polyhead.contracts import Encoded, Example, TextSettings, targets_of, text_fields
from polyhead.errors import InputError
from polyhead.testing.bench import Bench
from polyhead.testing.case import Config
from polyhead.testing.failure import ConformanceError, advising, require
from polyhead.testing.head_case import HeadCase

__all__ = ["ExampleChecks"]

_UNKNOWN: Final = "no such label"


class ExampleChecks(HeadCase):
    """What data files, the command line and messages need of a head's examples."""

    def test_its_examples_survive_json(self) -> None:
        """A line of a data file is an example as JSON."""
        name = self.head.Example.__name__
        with advising(f"{name} has no JSON schema; use types that pydantic describes."):
            self.head.Example.model_json_schema()
        for example in self.labelled():
            with advising(f"{name} cannot be read back from its own JSON."):
                again = type(example).model_validate_json(example.model_dump_json())
                parsed = self.head.parse(example.model_dump(mode="json"))
            require(
                again == parsed == example,
                f"{name} comes back from JSON as another one: {again!r} in place of {example!r}.",
            )

    def test_every_field_of_its_examples_is_described(self) -> None:
        """`polyhead heads KIND` shows them as the columns of a data file."""
        fields = self.head.Example.model_fields
        silent = [name for name, field in fields.items() if not field.description]
        require(
            not silent,
            f"these fields of {self.head.Example.__name__} have no description: "
            f"{', '.join(silent)}; write Field(..., description=...).",
        )

    def test_its_targets_are_fields_that_may_be_missing(self) -> None:
        """In prediction nobody knows them."""
        example_class = self.head.Example
        unknown = sorted(set(example_class.target_fields) - set(example_class.model_fields))
        require(
            not unknown,
            f"target_fields of {example_class.__name__} names {unknown}, which are no fields "
            "of it; set it to the fields that hold what is to be predicted.",
        )
        for example in self.labelled():
            self.without_targets(example)

    def test_an_example_becomes_rows_and_a_target(self, config: Config) -> None:
        """One `Encoded` each, in their order, the same alone as among others."""
        bench = self.bench(config)
        with advising(f"{self.name()}.encode refuses the examples of the test class."):
            encoded = bench.encoded(bench.examples)
        name = f"{self.name()}.encode"
        require(
            [item.example for item in encoded] == list(bench.examples),
            f"{name} must return one Encoded an example, in their order, each with its example.",
        )
        for item in encoded:
            _check_rows(item, bench, name)
            require(
                isinstance(item.target, torch.Tensor),
                f"{name} makes the target {item.target!r} of a labelled example; it must be a "
                "tensor.",
            )
        with advising(
            f"the targets that {name} makes cannot be concatenated along the first dimension."
        ):
            targets_of(encoded)
        for item in encoded:
            [alone] = bench.encoded([item.example])
            require(
                alone.rows == item.rows,
                f"{name} makes other rows of an example alone than among others; read each "
                "example by itself.",
            )

    def test_an_example_without_label_has_no_target(self, config: Config) -> None:
        """None as the target tells that the label is not known."""
        if not self.head.Example.target_fields:
            raise SkipTest("its examples have no field that is only for training")
        bench = self.bench(config)
        unlabelled = [self.without_targets(example) for example in bench.examples]
        with advising(f"{self.name()}.encode must take examples without a label."):
            encoded = bench.encoded(unlabelled)
        require(
            all(item.target is None for item in encoded),
            f"{self.name()}.encode makes a target of an example without label; leave it None.",
        )

    def test_rows_are_no_longer_than_the_task_allows(self, config: Config) -> None:
        """A task's text settings say how many tokens a row may have."""
        bench = self.bench(config, text=TextSettings(max_length=16))
        for question in bench.questions:
            try:
                encoded = bench.encoded([question])
            except InputError:
                continue  # refused as too long is as good
            longest = max(len(row) for item in encoded for row in item.rows)
            require(
                longest <= 16,  # noqa: PLR2004 - as above
                f"{self.name()}.encode makes a row of {longest} tokens where the task allows 16; "
                "make rows with tokenizer.rows or tokenizer.windows, which keep to "
                "tokenizer.settings.",
            )
            with advising(f"{self.name()} fails on a text that is cut or read in windows."):
                bench.answers([question])

    def test_unknown_labels_are_refused(self, config: Config) -> None:
        """A label that the config does not have is an InputError with the example's place."""
        labels = set(getattr(config, "labels", ()))
        changed = (self._mislabelled(example, labels) for example in self.labelled())
        example = next((found for found in changed if found is not None), None)
        if example is None:
            raise SkipTest("its labels are no names out of `config.labels`")
        self._check_refused(self.bench(config), example, "a label that the config does not have")

    def test_a_text_without_words_is_refused(self, config: Config) -> None:
        """White space has no tokens to read."""
        names = text_fields(self.head.Example)
        bench = self.bench(config)
        for question in bench.questions:
            if names and getattr(question, names[0]) is not None:
                fields = {**question.model_dump(), names[0]: " \n"}
                self._check_refused(bench, fields, f"a blank {names[0]}")
                return
        raise SkipTest("its examples have no text of their own")

    def test_what_is_to_be_refused_is_refused(self, config: Config) -> None:
        """The examples that the test class gives as `refused`."""
        if not self.refused:
            raise SkipTest("the test class names no examples to be refused")
        bench = self.bench(config)
        for example in self.refused:
            self._check_refused(bench, example, f"{example!r}")

    def _mislabelled(self, example: Example, labels: set[Any]) -> dict[str, Any] | None:
        """The example's fields with a label that does not exist, or None where labels are none."""
        fields = example.model_dump()
        for name in type(example).target_fields:
            value = fields.get(name)
            if isinstance(value, str) and value in labels:
                return {**fields, name: _UNKNOWN}
            if isinstance(value, list | tuple) and value and set(map(str, value)) <= labels:
                return {**fields, name: (_UNKNOWN, *value[1:])}
        return None

    def _check_refused(self, bench: Bench, value: object, what: str) -> None:
        """Fails unless parse or encode refuses `value`, the second of three examples."""
        advice = f"{self.name()} must refuse {what} with an InputError"
        good = bench.questions[0]
        try:
            bad = self.head.parse(value)
        except InputError:
            return
        try:
            bench.encoded([good, bad, good])
        except InputError as error:
            require(
                error.index == 1,
                f"{advice} that tells the example's place: InputError(reason, index=place), with "
                f"places counted from 0. Its index is {error.index} for the second example.",
            )
        except Exception as error:
            raise ConformanceError(f"{advice}; it raises {type(error).__name__}.") from error
        else:
            raise ConformanceError(f"{advice}; it takes it.")


def _check_rows(item: Encoded, bench: Bench, name: str) -> None:
    is_rows = isinstance(item.rows, tuple) and all(isinstance(row, Row) for row in item.rows)
    require(is_rows, f"{name} makes rows of type {type(item.rows).__name__}; give a tuple of Rows.")
    n_tokens = [len(row) for row in item.rows]
    require(
        bool(n_tokens) and min(n_tokens) > 0,
        f"{name} makes an example without rows, or a row without tokens, of {item.example!r}.",
    )
    ids = [token for row in item.rows for token in row.ids]
    require(
        min(ids) >= 0 and max(ids) < bench.model.shape.vocab_size,
        f"{name} makes token ids from {min(ids)} to {max(ids)}, and the vocabulary has "
        f"{bench.model.shape.vocab_size}; take them from the tokenizer.",
    )
