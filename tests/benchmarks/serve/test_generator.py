"""A schedule that is kept, whatever the server does."""

import asyncio
from collections import Counter

import pytest

from benchmarks.serve.fake_server import FakeServer
from benchmarks.serve.generator import Generator, Spec
from benchmarks.serve.http_connection import post
from benchmarks.serve.schedule import BROKEN, NO_ANSWER

REQUESTS = [("/v1/tasks/task0000/predict", '{"inputs": ["a text"]}')]


def load(server, **spec):
    """Loads a server of this process; what became of each request."""

    async def run():
        listening = await server.serve(0)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            records = await Generator(Spec(port, REQUESTS, **spec)).run()
            server.hang_up()
            await asyncio.sleep(0)  # a turn of the loop
            return records

    return asyncio.run(run())


def statuses(records):
    return Counter(record.status for record in records)


class Silent(FakeServer):
    """Never answers."""

    def take(self, answer, *, is_quick):
        """Forgets it."""


class Closing(FakeServer):
    """Ends the connection instead of answering."""

    def take(self, answer, *, is_quick):
        """Hangs up."""
        answer.close()


def test_at_a_constant_rate_every_request_is_sent_and_answered():
    records = load(FakeServer(0, 100), seconds=0.1, per_s=500, marker="label")
    assert [record.due_s for record in records] == [number / 500 for number in range(50)]
    assert statuses(records) == {200: 50}
    assert all(record.sent_s >= record.due_s for record in records)


def test_a_slow_server_does_not_slow_the_schedule_and_its_queue_counts():
    records = load(FakeServer(0.01, 100), seconds=0.1, per_s=200, marker="label")
    assert len(records) == 20
    assert records[-1].latency_s >= 0.05  # of 0.2 s of work half was done when it was due


def test_refusals_are_told_by_their_status():
    records = load(FakeServer(0.02, 0), seconds=0.1, per_s=200)
    found = statuses(records)
    assert found[429] > found[200] > 0


def test_what_is_not_answered_when_the_waiting_ends_is_told():
    records = load(Silent(0, 0), seconds=0.05, per_s=100, grace_s=0.0)
    assert statuses(records) == {NO_ANSWER: 5}


def test_a_connection_that_breaks_is_told():
    records = load(Closing(0, 0), seconds=0.05, per_s=100)
    assert statuses(records) == {BROKEN: 5}


def test_a_server_that_does_not_listen_is_told():
    async def run():
        listening = await FakeServer(0, 0).serve(0)
        port = listening.sockets[0].getsockname()[1]
        listening.close()
        await listening.wait_closed()
        return await Generator(Spec(port, REQUESTS, seconds=0.02, per_s=100)).run()

    assert statuses(asyncio.run(run())) == {BROKEN: 2}


def test_an_answer_without_its_marker_is_none():
    records = load(FakeServer(0, 100), seconds=0.02, per_s=100, marker="probability")
    assert statuses(records) == {BROKEN: 2}


def test_in_a_closed_loop_so_many_are_under_way():
    records = load(FakeServer(0.001, 100), seconds=10, in_flight=4, n=40)
    assert statuses(records) == {200: 40}
    starts = sorted(record.due_s for record in records)
    ends = sorted(record.done_s for record in records)
    # the fifth begins when the first has ended
    assert all(start >= end for start, end in zip(starts[4:], ends, strict=False))


def test_a_closed_loop_ends_though_nobody_answers():
    records = load(Silent(0, 0), seconds=0.02, in_flight=3, grace_s=0.0)
    assert statuses(records) == {NO_ANSWER: 3}


def test_with_few_connections_requests_wait_and_their_latency_runs():
    records = load(FakeServer(0.01, 100), seconds=0.05, per_s=200, connections=1)
    assert statuses(records) == {200: 10}
    assert max(record.sent_s - record.due_s for record in records) >= 0.03


@pytest.mark.parametrize("text", ["a text", "ein Täxt"])
def test_a_request_tells_its_length_in_bytes(text):
    head, _, body = post("/path", text.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /path HTTP/1.1\r\n")
    assert f"Content-Length: {len(text.encode())}".encode() in head
    assert body == text.encode()
