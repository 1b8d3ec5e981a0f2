"""How fast this machine multiplies matrices: the encoder's linear layers as bare products.

What a batch takes is told as a share of this. It is the highest rate over all kernels that torch
has here and several numbers of rows, each with weights that are in the processor's caches, so an
encoder made of these products cannot be much above 100 %.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from polyhead.bench.kernels import Multiply, kernels, layer_sizes, operand
from polyhead.bench.timing import seconds_of
from polyhead.contracts import EncoderShape
from polyhead.encoder.freed_memory import keep_freed_memory

__all__ = ["N_ROWS", "GemmPeak", "GemmSweep", "flops_per_token", "gemm_peak", "measured_peak"]

N_ROWS: Final = (256, 512, 1024, 2048)
"""Rows, that is tokens, for which the products are timed."""


@dataclass(frozen=True)
class GemmPeak:
    """The highest rate of one layer's products.

    Attributes:
        flops_per_s: Floating point operations a second, or integer ones; a multiplication and an
            addition are two.
        kernel: What reached it.
        n_rows: With how many rows.
        dtype: Of inputs and weights, such as "float32".
    """

    flops_per_s: float
    kernel: str
    n_rows: int
    dtype: str


def flops_per_token(shape: EncoderShape) -> int:
    """What the linear layers of all of the encoder's layers take for a token.

    Two for each weight: 84.9 million for DistilBERT-base. Attention among the tokens, norms and
    adapters are not counted.
    """
    return 2 * shape.n_layers * _weights_of_a_layer(shape)


def gemm_peak(shape: EncoderShape, dtype: torch.dtype) -> float:
    """`measured_peak` as a number: operations a second."""
    return measured_peak(shape, dtype).flops_per_s


def measured_peak(
    shape: EncoderShape,
    dtype: torch.dtype,
    *,
    n_rows: Sequence[int] = N_ROWS,
    repeats: int = 5,
) -> GemmPeak:
    """The highest rate of one layer's four products: q, k and v in one, out, lin1 and lin2.

    Args:
        shape: Of the encoder.
        dtype: float32, bfloat16, float16 or int8.
        n_rows: Numbers of tokens to try.
        repeats: How often each product is timed, warm; its median counts.
    """
    sweep = GemmSweep(shape, dtype, n_rows=n_rows)
    for _ in range(repeats):
        sweep.round()
    return sweep.peak()


class GemmSweep:
    """One layer's products by every kernel and for several numbers of rows, timed in rounds.

    What else is measured can take turns with it, so that a busy moment of the machine meets both.
    """

    def __init__(
        self, shape: EncoderShape, dtype: torch.dtype, *, n_rows: Sequence[int] = N_ROWS
    ) -> None:
        """Prepares the products.

        Args:
            shape: Of the encoder.
            dtype: float32, bfloat16, float16 or int8.
            n_rows: Numbers of tokens to try.
        """
        keep_freed_memory()  # as an encoder does: the products are not to wait for the system
        self._flops_per_row = 2 * _weights_of_a_layer(shape)
        self._dtype = str(dtype).removeprefix("torch.")
        weights = [operand(n_out, n_in, dtype) for n_in, n_out in layer_sizes(shape)]
        inputs = {w.shape[1]: operand(max(n_rows), w.shape[1], dtype) for w in weights}
        with torch.inference_mode():
            self._entries = [
                _Entry(
                    kernel.name,
                    n,
                    [
                        _Product(kernel.prepared(w, n), kernel.read(inputs[w.shape[1]][:n]))
                        for w in weights
                    ],
                )
                for kernel in kernels(dtype)
                for n in n_rows
            ]

    def round(self) -> None:
        """Times every product once more, each after a call that warms it up."""
        with torch.inference_mode():
            for entry in self._entries:
                for product in entry.products:
                    product.time()

    def peak(self) -> GemmPeak:
        """The highest rate, by the medians of all rounds so far."""
        found = [
            GemmPeak(
                self._flops_per_row * entry.n_rows / entry.median_s(),
                entry.kernel,
                entry.n_rows,
                self._dtype,
            )
            for entry in self._entries
        ]
        return max(found, key=lambda peak: peak.flops_per_s)


class _Product:
    """One product, and how long it took."""

    def __init__(self, multiply: Multiply, inputs_NI: Tensor) -> None:
        self._multiply = multiply
        self._inputs_NI = inputs_NI
        self.seconds: list[float] = []

    def __call__(self) -> Tensor:
        return self._multiply(self._inputs_NI)

    def time(self) -> None:
        self()
        self.seconds.append(seconds_of(self))


@dataclass(frozen=True)
class _Entry:
    """A layer's products by one kernel for one number of rows."""

    kernel: str
    n_rows: int
    products: Sequence[_Product]

    def median_s(self) -> float:
        return sum(statistics.median(product.seconds) for product in self.products)


def _weights_of_a_layer(shape: EncoderShape) -> int:
    return sum(n_in * n_out for n_in, n_out in layer_sizes(shape))
