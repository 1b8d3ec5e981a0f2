"""The page: one tab to ask tasks, one to look at them. It imports Gradio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import gradio as gr

from polyhead.serve.ui.asking import Asker
from polyhead.serve.ui.playground_tab import PlaygroundTab
from polyhead.serve.ui.style import STYLE
from polyhead.serve.ui.tasks_tab import TasksTab

if TYPE_CHECKING:
    from polyhead.serve.engine import Engine
    from polyhead.serve.store import TaskStore
    from polyhead.serve.ui.asking import Limits
    from polyhead.serve.ui.figures import Figures

__all__ = ["STYLE", "build_page", "theme"]

_FONTS: Final = ["system-ui", "sans-serif"]
_MONO_FONTS: Final = ["ui-monospace", "monospace"]
_LONG_S: Final = 3600.0


def theme() -> Any:
    """Gradio's own theme, with the fonts that the machine has and enough contrast."""
    base = gr.themes.Default(
        primary_hue="blue", neutral_hue="slate", font=_FONTS, font_mono=_MONO_FONTS
    )
    return base.set(
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
    )


def build_page(engine: Engine, store: TaskStore, figures: Figures, limits: Limits) -> gr.Blocks:
    """The whole page, for Gradio to mount.

    Args:
        engine: It answers.
        store: Whose tasks are shown.
        figures: What the tasks were asked so far.
        limits: How much may be asked at once.
    """
    page = gr.Blocks(title="polyhead", analytics_enabled=False, fill_width=True)
    with page:
        with gr.Tabs(selected="playground") as tabs:
            with gr.Tab("Playground", id="playground") as first:
                playground = PlaygroundTab(Asker(engine, store, limits), store)
            with gr.Tab("Tasks", id="tasks") as second:
                tasks = TasksTab(engine, store, figures)
        playground.connect(page)
        tasks.connect(first, second, tabs, playground)
    _calm(page)
    return page


def _calm(page: gr.Blocks) -> None:
    """Makes Gradio's queue sleep: no event goes through it, and it would look every millisecond."""
    queue = page._queue  # noqa: SLF001 - it has no setting for this
    queue.sleep_when_free = _LONG_S
    queue.progress_update_sleep_when_free = _LONG_S
