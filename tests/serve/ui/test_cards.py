from types import SimpleNamespace

import pytest

from polyhead.serve.engine import EngineHealth
from polyhead.serve.store import StoreStatistics, TaskRecord, VersionRecord
from polyhead.serve.ui.cards import about_server, about_task, readme_of, tasks_table
from polyhead.serve.ui.figures import TaskFigures

ATTACK = "<img src=x onerror=alert(1)>"
STATISTICS = dict.fromkeys(StoreStatistics.model_fields, 0)


def health(**fields):
    usual = {
        "is_running": True,
        "is_draining": False,
        "is_stalled": False,
        "n_waiting": 0,
        "waiting_tokens": 0,
        "tokens_per_s": 1234.5,
        "estimated_wait_s": 0.0,
        "n_restarts": 0,
    }
    return EngineHealth(**{**usual, **fields})


def about(**fields):
    return about_task(TaskRecord(name="mood", state="on_disk", **fields), TaskFigures())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Engine ready"),
        ({"is_draining": True}, "Engine stopping"),
        ({"is_running": False}, "Engine not ready"),
        ({"n_restarts": 2}, "2 restarts"),
    ],
)
def test_the_server_says_how_it_does(fields, said):
    statistics = StoreStatistics(**{**STATISTICS, "n_resident": 3, "n_bytes": 4_200_000})
    line = about_server(health(**fields), statistics)
    assert said in line
    assert "3 tasks in memory (4.2 MB)" in line


def test_a_row_has_the_figures_of_its_task():
    record = TaskRecord(name="mood", state="resident", head_kind="classification", n_bytes=1200)
    figures = TaskFigures(n_examples=4, n_errors=1, queue_s=0.002, compute_s=0.1)
    table = tasks_table([(record, figures)], 0)
    cells = [part.partition("<")[0] for part in table.split(">")]
    assert [cell for cell in cells if cell][8:] == [
        "mood", "classification", "in memory", "4", "1", "0.5", "25.0", "1.2 kB",
    ]  # fmt: skip


def test_a_task_that_was_not_asked_has_dashes():
    table = tasks_table([(TaskRecord(name="mood", state="damaged"), TaskFigures())], 7)
    assert table.count("–") == 4  # noqa: RUF001 - the dash of the page
    assert "7 more" in table


def test_no_task_is_said():
    assert "no such task" in tasks_table([], 0)


def test_a_card_tells_what_the_task_is():
    versions = [
        VersionRecord(
            version=name, created=None, is_current=False, is_resident=False, is_archived=True
        )
        for name in ("aa", "bb")
    ]
    html = about(
        head_kind="classification",
        labels=["bad", "good"],
        metrics={"accuracy": 0.91234},
        version="aa",
        versions=versions,
        pinned=True,
        example={"text": "a text"},
        error="its digest differs",
    )
    for said in ("on disk, pinned", "bad", "0.9123", "aa, bb", "a text", "its digest differs"):
        assert said in html


def test_a_card_leaves_out_what_is_not_known():
    assert about().count("<dt>") == 1


def test_a_card_shows_html_as_text():
    html = about(labels=[ATTACK], metrics={ATTACK: 1.0}, example={"text": ATTACK}, error=ATTACK)
    assert "<img" not in html
    assert html.count("&lt;img") == 4


def test_many_labels_are_cut_short():
    html = about(labels=[str(number) for number in range(60)])
    assert html.count("ph-chip") == 50
    assert "and 10 more" in html


@pytest.mark.parametrize(
    ("card", "read"),
    [
        ("---\ntags: [a]\n---\n\n# mood\n", "# mood"),
        ("# mood\n---\n", "# mood\n---\n"),
        ("---\nno end", "---\nno end"),
        (None, ""),
    ],
)
def test_a_card_is_read_without_the_metadata_in_front(card, read):
    assert readme_of(SimpleNamespace(card=card)) == read
