"""Saved adapters, heads and tasks: their files, manifests and checks."""

from polyhead.artifact.card import model_card, part_card, tasks_card
from polyhead.artifact.card_metadata import CardDetails, details_of, is_hub_id
from polyhead.artifact.card_seal import is_sealed
from polyhead.artifact.contents import TaskContents, read_contents, read_headers
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
    read_task_manifest,
    task_manifest_in,
    write_task,
)
from polyhead.artifact.tensorfile import read_manifest, read_tensors, tensor_file, tensors_in

__all__ = [
    "ADAPTER_FILE",
    "FORMAT",
    "HEAD_FILE",
    "TASK_FILE",
    "BackboneInfo",
    "CardDetails",
    "FileInfo",
    "Manifest",
    "ProviderInfo",
    "SavedTask",
    "TaskContents",
    "TaskManifest",
    "check_free",
    "check_task_files",
    "details_of",
    "find_tasks",
    "is_hub_id",
    "is_sealed",
    "model_card",
    "part_card",
    "read_contents",
    "read_headers",
    "read_manifest",
    "read_task",
    "read_task_manifest",
    "read_tensors",
    "task_manifest_in",
    "tasks_card",
    "tensor_file",
    "tensors_in",
    "write_file",
    "write_folder",
    "write_task",
]
