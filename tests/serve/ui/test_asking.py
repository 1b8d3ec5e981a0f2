import asyncio
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from polyhead.contracts import sample_of
from polyhead.errors import (
    ExpiredError,
    InputError,
    PolyheadError,
    UnavailableError,
    UnknownTaskError,
)
from polyhead.serve.engine import Engine
from polyhead.serve.served_task import ServedTask
from polyhead.serve.ui.answer_page import answer_page, failure_page
from polyhead.serve.ui.asking import Asker, Limits
from polyhead.serve.ui.inputs import Inputs


class FakeLease:
    def __init__(self, name, released):
        self.task = ServedTask(name, name)
        self._released = released

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()

    def release(self):
        self._released.append(self.task.name)


class FakeStore:
    """Holds the tasks of a model; leases of `slow` are given when the test says so."""

    def __init__(self, model, slow=()):
        self._model = model
        self._slow = slow
        self.released = []
        self.promised = {}

    def describe(self, name):
        if name == "odd":
            raise RuntimeError("a bug")
        if name not in self._model.tasks:
            raise UnknownTaskError(name, self._model.tasks, "Ask for one of these.")
        head = self._model.heads[name]
        answer = {"properties": {"embedding": {}}} if head.kind == "embedding" else {}
        schemas = {"example": head.Example.model_json_schema(), "prediction": answer}
        sample = sample_of(head.Example)
        return SimpleNamespace(name=name, head_kind=head.kind, schemas=schemas, example=sample)

    def acquire(self, name):
        future = self.promised[name] = Future()
        if name not in self._slow:
            future.set_result(FakeLease(name, self.released))
        return future


@pytest.fixture(scope="module")
def engine(offline):
    with Engine(offline) as engine:
        yield engine


@pytest.fixture
def store(offline):
    return FakeStore(offline)


def ask(engine, store, names, inputs, **limits):
    return asyncio.run(Asker(engine, store, Limits(**limits)).ask(names, inputs))


def test_every_task_answers_as_it_does_offline(engine, store, offline):
    names = ["mood", "names", "score", "topics"]
    asked = ask(engine, store, names, Inputs(text="Ana met Bo."))
    [expected] = offline.predict(["Ana met Bo."], task=names)
    assert {one.task: str(one.outcomes[0]) for one in asked.answers} == {
        name: str(answer) for name, answer in expected.items()
    }
    assert [one.task for one in asked.answers] == names
    assert asked.n_tokens > 0
    assert sorted(store.released) == names


def test_a_task_that_is_unknown_or_fails_leaves_the_others_their_answers(engine, store, offline):
    asked = ask(engine, store, ["nobody", "mood", "odd", "next"], Inputs(text="Ana met Bo."))
    unknown, good, odd, no_choices = (one.outcomes[0] for one in asked.answers)
    assert isinstance(unknown, UnknownTaskError)
    assert str(good) == str(offline.predict(["Ana met Bo."], task="mood")[0])
    assert isinstance(odd, PolyheadError)
    assert isinstance(no_choices, InputError)
    page = answer_page(asked)
    assert page.count("ph-failed") == 3
    assert "Traceback" not in page
    assert "a bug" not in page
    assert sorted(store.released) == ["mood", "next"]


def test_a_task_picked_twice_is_asked_once(engine, store):
    assert len(ask(engine, store, ["mood", "mood"], Inputs(text="a")).answers) == 1


def test_texts_are_ranked_by_their_likeness(engine, store, offline):
    lines = ["Bo met Ana.", "Ana met Bo.", "rain"]
    asked = ask(engine, store, ["likeness"], Inputs(text="Ana met Bo.", others="\n".join(lines)))
    page = answer_page(asked)
    pairs = [("Ana met Bo.", line) for line in lines]
    found = offline.predict(pairs, task="likeness")
    alike = {line: one.similarity for line, one in zip(lines, found, strict=True)}
    ranked = sorted(lines, key=alike.__getitem__, reverse=True)
    places = [page.index(f'class="ph-label">{line}<') for line in ranked]
    assert places == sorted(places)
    assert ranked[0] == "Ana met Bo."
    assert f"{alike['rain']:.3f}" in page


def test_a_line_that_cannot_be_compared_is_named_with_the_reason(engine, store):
    asked = ask(engine, store, ["likeness"], Inputs(text="a", others="b\n\u200b"))
    page = answer_page(asked)
    assert page.count('class="ph-label"') == 1
    assert "the text has no words" in page


def test_no_task_is_refused(engine, store):
    with pytest.raises(InputError, match="no task is picked"):
        ask(engine, store, [], Inputs(text="a"))


def test_too_much_text_is_refused_before_anything_is_loaded(engine, store):
    with pytest.raises(InputError, match="11 characters, and 10"):
        ask(engine, store, ["mood"], Inputs(text="a" * 6, others="b" * 5), max_text_chars=10)
    assert not store.promised


def test_too_many_lines_are_refused_and_nothing_stays_leased(engine, store):
    with pytest.raises(InputError, match="4 texts"):
        ask(engine, store, ["likeness"], Inputs(text="a", others="b\nc\nd"), max_rows=3)
    assert store.released == ["likeness"]


def test_a_task_that_does_not_come_in_time_is_given_up_and_released_later(engine, offline):
    store = FakeStore(offline, slow=("mood",))
    asked = ask(engine, store, ["mood", "score"], Inputs(text="a"), timeout_s=0.05)
    late, good = (one.outcomes[0] for one in asked.answers)
    assert isinstance(late, ExpiredError)
    assert not isinstance(good, PolyheadError)
    assert store.released == ["score"]
    store.promised["mood"].set_result(FakeLease("mood", store.released))
    assert store.released == ["score", "mood"]


def test_an_engine_that_takes_nothing_says_so(offline, store):
    with pytest.raises(UnavailableError) as caught:
        ask(Engine(offline), store, ["mood"], Inputs(text="a"))
    assert "not started" in failure_page(caught.value)


def test_the_page_of_an_error_is_escaped_and_says_when_to_try_again():
    page = failure_page(UnavailableError("<b>busy</b>", retry_after_s=1.2))
    assert "&lt;b&gt;busy" in page
    assert "Try again in 2 s." in page
