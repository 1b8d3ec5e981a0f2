"""Checks of repetition: the same seed, the same call and another thread give the same."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from polyhead.contracts import Adapter, Prediction
from polyhead.testing.bench import OTHER, SUBJECT, Bench
from polyhead.testing.case import Config, ConformanceCase
from polyhead.testing.failure import ConformanceError, advising, require, told
from polyhead.testing.outputs import check_same_answers, parts_of
from polyhead.testing.sites import plain_taps
from polyhead.train import Trainer, TrainSettings, seeded

__all__ = ["RepeatChecks"]

_N_THREADS: Final = 8
_N_ROUNDS: Final = 6


class RepeatChecks(ConformanceCase):
    """What reproducible runs and servers of many threads need of a head or an adapter."""

    def test_its_first_weights_follow_from_the_seed(self, config: Config) -> None:
        """A run can be repeated when all that is random comes from torch's generator."""
        bench = self.bench(config)
        states = []
        for _ in range(2):
            with seeded(5):
                states.append(self.build(config, bench.model.shape).state_dict())
        differing = [name for name, one in states[0].items() if not _is_equal(one, states[1][name])]
        require(
            not differing,
            f"the first weights {differing} of {self.name()} differ under one seed; draw them from "
            "torch's global generator (torch.nn.init), and from nothing else.",
        )

    def test_training_follows_from_the_seed(self, config: Config) -> None:
        """Two short runs from the same weights end with the same bits."""
        settings = TrainSettings(epochs=2, lr=0.01, batch_size=2)
        states = []
        for _ in range(2):
            bench = self.bench(config)
            with advising(f"{self.name()} cannot be trained."):
                Trainer(bench.model, settings).fit(SUBJECT, bench.examples)
            states.append(bench.module.state_dict())
        differing = [name for name, one in states[0].items() if not _is_equal(one, states[1][name])]
        require(
            not differing,
            f"two training runs with one seed end with other weights {differing}; draw what is "
            "random in training from torch's global generator, or from the one that `draw` gets.",
        )

    def test_in_evaluation_it_computes_the_same_again(self, config: Config) -> None:
        """Dropout and the like are for training."""
        bench = self.bench(config)
        encoded = bench.encoded(bench.questions)
        with torch.inference_mode():
            one, two = (parts_of(bench.head, bench.compute(encoded)) for _ in range(2))
        differing = [name for name, values in one.items() if not _is_equal(values, two[name])]
        require(
            not differing,
            f"{self.name()} computes something else each time ({', '.join(differing)}); what is "
            "random, such as functional.dropout, must be told self.training.",
        )

    def test_a_call_leaves_nothing_behind(self, config: Config) -> None:
        """Many threads share one module, so a call keeps what is its own in local variables."""
        bench = self.bench(config)
        self._use(bench)  # what is made at first use and kept is no state of a call
        before = _snapshot(bench.module)
        self._use(bench)
        after = _snapshot(bench.module)
        changed = [
            path
            for path in {**before, **after}
            if path not in before
            or path not in after
            or not _is_unchanged(before[path], after[path])
        ]
        require(
            not changed,
            f"a call changes {changed} of {self.name()}. Pass what a call needs on as arguments "
            "and return values (`forward` may return a dict of tensors): the next call, in another "
            "thread, would find it.",
        )

    def test_eight_threads_get_the_answers_of_one(self, config: Config) -> None:
        """Each thread asks its own questions, of two tasks, again and again."""
        bench = self.bench(config)
        questions = list(bench.questions)
        turns = [questions[number % len(questions) :] for number in range(_N_THREADS)]
        expected = [bench.answers(turn) for turn in turns]
        found: list[list[list[Prediction]]] = [[] for _ in turns]

        def ask(number: int) -> None:
            for _ in range(_N_ROUNDS):
                bench.model.predict(["a foreign text"], task=OTHER)
                found[number].append(bench.answers(turns[number]))

        _run_in_threads([partial(ask, number) for number in range(_N_THREADS)], self.name())
        for own, right in zip(found, expected, strict=True):
            for answers in own:
                check_same_answers(
                    answers,
                    right,
                    f"{self.name()} answers something else when several threads ask. It keeps "
                    "something of a call on itself, in a global variable or in a default argument; "
                    "keep it in local variables.",
                )

    def _use(self, bench: Bench) -> None:
        bench.loss(bench.lesson())
        bench.answers()


def _is_equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _snapshot(module: nn.Module) -> dict[str, object]:
    """Everything in the attributes of a module, its parts and its taps, by path."""
    found: dict[str, object] = {}
    for place, part in module.named_modules():
        for name, value in vars(part).items():
            found[f"{place}.{name}" if place else name] = _frozen(value)
    if isinstance(module, Adapter):
        for place, held in plain_taps(module):
            found |= {f"{place}.{name}": _frozen(value) for name, value in held.items()}
    return found


def _frozen(value: object) -> object:
    """What of a value can be compared later; containers are copied."""
    if isinstance(value, Tensor):
        # the version counts what is written into it
        return (value, 0 if value.is_inference() else value._version)  # noqa: SLF001
    if isinstance(value, Mapping):
        return {key: _frozen(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_frozen(one) for one in value]
    if isinstance(value, set):
        return sorted(map(id, value))
    return value


def _is_unchanged(before: object, after: object) -> bool:
    if before is after:
        return True
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return before.keys() == after.keys() and all(
            _is_unchanged(before[key], after[key]) for key in before
        )
    if isinstance(before, Sequence) and isinstance(after, Sequence):
        if isinstance(before, str):
            return before == after
        pairs = zip(before, after, strict=False)
        return len(before) == len(after) and all(_is_unchanged(*pair) for pair in pairs)
    return isinstance(before, int | float) and before == after


def _run_in_threads(works: Sequence[Callable[[], None]], name: str) -> None:
    failures: list[Exception] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    with _eager_switching():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise ConformanceError(
            f"{name} fails when several threads ask; keep what belongs to a call in local "
            f"variables. It raised {told(failures[0])}"
        ) from failures[0]


@contextmanager
def _eager_switching() -> Iterator[None]:
    """Inside, threads take turns far more often than they usually do."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
