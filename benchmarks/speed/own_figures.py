"""Figures of our side that are no speed of texts: choosing and adding adapters, bare products."""

from __future__ import annotations

import importlib
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

import polyhead as ph
from benchmarks.speed.answering import Prepared, Rows, Spec
from polyhead.bench import GemmSweep
from polyhead.bench.bare_products import BareProducts
from polyhead.bench.kernels import kernels
from polyhead.model import HeadCall

HEAD = ph.ClassificationHeadConfig(labels=("negative", "positive"))
SMALL = {"vocab_size": 100, "dim": 16, "hidden_dim": 32, "n_heads": 2, "n_layers": 2}
N_CHOICES = 500
N_ADDED = 10
N_PRODUCTS = 20


def choosing(spec: Spec, rows: Rows) -> Prepared:
    """The time in which a name leads to its adapter, one of `resident`."""
    del rows
    model = tiny_model(spec["resident"])
    draw = random.Random(0)  # noqa: S311  (which adapter, not a secret)

    def run() -> float:
        names = draw.choices(list(model.adapters), k=N_CHOICES)
        started = time.perf_counter()
        for name in names:
            model.adapters_of(name)
        return (time.perf_counter() - started) / N_CHOICES

    return Prepared(run, is_figure=True)


def another(spec: Spec, rows: Rows) -> Prepared:
    """What a call takes longer where its adapter is one of `resident`, and not the only one.

    On a tiny encoder, so that little else takes time; both models in turns, another adapter of the
    many each time: so it has to be brought into the processor's caches, too.
    """
    del rows
    only, many = (tiny_model(count) for count in (1, spec["resident"]))
    draw = random.Random(0)  # noqa: S311  (which adapter, not a secret)
    row = ph.Row((1, 2, 3, 4))

    def seconds(model: Any, name: str) -> float:
        started = time.perf_counter()
        model.compute([HeadCall("head", (row,), (name,))])
        return time.perf_counter() - started

    def run() -> float:
        names = draw.choices(list(many.adapters), k=N_CHOICES)
        with torch.inference_mode():
            pairs = [(seconds(only, "a0"), seconds(many, name)) for name in names]
        alone, chosen = zip(*pairs, strict=True)
        return statistics.median(chosen) - statistics.median(alone)

    return Prepared(run, is_figure=True)


def tiny_model(count: int) -> Any:
    """Return a model with so many adapters on a tiny encoder."""
    config = importlib.import_module("polyhead.encoder").DistilBertConfig(**SMALL)
    model = ph.DistilBertModelWithHeads.from_config(config)
    for number in range(count):
        model.add_adapter(f"a{number}", "seq_bn[reduction_factor=2]")
    model.add_head("head", HEAD, adapter=None)
    return model.eval()


def adding(spec: Spec, rows: Rows) -> Prepared:
    """The time in which one adapter more joins `resident` others, on an encoder of full size."""
    del rows
    config = importlib.import_module("polyhead.encoder").DistilBertConfig()
    model = ph.DistilBertModelWithHeads.from_config(config)
    for number in range(spec["resident"]):
        model.add_adapter(f"a{number}", "seq_bn")

    def run() -> float:
        times = []
        for _ in range(N_ADDED):
            started = time.perf_counter()
            model.add_adapter("one_more", "seq_bn")
            times.append(time.perf_counter() - started)
            model.delete_adapter("one_more")
        return statistics.median(times)

    return Prepared(run, is_figure=True)


def gemm_peak(spec: Spec, rows: Rows) -> Prepared:
    """Operations a second of the linear layers as bare products: the best by all rounds so far."""
    del rows
    sweep = GemmSweep(shape(), getattr(torch, spec["dtype"]))

    def run() -> float:
        sweep.round()
        return sweep.peak().flops_per_s

    return Prepared(run, is_figure=True)


def bare_products(spec: Spec, rows: Rows) -> Prepared:
    """All linear layers' products for the tokens of the one row, by one kernel."""
    dtype = getattr(torch, spec["dtype"])
    by_name = {kernel.name: kernel for kernel in kernels(dtype)}
    compute = BareProducts(shape(), dtype).by(by_name[spec["kernel"]], len(rows[0]))
    return Prepared(torch.inference_mode()(compute))


def matrix_rate(spec: Spec, rows: Rows) -> Prepared:
    """Operations a second of square matrix products on a device: the best of several sizes."""
    del rows
    dtype, device = getattr(torch, spec["dtype"]), spec["device"]
    squares = [torch.randn(size, size, device=device, dtype=dtype) for size in spec["sizes"]]

    def run() -> float:
        return max(_rate(square) for square in squares)

    return Prepared(run, is_figure=True)


def _rate(square: torch.Tensor) -> float:
    square @ square  # warm
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(N_PRODUCTS):
        square @ square
    torch.cuda.synchronize()
    return N_PRODUCTS * 2 * len(square) ** 3 / (time.perf_counter() - started)


def shape() -> ph.EncoderShape:
    """Return the sizes of the encoder that all sides load."""
    found: ph.EncoderShape = importlib.import_module("polyhead.encoder").DistilBertConfig().shape
    return found


FIGURES: Mapping[str, Callable[[Spec, Rows], Prepared]] = {
    "choosing": choosing,
    "another": another,
    "adding": adding,
    "gemm_peak": gemm_peak,
    "bare_products": bare_products,
    "matrix_rate": matrix_rate,
}
"""By the kind that a side is told."""
