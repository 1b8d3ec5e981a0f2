"""How much of the machine other programs take."""

import os

import pytest

from benchmarks.speed import load


def test_others_have_what_the_own_process_has_not(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    share = load.others_share(10.0, 14.0, own_cpu_s=2.0, wall_s=1.0)
    assert share == pytest.approx(0.5)


def test_less_than_the_own_time_is_no_share():
    assert load.others_share(10.0, 11.0, own_cpu_s=1.2, wall_s=1.0) == 0.0


def test_a_short_time_cannot_be_judged():
    assert load.others_share(10.0, 11.0, own_cpu_s=0.0, wall_s=0.001) == 0.0


def test_a_system_that_does_not_tell_has_no_share(monkeypatch, tmp_path):
    monkeypatch.setattr(load, "_STAT", tmp_path / "stat")
    assert load.busy_s() is None
    assert load.others_share(None, None, own_cpu_s=1.0, wall_s=1.0) == 0.0


def test_busy_time_leaves_out_idling_and_waiting(monkeypatch, tmp_path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 5000 400 1 2 3 50 60\ncpu0 ...\n")
    monkeypatch.setattr(load, "_STAT", stat)
    assert load.busy_s() == pytest.approx(156 / os.sysconf("SC_CLK_TCK"))


def test_waiting_ends_where_nobody_is_busy(monkeypatch):
    slept = []
    monkeypatch.setattr(load.time, "sleep", slept.append)
    monkeypatch.setattr(load, "busy_s", lambda: 7.0)
    load.wait_until_quiet(0.3, limit_s=1000.0)
    assert slept == [0.3, load.LOOK_S]
