"""The tab of tasks: their figures, and the card of each. It imports Gradio."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import gradio as gr

from polyhead.errors import PolyheadError
from polyhead.serve.ui.answer_page import failure_page
from polyhead.serve.ui.cards import about_server, about_task, readme_of, tasks_table
from polyhead.serve.ui.markup import joined
from polyhead.serve.ui.playground_tab import EVENT, PlaygroundTab

if TYPE_CHECKING:
    from polyhead.serve.engine import Engine
    from polyhead.serve.store import TaskRecord, TaskStore
    from polyhead.serve.ui.figures import Figures, TaskFigures

__all__ = ["TasksTab"]

_REFRESH_S: Final = 2.0
_MOST_ROWS: Final = 25
_QUIET: Final = {**EVENT, "show_progress": "hidden"}
_FAILED: Final = "the playground failed on this; the server's log says why."

_log = logging.getLogger("polyhead.ui")


class TasksTab:
    """The table, refreshed while the tab is open, and one task's card."""

    def __init__(self, engine: Engine, store: TaskStore, figures: Figures) -> None:
        """Adds the tab's components where Gradio stands.

        Args:
            engine: Its state is shown.
            store: Its tasks are.
            figures: What they were asked so far.
        """
        self._engine = engine
        self._store = store
        self._figures = figures
        self._wanted = gr.Textbox(label="Find", info="A part of a task's name.", elem_id="ph-find")
        self._table = gr.HTML(elem_id="ph-table")
        self._task = gr.Dropdown([], label="Task", elem_id="ph-task")
        self._try = gr.Button("Try it in the playground")
        self._about = gr.HTML(elem_id="ph-about")
        self._readme = gr.Markdown(elem_id="ph-readme", latex_delimiters=[])
        self._timer = gr.Timer(_REFRESH_S, active=False)

    def connect(self, first: gr.Tab, own: gr.Tab, tabs: gr.Tabs, playground: PlaygroundTab) -> None:
        """Says what follows from what.

        Args:
            first: The playground's tab.
            own: This one.
            tabs: Both.
            playground: Where a task can be tried.
        """
        own.select(
            self._opened,
            [self._wanted, self._task],
            [self._timer, self._table, self._task],
            **_QUIET,
        )
        first.select(lambda: gr.Timer(active=False), None, self._timer, **_QUIET)
        self._timer.tick(self._rows, self._wanted, self._table, **_QUIET)
        self._wanted.change(self._rows, self._wanted, self._table, **_QUIET)
        self._task.change(self._card, self._task, [self._about, self._readme], **EVENT)

        async def try_it(name: str | None) -> list[Any]:
            if not name:
                return [gr.skip()] * (len(playground.outputs) + 2)
            try:
                values = await playground.loaded(name)
            except PolyheadError as error:
                raise gr.Error(str(error), print_exception=False) from None
            return [gr.Tabs(selected="playground"), gr.Timer(active=False), *values]

        self._try.click(try_it, self._task, [tabs, self._timer, *playground.outputs], **EVENT)

    async def _opened(self, wanted: str, task: str | None) -> list[Any]:
        names = await asyncio.to_thread(self._store.names)
        chosen = task if task in names else next(iter(names), None)
        rows = await self._rows(wanted)
        return [gr.Timer(active=True), rows, gr.update(choices=names, value=chosen)]

    async def _rows(self, wanted: str) -> str:
        return await asyncio.to_thread(self._table_of, wanted)

    async def _card(self, name: str | None) -> tuple[str, str]:
        return await asyncio.to_thread(self._card_of, name)

    def _table_of(self, wanted: str) -> str:
        names = [name for name in self._store.names() if wanted.strip().lower() in name.lower()]
        rows = [row for name in names[:_MOST_ROWS] if (row := self._row_of(name)) is not None]
        server = about_server(self._engine.health(), self._store.statistics())
        return str(joined(server, tasks_table(rows, max(0, len(names) - _MOST_ROWS))))

    def _row_of(self, name: str) -> tuple[TaskRecord, TaskFigures] | None:
        try:
            return self._store.describe(name), self._figures.of(name)
        except PolyheadError:  # it went since its name was read
            return None

    def _card_of(self, name: str | None) -> tuple[str, str]:
        if not name:
            return "", ""
        try:
            record = self._store.describe(name)
            return str(about_task(record, self._figures.of(name))), readme_of(record)
        except PolyheadError as error:
            return str(failure_page(error)), ""
        except Exception:  # noqa: BLE001 - said on the page in any case
            _log.exception("the card of %r failed", name)
            return str(failure_page(PolyheadError(_FAILED))), ""
