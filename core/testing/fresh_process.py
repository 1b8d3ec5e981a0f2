"""Saved tasks, loaded and asked in a Python process that knows nothing of this one."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors.torch import load_file, save_file

from polyhead.testing.bench import SUBJECT, Bench
from polyhead.testing.failure import ConformanceError
from polyhead.testing.outputs import parts_of
from polyhead.testing.registration import registered
from polyhead.testing.tiny_model import tiny_model

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import Adapter, Example, Head

__all__ = ["answer_job", "answers_of_a_fresh_process"]

_MAIN: Final = "from polyhead.testing.fresh_process import answer_job; answer_job()"
_LONGEST_S: Final = 300


def answers_of_a_fresh_process(
    cls: type[Head | Adapter], folders: Sequence[Path], questions: Sequence[Example]
) -> list[tuple[dict[str, Tensor], list[dict[str, Any]]]]:
    """What saved tasks compute and answer in a new process.

    Its strings have other hashes than here, so that an order that depends on them shows.

    Args:
        cls: The head or adapter that the tasks need; the process imports it by its module.
        folders: Of the tasks.
        questions: What each of them is asked.

    Returns:
        For each task the parts of its output, and its predictions as JSON.

    Raises:
        ConformanceError: The process cannot find the class, or cannot load or answer.
    """
    if "<locals>" in cls.__qualname__:
        raise ConformanceError(
            f"{cls.__qualname__} is defined inside a function, where a fresh process cannot find "
            "it; move it to the top of its module."
        )
    job = {
        "paths": sys.path,
        "module": cls.__module__,
        "file": getattr(sys.modules[cls.__module__], "__file__", None),
        "name": cls.__qualname__,
        "folders": [str(folder) for folder in folders],
        "questions": [question.model_dump(mode="json") for question in questions],
        "n_threads": torch.get_num_threads(),
    }
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    done = subprocess.run(  # noqa: S603 - this very Python, on code of ours
        [sys.executable, "-P", "-c", _MAIN],
        input=json.dumps(job),
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise ConformanceError(
            f"a fresh process cannot load and ask what {cls.__qualname__} saved: {reason}"
        )
    return [(load_file(_tensors(at)), json.loads(_json(at).read_text())) for at in folders]


def answer_job() -> None:
    """Does in the new process what the job on its standard input asks for."""
    job = json.load(sys.stdin)
    sys.path[:] = job["paths"]
    torch.set_num_threads(job["n_threads"])
    with registered(_class_of(job)):
        for folder in job["folders"]:
            _answer(Path(folder), job["questions"])


def _answer(folder: Path, questions: Sequence[Mapping[str, object]]) -> None:
    model = tiny_model()
    model.load_task(folder, name=SUBJECT)
    head = model.heads[SUBJECT]
    examples = [head.parse(question) for question in questions]
    bench = Bench(model, head, (), examples)
    with torch.inference_mode():
        parts = parts_of(head, bench.compute(bench.encoded(examples)))
    save_file({name: part.contiguous() for name, part in parts.items()}, _tensors(folder))
    answers = [answer.model_dump(mode="json") for answer in bench.answers()]
    _json(folder).write_text(json.dumps(answers))


def _class_of(job: Mapping[str, Any]) -> Any:
    """The class under test: from its module or, for a test file that is no module, its file."""
    try:
        module = importlib.import_module(job["module"])
    except ImportError:
        spec = importlib.util.spec_from_file_location(job["module"], job["file"])
        if spec is None or spec.loader is None:
            raise
        module = importlib.util.module_from_spec(spec)
        sys.modules[job["module"]] = module
        spec.loader.exec_module(module)
    return reduce(getattr, job["name"].split("."), module)


def _tensors(folder: Path) -> Path:
    return folder.with_suffix(".output.safetensors")


def _json(folder: Path) -> Path:
    return folder.with_suffix(".answers.json")
