"""Saved adapters, heads and tasks: their files, manifests and checks."""

from polyhead.artifact.manifest import (
    FORMAT,
    BackboneInfo,
    FileInfo,
    Manifest,
    ProviderInfo,
    TaskManifest,
)
from polyhead.artifact.storage import check_free, write_file, write_folder
from polyhead.artifact.task import (
    ADAPTER_FILE,
    HEAD_FILE,
    TASK_FILE,
    SavedTask,
    check_task_files,
    find_tasks,
    read_task,
    write_task,
)
from polyhead.artifact.tensorfile import read_manifest, read_tensors, tensor_file

__all__ = [
    "ADAPTER_FILE",
    "FORMAT",
    "HEAD_FILE",
    "TASK_FILE",
    "BackboneInfo",
    "FileInfo",
    "Manifest",
    "ProviderInfo",
    "SavedTask",
    "TaskManifest",
    "check_free",
    "check_task_files",
    "find_tasks",
    "read_manifest",
    "read_task",
    "read_tensors",
    "tensor_file",
    "write_file",
    "write_folder",
    "write_task",
]
