"""The tab where tasks are picked, a text is typed and answers appear. It imports Gradio."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any, Final

import gradio as gr

from polyhead.errors import PolyheadError
from polyhead.serve.ui.answer_page import answer_page, failure_page
from polyhead.serve.ui.inputs import Inputs, fields_of, inputs_of

if TYPE_CHECKING:
    from polyhead.serve.store import TaskRecord, TaskStore
    from polyhead.serve.ui.asking import Asker

__all__ = ["EVENT", "PlaygroundTab"]

EVENT: Final[dict[str, Any]] = {
    "queue": False,  # the engine's is the only one
    "api_visibility": "private",
    "show_progress": "minimal",
}
"""How every event of the page is set up."""

_FAILED: Final = "the playground failed on this; the server's log says why."
_FOLDED: Final = "text_pair"
"""Nearly every task could read it, and few do."""
_NAMES: Final = tuple(field.name for field in fields(Inputs))

_log = logging.getLogger("polyhead.ui")


class PlaygroundTab:
    """The fields, the button and the answers.

    Attributes:
        tasks: The component that tasks are picked in.
        inputs: The component of each field, by its name.
    """

    def __init__(self, asker: Asker, store: TaskStore) -> None:
        """Adds the tab's components where Gradio stands.

        Args:
            asker: It asks the tasks.
            store: Whose tasks there are to pick.
        """
        self._asker = asker
        self._store = store
        self.tasks = gr.Dropdown(
            [], multiselect=True, label="Tasks", info="Pick one or several.", elem_id="ph-tasks"
        )
        self.inputs: dict[str, gr.Textbox] = {}
        for name in _NAMES:
            if name == _FOLDED:
                with gr.Accordion("Second text", open=False, visible=False) as self._folded:
                    self.inputs[name] = _textbox(name, visible=True, **_BOXES[name])
            else:
                self.inputs[name] = _textbox(name, **_BOXES[name])
        self._ask = gr.Button("Ask", variant="primary")
        self._answers = gr.HTML(elem_id="ph-answers", html_template=_LIVE)

    def connect(self, page: gr.Blocks) -> None:
        """Says what follows from what.

        Args:
            page: The page that the tab is in.
        """
        boxes = list(self.inputs.values())
        page.load(self._first_tasks, None, self.tasks, **EVENT)
        self.tasks.change(self._shown_fields, self.tasks, [*boxes, self._folded], **EVENT)
        gr.on(
            [self._ask.click, *(box.submit for box in boxes)],
            self._answer,
            [self.tasks, *boxes],
            self._answers,
            **EVENT,
        )

    async def loaded(self, name: str) -> list[Any]:
        """The values of `tasks`, the fields and the answers for trying one task.

        Args:
            name: Of the task.

        Raises:
            UnknownTaskError: It is gone.
        """
        record = await asyncio.to_thread(self._store.describe, name)
        names = await asyncio.to_thread(self._store.names)
        return [gr.update(choices=names, value=[name]), *astuple(inputs_of(record)), ""]

    @property
    def outputs(self) -> list[Any]:
        """The components whose values `loaded` gives."""
        return [self.tasks, *self.inputs.values(), self._answers]

    async def _first_tasks(self) -> Any:
        names = await asyncio.to_thread(self._store.names)
        return gr.update(choices=names, value=names[:1])

    async def _shown_fields(self, names: Sequence[str] | None) -> list[Any]:
        records = await asyncio.to_thread(self._records, names or ())
        readers = {field: _readers(field, records) for field in _NAMES}
        boxes = [_box_update(field, readers) for field in _NAMES]
        is_pair = any(_FOLDED in record.example for record in records)
        return [*boxes, gr.update(visible=bool(readers[_FOLDED]), open=is_pair)]

    async def _answer(self, names: Sequence[str] | None, *values: str | None) -> str:
        try:
            inputs = Inputs(*(value or "" for value in values))
            html = str(answer_page(await self._asker.ask(names or (), inputs)))
        except PolyheadError as error:
            html = str(failure_page(error))
        except Exception:  # noqa: BLE001 - said on the page in any case
            _log.exception("a question to %s failed", names)
            html = str(failure_page(PolyheadError(_FAILED)))
        return _sendable(html)

    def _records(self, names: Sequence[str]) -> list[TaskRecord]:
        found = []
        for name in names:
            try:
                found.append(self._store.describe(name))
            except PolyheadError:  # said when it is asked
                continue
        return found


_LIVE: Final = '<div aria-live="polite">${value}</div>'


_BOXES: Final[dict[str, dict[str, Any]]] = {
    "text": {"label": "Text", "lines": 3, "visible": True},
    "text_pair": {"label": "Second text of a pair", "lines": 2},
    "question": {"label": "Question"},
    "context": {"label": "Context", "lines": 4},
    "choices": {"label": "Choices, one a line", "lines": 3},
    "others": {"label": "Texts to compare with, one a line", "lines": 4},
    "more": {"label": "Other fields, as JSON", "lines": 2},
}


def _textbox(name: str, *, visible: bool = False, **looks: Any) -> gr.Textbox:
    return gr.Textbox(elem_id=f"ph-{name}", max_lines=20, visible=visible, **looks)


def _readers(field: str, records: Sequence[TaskRecord]) -> list[str]:
    return [record.name for record in records if field in fields_of(record)]


def _box_update(field: str, readers: dict[str, list[str]]) -> Any:
    if field == "text" and not any(readers.values()):
        return gr.update(visible=True, info=None)
    info = "For " + ", ".join(readers[field]) + "."
    if field == "text_pair":
        info += " May stay empty."
    if field == "context" and readers["text"]:
        info += " Left empty: the text above."
    return gr.update(visible=bool(readers[field]), info=info)


def _sendable(html: str) -> str:
    """The page without halves of surrogate pairs, which cannot be sent."""
    return html.encode(errors="replace").decode()
