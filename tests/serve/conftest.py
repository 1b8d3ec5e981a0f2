"""What tests of the engine share: a model with a head that does as told, clocks, held threads."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from polyhead.batch import Hidden
from polyhead.contracts import HeadOutput
from polyhead.heads import ClassificationHead, ClassificationHeadConfig
from polyhead.model import DistilBertModelWithHeads
from polyhead.serve import Engine, EngineSettings
from polyhead.serve.scheduling.pace import Pace
from polyhead.testing.registration import registered

PATIENCE_S = 20.0
"""Longer than anything takes that works."""


class OddConfig(ClassificationHeadConfig):
    """Of the head that does as told."""


class OddHead(ClassificationHead):
    """A head that does what its attributes say beside what it should.

    `computes` gets its output and the lengths of its rows, `answers` its answers and their texts;
    what they return takes their place.
    """

    kind = "odd"
    Config = OddConfig
    computes: Callable | None = None
    answers_with: Callable | None = None

    def forward(self, hidden: Hidden) -> HeadOutput:
        made = super().forward(hidden)
        lengths = [hidden.batch_packing.lengths[row] for row in hidden.index]
        return made if self.computes is None else self.computes(made, lengths)

    def decode(self, output, encoded):
        made = super().decode(output, encoded)
        texts = [each.example.text for each in encoded]
        return made if self.answers_with is None else self.answers_with(made, texts)


class SteadyPace(Pace):
    """A pace that is what it was told, whatever is computed."""

    def learn(self, n_tokens: int, seconds: float) -> None:
        del n_tokens, seconds


@dataclass
class FakeClock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Gate:
    """Holds whoever comes until it is opened; with a switch that says that someone came."""

    entered: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, made: object, _: object) -> object:
        self.entered.set()
        assert self.opened.wait(PATIENCE_S), "nobody opened the gate"
        return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def model(make_model, two_labels, three_labels, shake) -> Iterator[DistilBertModelWithHeads]:
    """Tasks mood and topic with adapters of two kinds, bare, and odd, which does as told."""
    with registered(OddHead):
        model = make_model()
        model.add_task("mood", head=two_labels)
        model.add_task("topic", head=three_labels, adapter="double_seq_bn")
        model.add_task("bare", head=two_labels, adapter=None)
        model.add_task("odd", head=OddConfig(labels=("no", "yes")), adapter=None)
        for number, part in enumerate((*model.adapters.values(), *model.heads.values())):
            shake(part, seed=number)
        yield model


@pytest.fixture
def make_engine(model) -> Iterator[Callable[..., Engine]]:
    """Makes engines of a steady pace, and stops them in the end; settings are keyword arguments."""
    made = []

    def make(*, pace: Pace | None = None, start: bool = True, of=None, **fields) -> Engine:
        more = {name: fields.pop(name) for name in ("observers", "clock") if name in fields}
        settings = EngineSettings(**{"max_wait_s": 1e6, "target_s": 1e6} | fields)
        engine = Engine(of or model, settings, **more)
        engine._backlog.pace = pace or SteadyPace()
        made.append(engine)
        if start:
            engine.start()
        return engine

    yield make
    for engine in made:
        engine.close(drain_s=0.0)


@pytest.fixture
def batches() -> Callable[[Engine], list[list[tuple[str, str]]]]:
    """Each batch that an engine computes from now on, as names of tasks with texts."""

    def watched(engine: Engine) -> list[list[tuple[str, str]]]:
        seen: list[list[tuple[str, str]]] = []
        compute = engine._worker._answering.outcomes

        def outcomes(examples):
            seen.append([(each.asked.served.name, each.encoded.example.text) for each in examples])
            return compute(examples)

        engine._worker._answering.outcomes = outcomes
        return seen

    return watched


@pytest.fixture
def held() -> Callable:
    """Inside, the engine's thread computes one example of the task odd and does not come back."""

    @contextmanager
    def holding(engine: Engine, text: str = "is the day"):
        head = engine.model.heads["odd"]
        gate = head.computes = Gate()
        future = engine.submit(text, "odd")
        assert gate.entered.wait(PATIENCE_S)
        try:
            yield SimpleNamespace(future=future, gate=gate)
        finally:
            head.computes = None
            gate.opened.set()
        wait([future], PATIENCE_S)

    return holding


@pytest.fixture
def patience_s() -> float:
    return PATIENCE_S


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def steady() -> type[SteadyPace]:
    return SteadyPace


@pytest.fixture
def passes(model) -> list[tuple[int, ...]]:
    """The lengths of the rows of each pass through the encoder."""
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].packing.lengths))
    return seen
