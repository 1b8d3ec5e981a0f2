"""Many threads and event loops ask one engine at once; each gets its own answers."""

import asyncio
import gc
import random
import threading
from concurrent.futures import CancelledError as FutureCancelled
from dataclasses import replace

import pytest

from polyhead.contracts import Prediction
from polyhead.errors import CancelledError, InputError, OverloadedError, PolyheadError
from polyhead.serve import Request, ServedTask

TEXTS = ["the cat sat", "a bad day", "red", "the dog ran on the mat", "is the mat blue"]
TASKS = ["mood", "topic", "bare"]


@pytest.fixture
def expected(model):
    return {
        (text, task): answer
        for task in TASKS
        for text, answer in zip(TEXTS, model.predict(TEXTS, task=task), strict=True)
    }


def is_same(found, other):
    return found.label == other.label and found.probabilities == pytest.approx(
        other.probabilities, abs=1e-5
    )


def run(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_thirty_two_threads_are_answered_as_each_alone(make_engine, expected):
    engine = make_engine()
    wrong = []

    def ask(seed):
        chance = random.Random(seed)  # noqa: S311 - any order will do
        asked = [(chance.choice(TEXTS), chance.choice(TASKS)) for _ in range(50)]
        futures = [
            engine.submit(*each, priority=chance.choice(["bulk", "interactive"])) for each in asked
        ]
        for each, future in zip(asked, futures, strict=True):
            if not is_same(future.result(60), expected[each]):
                wrong.append(each)

    run([threading.Thread(target=ask, args=(seed,)) for seed in range(32)])
    assert wrong == []
    assert engine.health().n_waiting == 0


def test_several_event_loops_ask_at_once(make_engine, expected):
    engine = make_engine()
    wrong = []

    async def ask(seed):
        chance = random.Random(seed)  # noqa: S311
        asked = [(chance.choice(TEXTS), chance.choice(TASKS)) for _ in range(20)]
        found = await asyncio.gather(*(engine.asubmit(*each) for each in asked))
        wrong.extend(
            each for each, one in zip(asked, found, strict=True) if not is_same(one, expected[each])
        )

    run([threading.Thread(target=lambda seed=seed: asyncio.run(ask(seed))) for seed in range(4)])
    assert wrong == []


def test_an_event_loop_is_not_held_up_while_it_waits(make_engine, held):
    engine = make_engine()

    async def ask():
        waiting = asyncio.ensure_future(engine.asubmit("red", "mood"))
        while not engine.health().n_waiting:  # noqa: ASYNC110 - another thread makes it so
            await asyncio.sleep(0)
        holding.gate.opened.set()
        return await waiting

    with held(engine) as holding:
        assert isinstance(asyncio.run(ask()), Prediction)


def test_a_cancelled_asyncio_task_gives_its_request_up(make_engine, held):
    engine = make_engine()

    async def ask():
        waiting = asyncio.ensure_future(engine.asubmit("red", "mood"))
        while not engine.health().n_waiting:  # noqa: ASYNC110 - another thread makes it so
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        while engine.health().n_waiting:  # noqa: ASYNC110 - until the loop has told it
            await asyncio.sleep(0)

    with held(engine):
        asyncio.run(asyncio.wait_for(ask(), 20))
    assert engine.is_ready


def test_a_loop_that_waits_for_a_request_and_is_cancelled_harms_nobody(make_engine, held):
    engine = make_engine()

    async def ask():
        request = engine.enqueue(engine.read({"mood": ["red"]}))
        waiting = asyncio.ensure_future(asyncio.wrap_future(request.done))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return request

    with held(engine):
        request = asyncio.run(ask())
        other = engine.submit("red", "topic")
    assert isinstance(other.result(20), Prediction)
    request.done.result(20)
    assert isinstance(request.outcomes["mood"][0], Prediction)
    assert engine.health().n_restarts == 0


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(1)])
def test_a_callback_that_fails_harms_nobody(make_engine, held, error, caplog):
    engine = make_engine()

    def fail(_):
        raise error

    with held(engine):
        first = engine.submit("red", "mood")
        first.add_done_callback(fail)
        second = engine.submit("blue", "mood")
    assert isinstance(first.result(20), Prediction)
    assert isinstance(second.result(20), Prediction)
    assert engine.wait_until_empty(20)
    assert engine.health().n_restarts == 0


def test_a_callback_may_ask_again(make_engine):
    """It is run in the engine's thread, which holds no lock then."""
    engine = make_engine()
    again = []
    done = threading.Event()

    def ask_again(_):
        again.append(engine.submit("blue", "topic"))
        again[0].add_done_callback(lambda _: done.set())

    engine.submit("red", "mood").add_done_callback(ask_again)
    assert done.wait(20)
    assert isinstance(again[0].result(20), Prediction)


