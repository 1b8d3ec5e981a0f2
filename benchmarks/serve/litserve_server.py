"""The server that a user of LitServe would write: transformers' encoder and 100 heads, no adapters.

    python -P benchmarks/serve/litserve_server.py --model FOLDER --tasks 100 --port 8000

LitServe knows one function on a batch of requests, and neither tasks nor adapters. 100 whole models
would take 26 GB; one encoder for all tasks is what fits, and it is less to compute than with
adapters. Batches are padded, as its documents have them.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.append(str(Path(__file__).resolve().parents[2]))

import litserve

from benchmarks.serve.names import n_labels, task_name


class TasksAPI(litserve.LitAPI):
    """One encoder, a classifier for each task, as in transformers' own model."""

    def __init__(self, folder: Path, n_tasks: int, threads: int, **options: Any) -> None:
        super().__init__(**options)
        self._folder = folder
        self._n_tasks = n_tasks
        self._threads = threads

    def setup(self, device: str) -> None:  # noqa: ARG002  (it is the processor's)
        """Load everything, in the process that computes."""
        torch.set_num_threads(self._threads)
        transformers = importlib.import_module("transformers")
        transformers.logging.set_verbosity_error()
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(self._folder)
        self._encoder = transformers.AutoModel.from_pretrained(self._folder).eval()
        width = self._encoder.config.dim
        self._heads = {
            task_name(number): torch.nn.Sequential(
                torch.nn.Linear(width, width),
                torch.nn.ReLU(),
                torch.nn.Linear(width, n_labels(number)),
            ).eval()
            for number in range(self._n_tasks)
        }

    def decode_request(self, request: dict[str, str]) -> tuple[str, str]:
        """Return task and text."""
        return request["task"], request["text"]

    def predict(self, asked: Sequence[tuple[str, str]]) -> list[list[float]]:
        """Compute a batch."""
        texts = [text for _, text in asked]
        encoded = self._tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            states = self._encoder(**encoded).last_hidden_state[:, 0]
            return [
                self._heads[task](state).softmax(dim=-1).tolist()
                for (task, _), state in zip(asked, states, strict=True)
            ]

    def encode_response(self, output: list[float]) -> dict[str, Any]:
        """Return label and scores."""
        return {"label": f"label{output.index(max(output))}", "scores": output}


def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batch-timeout-s", type=float, default=0.01)
    given = parser.parse_args()
    api = TasksAPI(
        *(given.model, given.tasks, given.threads),
        max_batch_size=given.batch,
        batch_timeout=given.batch_timeout_s,
    )
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60)
    server.run(host="127.0.0.1", port=given.port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
