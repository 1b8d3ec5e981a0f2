"""Every example of a request has one outcome, the first, and whoever waits is told once."""

import asyncio
import logging
import threading

import pytest

from polyhead.contracts import Prediction
from polyhead.errors import CancelledError, InputError
from polyhead.serve import Request, ServedTask

A, B = ServedTask("a", "a"), ServedTask("b", "b@2", "2")
ANSWER = Prediction()


def test_it_is_done_when_the_last_example_has_its_outcome():
    request = Request({A: 2, B: 1})
    refused = InputError("too long")
    assert request.settle(A, 1, ANSWER)
    assert request.settle(B, 0, refused)
    assert not request.done.done()
    with pytest.raises(RuntimeError, match=r"wait for request\.done"):
        _ = request.outcomes
    assert request.settle(A, 0, refused)
    assert request.done.result(0) is None
    assert request.outcomes == {"a": [refused, ANSWER], "b": [refused]}


def test_the_first_outcome_stays():
    request = Request({A: 1})
    assert request.settle(A, 0, ANSWER)
    assert not request.settle(A, 0, InputError("too late"))
    request.give_up()
    assert request.outcomes == {"a": [ANSWER]}


@pytest.mark.parametrize("asked", [{}, {A: 0}, {A: 0, B: 0}])
def test_one_of_no_examples_is_done_at_once(asked):
    request = Request(asked)
    assert request.done.done()
    assert request.outcomes == {task.name: [] for task in asked}


def test_one_that_is_given_up_tells_who_listens_and_settles_the_rest():
    request = Request({A: 3})
    request.settle(A, 1, ANSWER)
    told = []
    request.when_given_up(lambda: told.append(request.done.done()))
    request.give_up()
    request.give_up()
    assert told == [False]
    assert request.is_cancelled
    first, second, third = request.outcomes["a"]
    assert second is ANSWER
    assert isinstance(first, CancelledError)
    assert isinstance(third, CancelledError)


def test_who_listens_too_late_is_told_at_once():
    request = Request({A: 1})
    request.give_up()
    told = []
    request.when_given_up(lambda: told.append(1))
    assert told == [1]


def test_who_listens_is_forgotten_once_it_is_done():
    request = Request({A: 1})
    told = []
    request.when_given_up(lambda: told.append(1))
    request.settle(A, 0, ANSWER)
    request.when_given_up(lambda: told.append(2))
    assert request._on_give_up == []
    request.give_up()
    assert told == []


def test_an_event_loop_that_waits_no_more_does_not_cancel_it():
    request = Request({A: 1})

    async def wait_briefly():
        waiting = asyncio.ensure_future(asyncio.wrap_future(request.done))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(wait_briefly())
    assert not request.done.cancelled()
    assert request.settle(A, 0, ANSWER)
    assert request.outcomes == {"a": [ANSWER]}


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3)])
def test_what_fails_in_a_callback_is_no_fault_of_who_settles(error, caplog):
    request = Request({A: 1})

    def fail(_):
        raise error

    request.done.add_done_callback(fail)
    with caplog.at_level(logging.ERROR):
        assert request.settle(A, 0, ANSWER)
    assert request.done.done()
    assert caplog.records


def test_threads_that_settle_the_same_examples_finish_it_once():
    n_examples, n_threads = 50, 8
    request = Request({A: n_examples})
    finished = []
    request.done.add_done_callback(lambda _: finished.append(1))
    start = threading.Barrier(n_threads)
    firsts = []

    def settle(number):
        start.wait()
        if number == 0:
            request.give_up()
        firsts.extend(place for place in range(n_examples) if request.settle(A, place, ANSWER))

    threads = [threading.Thread(target=settle, args=(number,)) for number in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert finished == [1]
    assert len(firsts) == len(set(firsts))
    assert None not in request.outcomes["a"]
