"""What people see of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.progress import TaskID

    from polyhead.contracts import TrainEvent

__all__ = ["ProgressBar"]


class ProgressBar:
    """An observer that draws a bar for the running epoch and prints a line for each that is over.

    Where the console is no terminal, there are only the lines.
    """

    def __init__(self, console: Console | None = None) -> None:
        """Draws on `console`; on standard error when not given."""
        self._console = console or Console(stderr=True)
        self._progress: Progress | None = None
        self._bar: TaskID | None = None
        self._n_epochs = 0

    def __call__(self, event: TrainEvent) -> None:
        """Shows what happened."""
        match event.event:
            case "start":
                self._n_epochs = (event.settings or {}).get("epochs", 0)
                self._start()
            case "step":
                self._advance(event)
            case "epoch":
                self._clear()
                self._print(_epoch_line(event, self._n_epochs))
            case "end":
                self._stop()
                if event.step < event.n_steps:
                    self._print(f"{event.task}: {event.reason}")
            case _:
                assert_never(event.event)

    def _start(self) -> None:
        self._stop()  # a run that another observer broke off may have left its bar
        if self._console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("loss {task.fields[loss]:.4f}  lr {task.fields[lr]:.2e}"),
                TimeRemainingColumn(compact=True),
                console=self._console,
                transient=True,
            )
            self._progress.start()

    def _advance(self, event: TrainEvent) -> None:
        if self._progress is None:
            return
        loss, lr = event.train_loss or 0.0, event.lr or 0.0
        if self._bar is None:
            name = f"{event.task}  epoch {event.epoch}/{self._n_epochs}"
            total = event.n_steps // max(1, self._n_epochs)
            self._bar = self._progress.add_task(name, total=total, loss=loss, lr=lr)
        self._progress.update(self._bar, advance=1, loss=loss, lr=lr)

    def _clear(self) -> None:
        if self._progress is not None and self._bar is not None:
            self._progress.remove_task(self._bar)
        self._bar = None

    def _stop(self) -> None:
        self._clear()
        if self._progress is not None:
            self._progress.stop()
        self._progress = None

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _epoch_line(event: TrainEvent, n_epochs: int) -> str:
    seconds = (event.train_s or 0.0) + (event.eval_s or 0.0)
    figures = {"loss": event.train_loss, **(event.metrics or {})}
    parts = [
        f"{event.task}  epoch {event.epoch}/{n_epochs}",
        *(f"{name} {value:.4f}" for name, value in figures.items() if value is not None),
        f"{seconds:.1f} s",
    ]
    if event.is_best and event.metrics:
        parts.append("best so far")
    return "  ".join(parts)