def test_no_foreign_code_is_called_under_the_lock(make_engine, held, clock):
    """Another thread can ask how it does from within a callback, an observer and a head."""
    outcomes = {}

    def look(where):
        def looking(*_):
            thread = threading.Thread(target=engine.health)
            thread.start()
            thread.join(20)
            outcomes.setdefault(where, True)
            outcomes[where] &= not thread.is_alive()

        return looking

    class Observer:
        batch = staticmethod(look("observer"))

    engine = make_engine(observers=[Observer()], clock=clock)
    with held(engine):
        for name, options in {
            "answered": {},
            "expired": {"timeout_s": 1.0},
            "given up": {},
        }.items():
            engine.submit("red", "mood", **options).add_done_callback(look(name))
        request = engine.enqueue(engine.read({"mood": ["red"]}))
        request.done.add_done_callback(look("cancelled"))
        request.give_up()
        clock.now += 1.0
    assert engine.wait_until_empty(20)
    with held(engine):
        engine.submit("red", "mood").add_done_callback(look("closed"))
        thread = threading.Thread(target=engine.close, args=(0.0,))
        thread.start()
    thread.join(20)
    assert outcomes == dict.fromkeys(
        ["observer", "answered", "expired", "given up", "cancelled", "closed"], True
    )


def test_asking_giving_up_and_closing_at_once_leaves_nobody_waiting(make_engine):
    engine = make_engine(max_batch_tokens=64)
    requests, errors = [], []

    def ask(seed):
        chance = random.Random(seed)  # noqa: S311
        for _ in range(40):
            try:
                reading = engine.read({chance.choice(TASKS): [chance.choice(TEXTS), ""]})
                requests.append(
                    engine.enqueue(reading, priority=chance.choice(["interactive", "bulk"]))
                )
            except PolyheadError as error:
                errors.append(error)
            else:
                if chance.random() < 0.3:
                    requests[-1].give_up()
            if seed == 0 and len(requests) > 100:
                engine.close(0.0)

    run([threading.Thread(target=ask, args=(seed,)) for seed in range(6)])
    engine.close(0.0)
    for request in requests:
        request.done.result(20)
        for outcomes in request.outcomes.values():
            assert all(isinstance(each, Prediction | PolyheadError) for each in outcomes)
    assert engine.health().n_waiting == 0


def test_a_future_is_cancelled_or_answered_and_never_both(make_engine):
    engine = make_engine()
    futures = [engine.submit("red", "mood") for _ in range(200)]
    cancelled = [future.cancel() for future in futures]
    for future, is_cancelled in zip(futures, cancelled, strict=True):
        if is_cancelled:
            with pytest.raises(FutureCancelled):
                future.result(20)
        else:
            assert isinstance(future.result(20), Prediction)
    assert engine.wait_until_empty(20)


def test_a_request_given_up_by_many_while_it_is_computed_is_done_once(make_engine):
    engine = make_engine()
    for _ in range(20):
        request = engine.enqueue(engine.read({"mood": TEXTS}))
        run([threading.Thread(target=request.give_up) for _ in range(4)])
        request.done.result(20)
        found = request.outcomes["mood"]
        assert all(isinstance(each, Prediction | CancelledError) for each in found)


def entries(value, depth=4):
    """How many things an object of the engine holds, in dicts, lists and sets."""
    if depth == 0:
        return 0
    if isinstance(value, dict):
        return len(value) + sum(entries(each, depth - 1) for each in value.values())
    if isinstance(value, list | set | tuple):
        return len(value) + sum(entries(each, depth - 1) for each in value)
    if type(value).__module__.startswith("polyhead.serve"):
        return entries(getattr(value, "__dict__", {}), depth)
    return 0


def held_by(engine):
    return {
        name: entries(value)
        for name, value in vars(engine).items()
        if name not in {"model", "settings"}
    }


def test_twenty_thousand_requests_leave_nothing_behind(make_engine, model):
    """Of all sorts: answered, refused, given up, failed, expired; of tasks that come and go."""
    engine = make_engine(failures_to_break=10**9, max_batch_tokens=4096)
    engine._worker._answering.outcomes = lambda examples: dict.fromkeys(examples, answer)
    [answer] = model.predict("red", task="mood")
    reading = engine.read({"mood": ["red"]})
    before = None
    for number in range(20_000):
        again = reread(reading, number)
        request = engine.enqueue(
            again,
            priority="bulk" if number % 3 == 0 else "interactive",
            timeout_s=None if number % 2 else 1e6,
        )
        if number % 5 == 0:
            request.give_up()
        if number in {999, 19_999}:
            assert engine.wait_until_empty(20)
            del again, request
            gc.collect()
            n_objects = sum(type(each).__name__ in KINDS for each in gc.get_objects())
            found = held_by(engine), n_objects
            before = before or found
    assert before == found


KINDS = {"Request", "AskedExample", "Waiting", "Reading", "Future"}


def reread(reading, number):
    """The same example in a request of its own, of one of many tasks."""
    [example] = reading.examples
    task = ServedTask(f"t{number % 3000}", "mood")
    request = Request({task: 1})
    asked = replace(example.asked, served=task)
    return replace(
        reading, request=request, examples=[replace(example, request=request, asked=asked)]
    )


def test_failing_tasks_that_come_and_go_leave_nothing_behind(make_engine):
    engine = make_engine()
    for number in range(200):
        engine._breakers.failed(f"t{number}")
        engine.forget(type("Gone", (), {"key": f"t{number}"}))
        engine.submit("", "mood").exception(20)
    assert engine._breakers._known == {}
    with pytest.raises(InputError):
        engine.submit("", "mood").result(20)


def test_what_is_refused_under_load_is_held_by_nobody(make_engine, held, steady):
    engine = make_engine(pace=steady(0.0, 1.0), max_wait_s=1.0)
    with held(engine):
        before = held_by(engine)
        for _ in range(200):
            with pytest.raises(OverloadedError):
                engine.submit("red", "mood")
        assert held_by(engine) == before
