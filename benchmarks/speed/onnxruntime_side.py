"""The side of ONNX Runtime: the same classifier exported, in float32 and quantised to int8.

It runs in the environment of `benchmarks/peers-requirements.txt`, with `python -P`. Before anything
is measured, all settings that its documents name are tried on a part of the texts, and the fastest
of each precision is kept.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

# At the end: nothing of this repository shall hide a library.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.speed import answering, load, padding
from benchmarks.speed.answering import Logits, Prepared, Rows, Spec

INPUTS = ("input_ids", "attention_mask")
OPSET = 17
TRIAL_ROUNDS = 3
TRIAL_WAIT_S = 2.0
TRIAL_SHARE = 4  # of the texts, one in so many
FLOAT32, INT8 = "float32", "int8"
FLOAT_TENSOR = 1  # onnx.TensorProto.FLOAT


class OnnxRuntime:
    """Answers rows with sessions of ONNX Runtime."""

    def __init__(self, folder: Path, threads: int) -> None:
        self._folder = folder
        self._threads = threads
        self._best: dict[str, str] = {}
        self._sessions: dict[str, Any] = {}

    def prepare(self, spec: Spec, rows: Rows) -> Prepared:
        """Get ready for batches of `spec`: `dtype`, `batch`, `sorted`.

        With `trial` the settings of the precision are tried first, on `trial_rows` or a part of
        the rows; the times are in the facts.
        """
        dtype = spec["dtype"]
        facts: dict[str, object] = {}
        if spec.get("trial"):
            part = spec.get("trial_rows") or rows[::TRIAL_SHARE]
            facts = self._try_settings(dtype, part, spec["batch"])
        session = self._session(self._best[dtype])
        batches = padding.places_of(rows, spec["batch"], is_sorted=spec["sorted"])

        def run() -> Logits:
            return padding.answered(rows, batches, lambda part, _: logits_of(session, part))

        return Prepared(run, logits=run, facts=facts)

    def _try_settings(self, dtype: str, part: Rows, batch: int) -> dict[str, object]:
        """Run some rows, longest first, by every setting in turns; keep the fastest."""
        batches = padding.places_of(part, batch, is_sorted=True)
        times: dict[str, list[float]] = {name: [] for name in self._files(dtype)}
        for _ in range(TRIAL_ROUNDS):
            for name, seconds in times.items():
                session = self._session(name)
                load.wait_until_quiet(0.0, TRIAL_WAIT_S)
                started = time.perf_counter()
                padding.answered(part, batches, lambda chosen, _, s=session: logits_of(s, chosen))
                seconds.append(time.perf_counter() - started)
        medians = {name: statistics.median(seconds) for name, seconds in times.items()}
        best = self._best[dtype] = min(medians, key=medians.__getitem__)
        self._sessions = {n: s for n, s in self._sessions.items() if n in self._best.values()}
        return {"setting": best, "tried_texts": len(part), "tried_s": medians}

    def _session(self, name: str) -> Any:
        if name not in self._sessions:
            onnxruntime = importlib.import_module("onnxruntime")
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            self._sessions[name] = onnxruntime.InferenceSession(
                self._path(name), options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[name]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name.replace(', ', '_').replace(' ', '-')}.onnx"

    def _files(self, dtype: str) -> list[str]:
        """Write the models of a precision; return the settings' names."""
        return list(self._sources) if dtype == FLOAT32 else self._quantised()

    @cached_property
    def _sources(self) -> dict[str, Path]:
        """The float32 models: as exported, pre-processed for quantisation, fused."""
        writers: dict[str, Callable[[Path], None]] = {
            "exported": lambda path: export(self._folder / "model", path),
            "pre-processed": lambda path: preprocess(self._path("exported"), path),
            "fused": lambda path: fuse(self._path("exported"), path),
        }
        for name, write in writers.items():
            write(self._path(name))
        return {name: self._path(name) for name in writers}

    def _quantised(self) -> list[str]:
        quantize = importlib.import_module("onnxruntime.quantization").quantize_dynamic
        names = []
        for (name, source), channels, reduced in itertools.product(
            self._sources.items(), (True, False), (False, True)
        ):
            scales = "per channel" if channels else "per tensor"
            names.append(f"{name}, {scales}{', reduced range' if reduced else ''}")
            quantize(
                source,
                self._path(names[-1]),
                per_channel=channels,
                reduce_range=reduced,
                # behind fused operators it cannot tell by itself
                extra_options={"DefaultTensorType": FLOAT_TENSOR},
            )
        return names


def export(checkpoint: Path, target: Path) -> None:
    """Write the classifier with free batch and length.

    By the exporter whose graphs the fusions of ONNX Runtime know: of those of the newer one they
    find no attention.
    """
    kind = importlib.import_module("transformers").DistilBertForSequenceClassification
    model = kind.from_pretrained(checkpoint, attn_implementation="sdpa").eval()
    model.config.return_dict = False
    ids = torch.arange(1000, 1032).view(2, 16)
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    torch.onnx.export(
        model,
        (ids, mask),
        target,
        input_names=list(INPUTS),
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "length"} for name in INPUTS}
        | {"logits": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )


def preprocess(source: Path, target: Path) -> None:
    """Run the pre-processing that the documents advise before quantisation.

    Without its symbolic shapes, which it fails to infer for this model.
    """
    shapes = importlib.import_module("onnxruntime.quantization.shape_inference")
    shapes.quant_pre_process(source, target, skip_symbolic_shape=True)


def fuse(source: Path, target: Path) -> None:
    """Run the optimiser for transformers: attention, GELU and norms become one operator each."""
    optimizer = importlib.import_module("onnxruntime.transformers.optimizer")
    config = importlib.import_module("transformers").DistilBertConfig()
    model = optimizer.optimize_model(
        str(source), model_type="bert", num_heads=config.n_heads, hidden_size=config.dim
    )
    found = model.get_fused_operator_statistics()
    if found["Attention"] != config.n_layers:
        raise RuntimeError(f"the optimiser fused {found['Attention']} attentions")
    model.save_model_to_file(str(target))


def logits_of(session: Any, rows: Rows) -> Logits:
    """Run one padded batch, in the type of numbers that the model takes."""
    numpy = importlib.import_module("numpy")
    types = {"tensor(int64)": numpy.int64, "tensor(int32)": numpy.int32}
    given = dict(zip(INPUTS, padding.padded(rows), strict=True))
    feed = {
        entry.name: numpy.array(given[entry.name], dtype=types[entry.type])
        for entry in session.get_inputs()
    }
    found: Logits = session.run(None, feed)[0].tolist()
    return found


def main() -> None:
    """Answer the driver."""
    given = answering.parse_options(__doc__)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(given.threads)
    importlib.import_module("transformers").logging.set_verbosity_error()
    answering.answer_lines(OnnxRuntime(given.folder, given.threads).prepare)


if __name__ == "__main__":
    main()
