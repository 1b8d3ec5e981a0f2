"""The playground: a page at /ui where tasks are asked and looked at, in a browser."""

from polyhead.serve.ui.figures import Figures, TaskFigures
from polyhead.serve.ui.mounting import mount_ui

__all__ = ["Figures", "TaskFigures", "mount_ui"]
