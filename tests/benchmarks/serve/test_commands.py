"""The commands answer bad input with a sentence, and keep what they were asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.serve import run, soak
from benchmarks.serve.bench import Plan
from benchmarks.serve.contenders import OURS, Place
from benchmarks.serve.servers import ServerError
from benchmarks.speed.sides import SideError

FOLDER = Path(__file__).parents[3] / "benchmarks" / "serve"


def options(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    return run.parse_options()


def refused(monkeypatch, capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        options(monkeypatch, *arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("option", ["--tasks", "--rounds", "--threads"])
def test_none_at_all_are_refused(monkeypatch, capsys, option):
    assert "at least 1" in refused(monkeypatch, capsys, option, "0")


def test_more_resident_than_there_are_is_refused(monkeypatch, capsys):
    told = refused(monkeypatch, capsys, "--stored", "10", "--resident", "10")
    assert "--stored takes more than --resident" in told


def test_figures_that_mean_nothing_do_not_take_the_place_of_those_that_do(monkeypatch, capsys):
    assert "take an --out" in refused(monkeypatch, capsys, "--try")


def test_the_default_plan_is_that_of_the_figures_asked(monkeypatch):
    plan = run.plan_of(options(monkeypatch))
    assert plan == Plan()
    assert plan.steady_s >= 60
    assert (plan.n_stored, plan.n_resident) == (2000, 200)
    assert plan.n_starts == 5


def test_a_side_that_does_not_exist_is_refused(monkeypatch, tmp_path):
    given = options(monkeypatch, "--sides", "litserve")
    with pytest.raises(ServerError, match=r"no side litserve; there are polyhead\. Those of"):
        run.lineup_of(given, Place(tmp_path, n_tasks=2, threads=1))


def test_sides_leave_others_out_and_ours_in(monkeypatch, tmp_path):
    given = options(monkeypatch, "--sides", "litserve")
    place = Place(tmp_path, n_tasks=2, threads=1, peer_python=tmp_path)
    assert list(run.lineup_of(given, place)) == [OURS, "litserve"]


def test_an_environment_without_infinity_names_its_own_requirements(monkeypatch):
    given = options(monkeypatch, "--infinity", str(Path(sys.executable).parent / "infinity_emb"))
    with pytest.raises(SideError, match="has no infinity_emb; install benchmarks/infinity-req"):
        run.versions_of(given)


def test_the_command_is_kept_without_the_folders_of_the_machine(monkeypatch):
    given = options(
        monkeypatch, "--peer-python", "/home/me/py", "--only", "steady", "--threads", "2"
    )
    assert run.command_of(given) == (
        "python benchmarks/serve/run.py --peer-python PEER_PYTHON --only steady --tasks 100 "
        "--stored 2000 --resident 200 --rounds 3 --seconds 12 --threads 2"
    )


@pytest.mark.parametrize("name", ["run", "soak", "fake_server"])
def test_each_command_has_a_help(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", str(FOLDER / f"{name}.py"), "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0
    assert "usage:" in done.stdout


def test_a_soak_is_good_where_memory_is_flat_after_the_warm_up():
    found = soak.Soak(
        rows=[10_000 * number for number in range(1, 11)],
        n_bytes=[10**6, 5 * 10**8, *[10**9] * 8],
    )
    found.statuses["200"] = 100
    assert found.mb_per_sample == pytest.approx(0)
    assert found.is_good
    found.statuses["500"] = 1
    assert not found.is_good


def test_a_soak_that_grows_by_two_megabytes_a_look_is_not_good():
    rows = [10_000 * number for number in range(1, 11)]
    found = soak.Soak(rows=rows, n_bytes=[10**9 + 200 * n for n in rows])
    found.statuses["200"] = 100
    assert found.mb_per_sample == pytest.approx(2.0)
    assert not found.is_good


def test_the_requests_of_a_soak_have_as_many_rows_as_between_two_looks():
    requests = soak.requests_of(0, n_tasks=5, n_inputs=100)
    assert len(requests) == 100
    assert requests != soak.requests_of(1, n_tasks=5, n_inputs=100)
