"""Many tasks served from one model: the engine, the store of tasks, the HTTP server.

The engine and the store need nothing but polyhead; `polyhead.serve.http` needs the extra `serve`.
"""

from polyhead.serve.codes import code_of, status_of
from polyhead.serve.engine import Engine, EngineHealth, Priority
from polyhead.serve.observing import BatchReport, EngineObserver, TaskReport
from polyhead.serve.reading import Reading
from polyhead.serve.request import Outcome, Request
from polyhead.serve.served_task import ServedTask
from polyhead.serve.settings import EngineSettings

__all__ = [
    "BatchReport",
    "Engine",
    "EngineHealth",
    "EngineObserver",
    "EngineSettings",
    "Outcome",
    "Priority",
    "Reading",
    "Request",
    "ServedTask",
    "TaskReport",
    "code_of",
    "status_of",
]
