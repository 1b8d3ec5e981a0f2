"""Checks of batches: a row's answer is its own, whatever else is computed beside it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import torch

from polyhead.model import HeadCall
from polyhead.testing.bench import LONGER, OTHER, SPARE, SUBJECT, Bench
from polyhead.testing.case import Config, ConformanceCase
from polyhead.testing.outputs import answers_of, check_same, check_same_answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from polyhead.composition import AdapterSetup
    from polyhead.contracts import Encoded

__all__ = ["BatchChecks"]


class BatchChecks(ConformanceCase):
    """What batches of any make-up need of a head or an adapter."""

    def test_an_output_does_not_depend_on_the_batch(self, config: Config) -> None:
        """Rows alone, and in one shuffled batch with other adapters, none, and another head."""
        bench = self.bench(config)
        encoded = bench.encoded(bench.questions)
        for adapter in dict.fromkeys((bench.task.adapter, SPARE, None)):
            alone = [_alone(bench, item, adapter) for item in encoded]
            for found, expected in zip(_mixed(bench, encoded, adapter), alone, strict=True):
                check_same(
                    found,
                    expected,
                    f"an example's output depends on what else is in its batch (with the adapter "
                    f"{adapter!r}). Compute each row from its own tokens: `packing` says which "
                    "these are, and what a shorter row is padded with must count for nothing.",
                )

    def test_an_answer_does_not_depend_on_the_batch(self, config: Config) -> None:
        """Questions alone, and all in one call."""
        bench = self.bench(config)
        alone = [answer for question in bench.questions for answer in bench.answers([question])]
        check_same_answers(
            bench.answers(),
            alone,
            "answers to several questions at once are others than to each alone, or in another "
            "order. Make each from its own part of the output, in the order of `encoded`.",
        )


def _alone(bench: Bench, item: Encoded, adapter: AdapterSetup) -> dict[str, Tensor]:
    call = HeadCall(SUBJECT, item.rows, (adapter,) * len(item.rows), (len(item.rows),))
    with torch.inference_mode():
        [output] = bench.model.compute([call])
    return answers_of(bench.head, output, [item])[0]


def _mixed(
    bench: Bench, encoded: Sequence[Encoded], adapter: AdapterSetup
) -> list[dict[str, Tensor]]:
    """Each example's part of one batch, in which other rows have other adapters and heads."""
    foreign = [row for item in encoded for row in item.rows]
    adapters = [SPARE, None, LONGER, OTHER, bench.task.adapter]
    fillers = HeadCall(
        OTHER, tuple(foreign), tuple(adapters[n % 5] for n in range(len(foreign))), None
    )
    # the subject's own examples in another order, and again under other adapters behind them
    order = list(range(len(encoded)))
    random.Random(0).shuffle(order)  # noqa: S311 - any order but the first will do
    asked = [encoded[place] for place in order] * 2
    own = [adapter if number < len(order) else adapters[number % 5] for number in range(len(asked))]
    rows = tuple(row for item in asked for row in item.rows)
    counts = tuple(len(item.rows) for item in asked)
    row_adapters = tuple(a for item, a in zip(asked, own, strict=True) for _ in item.rows)
    call = HeadCall(SUBJECT, rows, row_adapters, counts)
    with torch.inference_mode():
        _, output = bench.model.compute([fillers, call])
    answers = answers_of(bench.head, output, asked)
    return [answers[order.index(place)] for place in range(len(encoded))]
