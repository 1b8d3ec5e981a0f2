"""What was asked of serving, and what the results say of it."""

import json

import pytest

from benchmarks.serve import charts, results
from benchmarks.serve.contenders import OURS, Place, lineup
from benchmarks.serve.figures import best_peer, figures
from benchmarks.serve.saturation import CLOSED, summary
from benchmarks.serve.workload import Ask


def side(per_s, *, serves_all, name="a server"):
    return {
        "name": name,
        "note": "does things",
        "serves_all": serves_all,
        "n_tasks": 100,
        "saturation_per_s": per_s,
        "curve": [[per_s, per_s], [3 * per_s, 0.9 * per_s]],
        "closed_per_s": None,
        "resident_bytes": 10**9,
        "points": [],
    }


@pytest.fixture
def found():
    load = {
        "offered_per_s": 56.0,
        "goodput_per_s": 76.0,
        "n": 100,
        "statuses": {"200": 100},
        "latency_ms": {"p50": 40.0, "p90": 60.0, "p99": 210.0, "p100": 300.0},
        "refused_ms": {},
        "share_refused": 0.0,
        "n_errors": 0,
        "generator_cpu": 0.02,
    }
    memory = {"before": 10**9, "most": 1.1 * 10**9, "after": 10**9, "samples": []}
    return {
        "batch": {"texts_per_s": 80.0},
        "alone": {"http_ms": 22.0, "forward_ms": 20.0, "answer_ms": 20.5, "added_ms": 2.0}
        | {"idle_cpu": 0.002},
        "saturation": {
            "sides": {
                OURS: side(76.0, serves_all=True, name="polyhead"),
                "adapters": side(20.0, serves_all=True),
                "adapters-queue": side(15.0, serves_all=True),
                "litserve": side(30.0, serves_all=False),
            },
            "left_out": {"infinity": "it is\nnot there"},
        },
        "steady": {**load, "lone_ms": 20.0},
        "overload": {**load, "saturation_per_s": 76.0, "memory": memory},
        "swapping": {"extra_ms": 12.0},
        "stored": {"few_per_s": 70.0, "all_per_s": 75.0, "n_resident": {"few": 200, "all": None}},
        "starting": {"failed": "it did not"},
    }


def of(found):
    return {figure.what: figure for figure in figures(found)}


def test_the_best_peer_is_one_that_serves_all_tasks(found):
    assert best_peer(found)["saturation_per_s"] == 20.0
    met = of(found)["saturation, times the best peer that serves these tasks"]
    assert met.measured == pytest.approx(3.8)
    assert met.is_met is False


def test_latencies_are_compared_with_a_lone_request(found):
    met = of(found)
    assert met["at 70 %: p50, times a lone request"].measured == 2.0
    assert met["at 70 %: p99, times a lone request"].is_met is False


def test_one_request_refused_at_70_per_cent_is_one_too_many(found):
    assert of(found)["at 70 %: refused or failed"].is_met
    found["steady"]["statuses"] = {"200": 99, "429": 1}
    assert of(found)["at 70 %: refused or failed"].is_met is False


def test_memory_that_grows_under_overload_is_told(found):
    assert of(found)["at 300 %: most memory, of that before"].is_met is False


def test_what_was_not_measured_is_neither_met_nor_missed():
    assert {figure.is_met for figure in figures({})} == {None}


def test_a_phase_that_failed_leaves_its_figures_open(found):
    assert of(found)["start to ready"].is_met is None


def test_results_are_written_with_what_failed_and_who_was_left_out(found, tmp_path):
    markdown = results.save(
        tmp_path,
        found,
        command="python benchmarks/serve/run.py",
        threads=2,
        versions={"adapters": "1.3.0"},
        others=[0.02, 0.3],
        note="A remark.",
    )
    assert "starting failed: it did not" in markdown
    assert "infinity left out: it is not there" in markdown
    assert "up to" not in markdown
    assert (
        "at most 30 % of the processors in any run, so some figures are too low. A re" in markdown
    )
    assert "200 of ? tasks resident" in markdown
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["command"] == "python benchmarks/serve/run.py"
    assert results.kept(tmp_path) == found


def test_nothing_is_kept_where_there_was_no_run(tmp_path):
    assert results.kept(tmp_path) == {}


def test_tables_are_made_of_what_is_there():
    assert results.tables({}) == []


def test_the_plot_is_drawn(found, tmp_path):
    pytest.importorskip("matplotlib")
    charts.draw(tmp_path / "results.svg", found)
    assert "good answers a second" in (tmp_path / "results.svg").read_text()


def test_the_plot_of_nothing_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    charts.draw(tmp_path / "results.svg", {})
    assert (tmp_path / "results.svg").exists()


def test_saturation_is_the_best_of_the_medians(tmp_path):
    ours = lineup(Place(tmp_path, n_tasks=100, threads=2))[OURS]
    rounds = [
        (1.0, 70.0),
        (1.0, 74.0),
        (1.0, 90.0),  # one lucky round
        (3.0, 76.0),
        (3.0, 75.0),
        (3.0, 20.0),
        (CLOSED, 60.0),
    ]
    points = [
        {"share": share, "goodput_per_s": per_s, "offered_per_s": 80 * share, "resident_bytes": 1}
        for share, per_s in rounds
    ]
    found = summary(ours, points)
    assert found["saturation_per_s"] == 75.0
    assert found["curve"] == [[80.0, 74.0], [240.0, 75.0]]
    assert found["closed_per_s"] == 60.0


def test_every_side_is_asked_in_its_own_way(tmp_path):
    place = Place(
        tmp_path, n_tasks=100, threads=2, peer_python=tmp_path / "py", infinity=tmp_path / "inf"
    )
    taking_part = lineup(place)
    assert list(taking_part) == [
        OURS,
        "adapters",
        "adapters-context",
        "adapters-queue",
        "litserve",
        "infinity",
    ]
    for contender in taking_part.values():
        assert "{port}" in contender.recipe.command
        ((path, body),) = contender.requests([Ask(9, "some words", 4)])
        assert "some words" in body
        name = "task0001" if contender.n_tasks == 8 else "task0009"
        assert name in path + body


def test_without_peers_there_is_ours_alone(tmp_path):
    assert list(lineup(Place(tmp_path, n_tasks=100, threads=2))) == [OURS]
