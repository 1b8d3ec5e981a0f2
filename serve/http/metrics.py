"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from polyhead.serve.engine import Engine
    from polyhead.serve.observing import BatchReport
    from polyhead.serve.store import TaskStore

__all__ = ["ServerMetrics"]

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TOKENS: Final = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 16384)


@dataclass
class _TaskFigures:
    """What is known of one task."""

    n_asked: int = 0
    n_computed: int = 0
    n_tokens: int = 0
    n_cut: int = 0
    queue_s: float = 0.0
    compute_s: float = 0.0
    errors: Tally[str] = field(default_factory=Tally)


class ServerMetrics:
    """Counts requests and looks on at the engine: an EngineObserver.

    Labels are names of tasks, routes and codes that the server knows; never what a client sent.

    Attributes:
        registry: What /metrics shows; the process's own registry is left alone.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._tasks: defaultdict[str, _TaskFigures] = defaultdict(_TaskFigures)
        self._requests = Counter(
            "polyhead_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self._errors = Counter(
            "polyhead_request_errors", "Requests refused.", ["route", "code"], registry=registry
        )
        self._seconds = Histogram(
            "polyhead_request_seconds",
            "From the head of a request to the end of its response.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._batch_rows = Histogram(
            "polyhead_batch_rows", "Rows of a batch.", buckets=_ROWS, registry=registry
        )
        self._batch_tokens = Histogram(
            "polyhead_batch_tokens", "Tokens of a batch.", buckets=_TOKENS, registry=registry
        )
        self._batch_seconds = Histogram(
            "polyhead_batch_seconds", "What a batch took.", buckets=_SECONDS, registry=registry
        )
        registry.register(_TaskCollector(self._tasks, self._lock))
        ProcessCollector(registry=registry)

    def watch(self, engine: Engine, store: TaskStore) -> None:
        """Shows the state of an engine and a store from now on."""
        self.registry.register(_StateCollector(engine, store))

    def request(self, route: str, status: int, seconds: float, code: str | None) -> None:
        """Counts one request.

        Args:
            route: Its template.
            status: Of the response.
            seconds: What it took.
            code: Of the error, where it was refused.
        """
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        if code is not None:
            self._errors.labels(route, code).inc()

    def asked(self, task: str, n_rows: int, errors: Iterable[str]) -> None:
        """Counts what one request asked of a known task.

        Args:
            task: Its name.
            n_rows: How many examples.
            errors: The codes of those that were not answered.
        """
        with self._lock:
            figures = self._tasks[task]
            figures.n_asked += n_rows
            figures.errors.update(errors)

    def batch(self, report: BatchReport) -> None:
        """Counts a batch; a task's share of its time is that of its tokens."""
        if report.n_rows:
            self._batch_rows.observe(report.n_rows)
            self._batch_tokens.observe(report.n_tokens)
            self._batch_seconds.observe(report.seconds)
        n_tokens = sum(task.n_tokens for task in report.tasks) or 1
        with self._lock:
            for task in report.tasks:
                figures = self._tasks[task.task.name]
                figures.n_computed += task.n_examples
                figures.n_tokens += task.n_tokens
                figures.n_cut += task.n_cut
                figures.queue_s += task.queue_s
                figures.compute_s += report.seconds * task.n_tokens / n_tokens


class _TaskCollector(Collector):
    """The figures of each task: plain numbers, so that a batch counts them in microseconds."""

    def __init__(self, tasks: dict[str, _TaskFigures], lock: threading.Lock) -> None:
        self._tasks = tasks
        self._lock = lock

    def collect(self) -> Iterator[Metric]:
        """One family a figure."""
        asked = CounterMetricFamily("polyhead_rows", "Examples asked.", labels=["task"])
        errors = CounterMetricFamily(
            "polyhead_row_errors", "Examples not answered.", labels=["task", "code"]
        )
        tokens = CounterMetricFamily("polyhead_tokens", "Tokens computed.", labels=["task"])
        cut = CounterMetricFamily(
            "polyhead_cut_rows", "Examples cut to the longest length.", labels=["task"]
        )
        queue = SummaryMetricFamily(
            "polyhead_queue_seconds", "What examples waited.", labels=["task"]
        )
        compute = SummaryMetricFamily(
            "polyhead_compute_seconds",
            "A task's share of the time of its batches, by tokens.",
            labels=["task"],
        )
        with self._lock:
            for name, figures in self._tasks.items():
                label = [name]
                asked.add_metric(label, figures.n_asked)
                tokens.add_metric(label, figures.n_tokens)
                cut.add_metric(label, figures.n_cut)
                queue.add_metric(label, figures.n_computed, figures.queue_s)
                compute.add_metric(label, figures.n_computed, figures.compute_s)
                for code, n in figures.errors.items():
                    errors.add_metric([name, code], n)
        yield from (asked, errors, tokens, cut, queue, compute)


class _StateCollector(Collector):
    """The state of the engine and the store at the moment when somebody looks."""

    def __init__(self, engine: Engine, store: TaskStore) -> None:
        self._engine = engine
        self._store = store

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry would ask for the state to learn its names."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """One family a figure."""
        yield InfoMetricFamily("polyhead", "The server.", value={"version": version("polyhead")})
        health = self._engine.health()
        for name, text, value in (
            ("ready", "Whether it takes requests.", float(self._engine.is_ready)),
            ("waiting_rows", "Examples that wait.", health.n_waiting),
            ("waiting_tokens", "Their tokens.", health.waiting_tokens),
            ("tokens_per_second", "As measured in the last batches.", health.tokens_per_s),
            ("estimated_wait_seconds", "What a new one would wait.", health.estimated_wait_s),
        ):
            yield GaugeMetricFamily(f"polyhead_{name}", text, value=value or 0)
        yield CounterMetricFamily(
            "polyhead_engine_restarts", "How often it died.", value=health.n_restarts
        )
        figures = self._store.statistics()
        yield GaugeMetricFamily(
            "polyhead_resident_tasks", "Tasks in memory.", value=figures.n_resident
        )
        yield GaugeMetricFamily("polyhead_resident_bytes", "What they take.", value=figures.n_bytes)
        for name, text, n in (
            ("loads", "Tasks loaded.", figures.n_loads),
            ("load_failures", "Tasks that could not be.", figures.n_failures),
            ("load_seconds", "What loading took.", figures.load_seconds),
            ("evictions", "Tasks that made room for others.", figures.n_evictions),
            ("hits", "Tasks asked for that were in memory.", figures.n_hits),
            ("misses", "Tasks asked for that were not.", figures.n_misses),
        ):
            yield CounterMetricFamily(f"polyhead_task_{name}", text, value=n)
