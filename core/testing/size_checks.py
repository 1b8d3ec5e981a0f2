"""Checks of sizes: any number of rows and tokens, and encoders of any shape."""

from __future__ import annotations

from unittest import SkipTest

import torch

from polyhead.batch import Row
from polyhead.errors import ConfigError
from polyhead.model import HeadCall
from polyhead.testing.bench import SUBJECT
from polyhead.testing.case import Config, ConformanceCase
from polyhead.testing.failure import ConformanceError, advising, require
from polyhead.testing.outputs import parts_of
from polyhead.testing.tiny_model import tiny_model

__all__ = ["SizeChecks"]


class SizeChecks(ConformanceCase):
    """What short and long texts, and other encoders, need of a head or an adapter."""

    def test_rows_of_any_length_are_computed(self, config: Config) -> None:
        """Rows of special tokens alone, of one token, and of as many as the encoder takes."""
        bench = self.bench(config)
        tokenizer = bench.model.text_tokenizer(bench.task)
        bare = (tokenizer.cls_id, tokenizer.sep_id)
        longest = bench.model.shape.max_positions
        rows = {
            "of special tokens alone": bare,
            "of one word": (bare[0], 9, bare[1]),
            "of a single token": (9,),
            f"of {longest} tokens": tuple(5 + n % 99 for n in range(longest)),
        }
        for what, ids in rows.items():
            call = HeadCall(SUBJECT, (Row(ids),), (bench.task.adapter,), (1,))
            with (
                advising(f"{self.name()} cannot compute a row {what}, which texts can make."),
                torch.inference_mode(),
            ):
                [output] = bench.model.compute([call])
            for name, part in parts_of(bench.head, output).items():
                is_number = (part.isnan() | (part == torch.inf)).logical_not()
                require(
                    bool(is_number.all()),
                    f"{self.name()} computes NaN or infinity for a row {what} ({name}); look for a "
                    "division by a count of words, or the maximum or softmax of nothing.",
                )

    def test_an_empty_batch_is_no_error(self, config: Config) -> None:
        """No example in, no answer out."""
        bench = self.bench(config)
        with (
            advising(
                f"{self.name()} fails on a batch without rows, where tensors have a first "
                "dimension of 0; look for max(...), a stack or a split of nothing."
            ),
            torch.inference_mode(),
        ):
            encoded = bench.encoded([])
            answers = bench.head.decode(bench.compute(encoded), encoded)
        require(not answers, f"{self.name()} answers {answers} to nothing; return an empty list.")

    def test_it_fits_encoders_of_other_sizes(self, config: Config) -> None:
        """A narrow encoder of one layer, and a wider one of four."""
        sizes = ((1, 16), (4, 64))
        fitting = []
        for n_layers, width in sizes:
            model = tiny_model(n_layers=n_layers, width=width)
            try:
                self.build(config, model.shape)
            except ConfigError:
                continue  # refused with a reason: a layer is named that is not there
            except Exception:  # noqa: BLE001, S110 - told below, with advice
                pass
            fitting.append(model)
        if not fitting:
            raise SkipTest("its config does not fit such encoders")
        for model in fitting:
            advice = (
                f"{self.name()} does not work on an encoder of {model.shape}; take sizes from the "
                "`shape` that __init__ is given, or refuse one that does not fit by a ConfigError."
            )
            try:
                bench = self.bench(config, model=model)
            except ConformanceError as error:
                raise ConformanceError(f"{advice} {error}") from error
            with advising(advice):
                bench.loss(bench.lesson())
                bench.answers()
