"""When a client asks again: the conversation step by step, on a clock of its own."""

import pytest

from polyhead.client.retrying import Retrying
from polyhead.client.steps import Call, Lost, Pause, Reply, Send
from polyhead.errors import ServerError

CALL = Call("POST", "/v1/predict")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def held(said, *, retries=3, timeout_s=10.0, call=CALL, chance=0.0, seconds_each=0.0):
    """The steps of a conversation in which the server says these in turn, and how it ends."""
    clock, left = Clock(), list(said)
    talk = Retrying(retries, clock, lambda: chance).reply_to(call, timeout_s)
    steps = [next(talk)]
    while True:
        reply = None
        if isinstance(steps[-1], Send):
            clock.now += seconds_each
            reply = left.pop(0)
        else:
            clock.now += steps[-1].seconds
        try:
            steps.append(talk.send(reply))
        except StopIteration as end:
            return steps, end.value
        except ServerError as error:
            return steps, error


def waits(steps):
    return [step.seconds for step in steps if isinstance(step, Pause)]


def later(**headers):
    return Reply(503, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


FINE = Reply(200, {}, b"{}")
RESET = Lost("reset", is_timeout=False, was_sent=True)
REFUSED = Lost("refused", is_timeout=False, was_sent=False)


def test_waits_double_where_the_server_says_nothing():
    steps, reply = held([later()] * 3 + [FINE])
    assert waits(steps) == [0.1, 0.2, 0.4]
    assert reply is FINE


def test_waits_are_spread_so_that_callers_do_not_come_back_together():
    assert waits(held([later(retry_after="2"), FINE], chance=1.0)[0]) == [2.5]
    assert waits(held([later(), FINE], chance=0.5)[0]) == [0.1125]


def test_waits_stay_bounded():
    steps, _ = held([later()] * 20 + [FINE], retries=20, timeout_s=1e6)
    assert max(waits(steps)) == 10.0


@pytest.mark.parametrize("told", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "nan", "inf", "soon"])
def test_what_is_no_number_of_seconds_is_not_believed(told):
    assert waits(held([later(retry_after=told), FINE])[0]) == [0.1]


def test_the_finer_wait_of_the_body_counts():
    reply = Reply(429, {"retry-after": "1"}, b'{"error": {"message": "m", "retry_after_s": 0.3}}')
    assert waits(held([reply, FINE])[0]) == [0.3]


def test_no_wait_goes_past_the_time_that_was_given():
    steps, reply = held([later(retry_after="11")])
    assert waits(steps) == []
    assert reply.status == 503
    steps, _ = held([later(retry_after="4")] * 9, timeout_s=10, retries=9)
    assert waits(steps) == [4, 4]


def test_each_try_gets_what_is_left_of_the_time():
    steps, _ = held([later(retry_after="3"), FINE], seconds_each=1.0)
    assert [step.timeout_s for step in steps if isinstance(step, Send)] == [10.0, 6.0]


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 408, 413, 422, 500, 502, 504])
def test_other_replies_are_final(status):
    steps, reply = held([Reply(status, {"retry-after": "1"}, b"")])
    assert len(steps) == 1
    assert reply.status == status


def test_lost_requests_are_repeated_where_that_changes_nothing():
    assert held([RESET, REFUSED, FINE])[1] is FINE
    once = Call("POST", "/v1/admin/tasks/a/rollback", is_repeatable=False)
    steps, error = held([RESET], call=once)
    assert (len(steps), error.code) == (1, "unreachable")
    assert held([REFUSED, FINE], call=once)[1] is FINE


def test_no_retries_means_one_try():
    steps, error = held([REFUSED], retries=0)
    assert len(steps) == 1
    assert "refused" in str(error)


def test_calls_do_not_show_their_keys():
    assert "hush" not in repr(Call("GET", "/", body=b"hush", key="hush"))
