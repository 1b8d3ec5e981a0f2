"""The tasks of a folder: loaded when they are asked for, kept, replaced and rolled back."""

from polyhead.serve.store.lease import Lease
from polyhead.serve.store.records import StoreStatistics, TaskRecord, VersionRecord
from polyhead.serve.store.settings import StoreSettings
from polyhead.serve.store.task_store import TaskStore

__all__ = [
    "Lease",
    "StoreSettings",
    "StoreStatistics",
    "TaskRecord",
    "TaskStore",
    "VersionRecord",
]
