"""Plots, where matplotlib is there."""

import importlib.util

import pytest

from benchmarks.speed import charts


def test_without_matplotlib_a_remark_takes_the_plots_place(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    charts.draw_bars(tmp_path / "speed.svg", {"ours": 2.0}, ["ours"], "texts a second")
    charts.draw_lines(tmp_path / "latency.svg", [8], {"ours": [1.0]}, ["ours"], "one text")
    assert not list(tmp_path.iterdir())
    told = capsys.readouterr().err
    assert "no speed.svg: matplotlib" in told
    assert "no latency.svg: matplotlib" in told


def test_plots_name_every_contender(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra `plot`")
    charts.draw_bars(tmp_path / "a.svg", {"ours": 2.0, "theirs": 1.0}, ["ours"], "texts a second")
    values = {"ours": [1.0, 2.0], "theirs": [3.0, 4.0]}
    charts.draw_lines(tmp_path / "b.svg", [8, 32], values, ["ours"], "one text")
    for name in ("a.svg", "b.svg"):
        drawn = (tmp_path / name).read_text(encoding="utf-8")
        assert "ours" in drawn
        assert "theirs" in drawn


def test_the_same_figures_make_the_same_file(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra `plot`")
    for name in ("a.svg", "b.svg"):
        charts.draw_bars(tmp_path / name, {"ours": 2.0}, ["ours"], "texts a second")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
