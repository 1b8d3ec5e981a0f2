"""An event loop that is behind."""

import pytest

from polyhead.serve.http.loop_lag import LoopLag


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def looked(runner, clock, lag, seconds):
    async def look():
        lag.look()
        clock.now += seconds  # what else the round does

    runner.run(look())


def test_a_loop_that_keeps_up_has_no_lag(runner):
    clock = Clock()
    lag = LoopLag(clock)
    assert lag.seconds == 0.0
    looked(runner, clock, lag, 0.0)
    assert lag.seconds == 0.0


def test_rounds_that_take_long_are_seen_and_forgotten(runner):
    clock = Clock()
    lag = LoopLag(clock)
    for _ in range(30):
        looked(runner, clock, lag, 0.5)
    assert lag.seconds == pytest.approx(0.5, rel=0.01)
    for _ in range(30):
        looked(runner, clock, lag, 0.0)
    assert lag.seconds < 0.01


def test_a_single_round_that_takes_long_counts_for_little(runner):
    clock = Clock()
    lag = LoopLag(clock)
    for _ in range(5):
        looked(runner, clock, lag, 0.001)
    looked(runner, clock, lag, 0.4)
    assert lag.seconds == pytest.approx(0.1, rel=0.05)


def test_a_server_that_cannot_read_so_fast_refuses(server, monkeypatch):
    body = {"task": "mood", "inputs": ["a"]}
    assert server.post("/v1/predict", body).status_code == 200
    monkeypatch.setattr(LoopLag, "seconds", property(lambda _: 1.0))
    reply = server.post("/v1/predict", body)
    assert reply.status_code == 429
    assert reply.json()["error"]["code"] == "overloaded"
    assert server.get("/v1/tasks").status_code == 200
