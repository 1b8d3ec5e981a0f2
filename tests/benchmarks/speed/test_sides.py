"""Processes that answer in JSON lines, and what is said when they do not."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.speed import sides
from benchmarks.speed.sides import Side, SideError

ROOT = Path(__file__).parents[3]
TOY = f"""
import sys
sys.path.append({str(ROOT)!r})
from benchmarks.speed import answering
from benchmarks.speed.answering import Prepared

def prepare(spec, rows):
    print("a library talks")
    if spec.get("broken"):
        raise ValueError("no such thing")
    if spec.get("figure"):
        return Prepared(lambda: 7.0, is_figure=True)
    answer = [[float(len(row))] for row in rows]
    return Prepared(lambda: answer, logits=lambda: answer, facts={{"rows": len(rows)}})

answering.answer_lines(prepare)
"""


@pytest.fixture
def toy(tmp_path):
    script = tmp_path / "toy_side.py"
    script.write_text(TOY)
    side = Side("toy", [sys.executable, "-P", str(script)], os.environ)
    yield side
    side.close()


def test_a_side_prepares_and_is_timed(toy):
    answer = toy.prepare("a", {}, [[1, 2], [3]])
    assert answer["logits"] == [[2.0], [1.0]]
    assert answer["facts"] == {"rows": 2}
    run = toy.run("a", calls=3)
    assert len(run.figures) == 2  # the first only wakes the threads up
    assert all(seconds >= 0 for seconds in run.figures)


def test_one_call_alone_counts(toy):
    toy.prepare("a", {}, [[1]])
    assert len(toy.run("a").figures) == 1


def test_a_figure_takes_the_place_of_the_time(toy):
    toy.prepare("a", {"figure": True}, [])
    assert toy.run("a").figures == (7.0,)


def test_what_a_library_raises_comes_back_as_a_sentence(toy):
    with pytest.raises(SideError, match="a: ValueError: no such thing"):
        toy.prepare("a", {"broken": True}, [])
    assert toy.prepare("b", {}, [[1]])["logits"] == [[1.0]]  # and the side lives on


def test_a_side_that_ends_says_its_last_words():
    side = Side("toy", [sys.executable, "-c", "raise SystemExit('no torch here')"], os.environ)
    with pytest.raises(SideError, match="the side of toy ended: no torch here"):
        side.prepare("a", {}, [])
    side.close()


def test_a_python_that_is_not_there_is_said():
    with pytest.raises(SideError, match="is no Python that runs"):
        sides.peer_versions(Path("/no/such/python"), ["torch"])


def test_a_missing_distribution_is_named_with_the_remedy():
    with pytest.raises(SideError, match=r"has no surely-not-there; install .*peers-requirements"):
        sides.peer_versions(Path(sys.executable), ["pip", "surely-not-there"])


def test_versions_are_told():
    found = sides.peer_versions(Path(sys.executable), ["torch"])
    assert found.keys() == {"python", "torch"}


def test_a_checkpoint_that_cannot_be_written_is_said(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no transformers here >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(SideError, match="no checkpoint could be written: no transformers here"):
        sides.write_checkpoint(python, tmp_path)
