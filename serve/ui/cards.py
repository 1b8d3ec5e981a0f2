"""The page of tasks as HTML: the table with its figures, and what one task is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from polyhead.serve.ui.markup import Markup, element, joined

if TYPE_CHECKING:
    from polyhead.serve.engine import EngineHealth
    from polyhead.serve.store import StoreStatistics, TaskRecord
    from polyhead.serve.ui.figures import TaskFigures

__all__ = ["about_server", "about_task", "readme_of", "tasks_table"]

_STATES: Final = {
    "resident": "in memory",
    "loading": "loading",
    "on_disk": "on disk",
    "damaged": "damaged",
}
_MOST_LABELS: Final = 50
_NO_FIGURE: Final = "–"  # noqa: RUF001 - a dash that is as wide as a digit
_COLUMNS: Final = ("Texts", "Errors", "Wait, ms", "Work, ms", "Size")


def about_server(health: EngineHealth, statistics: StoreStatistics) -> Markup:
    """How the engine and the store do, in one line."""
    state = "ready" if health.is_ready else "stopping" if health.is_draining else "not ready"
    parts = [
        f"Engine {state}",
        f"{health.n_waiting} waiting",
        f"{health.tokens_per_s:.0f} tokens/s",
        f"{statistics.n_resident} tasks in memory ({_bytes(statistics.n_bytes)})",
    ]
    if health.n_restarts:
        parts.append(f"{health.n_restarts} restarts")
    return element("p", " · ".join(parts), class_="ph-note")


def tasks_table(rows: Sequence[tuple[TaskRecord, TaskFigures]], n_more: int) -> Markup:
    """One row for each task.

    Args:
        rows: What is known of each, and what it was asked.
        n_more: How many tasks are not among them.
    """
    heads = [element("th", name, scope="col") for name in ("Task", "Kind", "State")]
    heads += [element("th", name, scope="col", class_="ph-figure") for name in _COLUMNS]
    body = element("tbody", *(_row(record, figures) for record, figures in rows))
    table = element("table", element("thead", element("tr", *heads)), body, class_="ph-table")
    if not rows:
        return element("p", "There is no such task.", class_="ph-note")
    rest = f"{n_more} more; type a part of a name above to find one." if n_more else ""
    scrolled = element(
        "div", table, class_="ph-scroll", tabindex="0", role="region", aria_label="Tasks"
    )
    return joined(scrolled, element("p", rest, class_="ph-note") if rest else "")


def about_task(record: TaskRecord, figures: TaskFigures) -> Markup:
    """What a task is: its parts, labels, metrics, versions, an example, and what went wrong."""
    state = _STATES.get(record.state, record.state) + (", pinned" if record.pinned else "")
    versions = [str(version.version) for version in record.versions]
    facts: list[tuple[str, object]] = [
        ("State", state),
        ("Head", record.head_kind),
        ("Adapter", record.adapter_kind),
        ("Version", record.version),
        ("Versions on disk", ", ".join(versions) if len(versions) > 1 else None),
        ("Labels", _labels(record.labels or ())),
        ("Metrics", _metrics(record.metrics)),
        ("Example", _example(record.example)),
        ("Problem", record.error),
        ("Last error", figures.last_error),
    ]
    listed = [joined(element("dt", name), element("dd", value)) for name, value in facts if value]
    return element("dl", *listed, class_="ph-about ph-answer")


def readme_of(record: TaskRecord) -> str:
    """The task's card as Markdown, without the metadata in front."""
    text = record.card or ""
    if text.startswith("---\n"):
        _, found, rest = text[4:].partition("\n---\n")
        return rest.strip() if found else text
    return text


def _row(record: TaskRecord, figures: TaskFigures) -> Markup:
    numbers = (
        str(figures.n_examples),
        str(figures.n_errors),
        _milliseconds(figures.mean_queue_ms),
        _milliseconds(figures.mean_compute_ms),
        _bytes(record.n_bytes) if record.n_bytes else _NO_FIGURE,
    )
    return element(
        "tr",
        element("th", record.name, scope="row"),
        element("td", record.head_kind or _NO_FIGURE),
        element("td", _STATES.get(record.state, record.state)),
        *(element("td", number, class_="ph-figure") for number in numbers),
        data_task=record.name,
    )


def _labels(labels: Sequence[str]) -> Markup | None:
    if not labels:
        return None
    chips = [element("span", label, class_="ph-chip") for label in labels[:_MOST_LABELS]]
    n_more = len(labels) - _MOST_LABELS
    return joined(*chips, f"and {n_more} more" if n_more > 0 else "")


def _metrics(metrics: Mapping[str, Any]) -> Markup | None:
    if not metrics:
        return None
    rows = [
        element("tr", element("th", name, scope="row"), element("td", _number(value)))
        for name, value in metrics.items()
    ]
    return element("table", *rows, class_="ph-table")


def _example(example: Mapping[str, Any] | None) -> Markup | None:
    if not example:
        return None
    text = json.dumps(example, ensure_ascii=False, indent=2, default=str)
    return element("pre", text, class_="ph-json")


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _milliseconds(value: float | None) -> str:
    return _NO_FIGURE if value is None else f"{value:.1f}"


def _bytes(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:  # noqa: PLR2004 - of a unit in the next
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"
