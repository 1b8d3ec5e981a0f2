"""The server that a user of AdapterHub `adapters` would write: FastAPI before one model.

    python -P benchmarks/serve/adapters_server.py --model FOLDER --tasks 100 --port 8000 --way lock

`--way` is how requests share the model. Which adapter and head are active is a state of the model,
so with `lock` one request at a time has it. With `context` each thread has its own (`AdapterSetup`,
the library's way for threads), and two threads compute at once, with one of torch's each. With
`queue` one thread takes all waiting texts of the task that waits longest, and computes them as a
padded batch.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import torch

# At the end: the library `adapters` must come before the folder of that name.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.serve.names import n_labels, task_name

KIND = "seq_bn"
BATCH = 32
Answer = dict[str, Any]


class Model:
    """Tokenizer and model; computes texts of one task."""

    def __init__(self, folder: Path, n_tasks: int) -> None:
        transformers = importlib.import_module("transformers")
        transformers.logging.set_verbosity_error()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = importlib.import_module("adapters").AutoAdapterModel.from_pretrained(folder)
        self._setup = importlib.import_module("adapters").AdapterSetup
        for number in range(n_tasks):
            name = task_name(number)
            self.model.add_adapter(name, config=KIND)
            self.model.add_classification_head(name, num_labels=n_labels(number))
        self.model.eval()

    def encode(self, texts: Sequence[str]) -> Any:
        """Return the padded tensors of texts."""
        return self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")

    def switched(self, task: str, encoded: Any) -> list[Answer]:
        """Compute after making this task's adapter and head the active ones of the model."""
        with torch.inference_mode():
            self.model.set_active_adapters(task)
            self.model.active_head = task
            return answers(self.model(**encoded).logits)

    def in_context(self, task: str, encoded: Any) -> list[Answer]:
        """Compute with this task's adapter and head for this thread alone."""
        with torch.inference_mode(), self._setup(task, head_setup=task):
            return answers(self.model(**encoded).logits)


class BatchQueue:
    """One thread that computes; texts of one task that wait together are one batch."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._waiting: deque[tuple[str, str, Future[Answer]]] = deque()
        self._changed = threading.Condition()
        threading.Thread(target=self._work, daemon=True).start()

    def ask(self, task: str, text: str) -> Answer:
        """Wait for the answer."""
        answer: Future[Answer] = Future()
        with self._changed:
            self._waiting.append((task, text, answer))
            self._changed.notify()
        return answer.result()

    def _work(self) -> None:
        while True:
            taken = self._take()
            try:
                encoded = self._model.encode([text for _, text, _ in taken])
                found = self._model.switched(taken[0][0], encoded)
            except Exception as error:  # noqa: BLE001  (those who wait get it)
                for *_, answer in taken:
                    answer.set_exception(error)
                continue
            for (*_, answer), result in zip(taken, found, strict=True):
                answer.set_result(result)

    def _take(self) -> list[tuple[str, str, Future[Answer]]]:
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            task = self._waiting[0][0]
            taken = [entry for entry in self._waiting if entry[0] == task][:BATCH]
            for entry in taken:
                self._waiting.remove(entry)
            return taken


def answers(logits: torch.Tensor) -> list[Answer]:
    """Return label and scores of each row."""
    rows = logits.softmax(dim=-1).tolist()
    return [{"label": f"label{row.index(max(row))}", "scores": row} for row in rows]


def way_of(name: str, model: Model) -> Callable[[str, str], Answer]:
    """Return how a text is answered."""
    if name == "queue":
        return BatchQueue(model).ask
    if name == "context":
        return lambda task, text: model.in_context(task, model.encode([text]))[0]
    lock = threading.Lock()

    def locked(task: str, text: str) -> Answer:
        encoded = model.encode([text])
        with lock:
            return model.switched(task, encoded)[0]

    return locked


def app_of(answer: Callable[[str, str], Answer], threads: int | None) -> Any:
    """Return the application: a plain `def` endpoint, which FastAPI runs in a pool of threads."""
    fastapi = importlib.import_module("fastapi")

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        if threads is not None:
            limiter = importlib.import_module("anyio.to_thread").current_default_thread_limiter()
            limiter.total_tokens = threads
        yield

    app = fastapi.FastAPI(lifespan=lifespan)

    def predict(task: str, asked: dict[str, str]) -> Answer:
        return answer(task, asked["text"])

    # not postponed: FastAPI reads them
    predict.__annotations__ = {"task": str, "asked": dict[str, str], "return": dict[str, Any]}
    app.post("/tasks/{task}")(predict)
    app.get("/readyz")(lambda: {"ready": True})
    return app


def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--way", choices=("lock", "context", "queue"), default="lock")
    given = parser.parse_args()
    is_parallel = given.way == "context"
    torch.set_num_threads(1 if is_parallel else given.threads)
    model = Model(given.model, given.tasks)
    app = app_of(way_of(given.way, model), given.threads if is_parallel else None)
    importlib.import_module("uvicorn").run(
        app, host="127.0.0.1", port=given.port, log_level="warning"
    )


if __name__ == "__main__":
    main()
