"""The linear layers of an encoder and nothing else: what no pass can be faster than."""

from __future__ import annotations

from collections.abc import Callable

import torch

from polyhead.bench.kernels import Kernel, kernels, layer_sizes, operand
from polyhead.bench.timing import seconds_of
from polyhead.contracts import EncoderShape

__all__ = ["BareProducts"]


class BareProducts:
    """All linear layers of an encoder, each with weights of its own."""

    def __init__(self, shape: EncoderShape, dtype: torch.dtype) -> None:
        """Draws weights: together they are too large for the caches, as an encoder's are.

        Args:
            shape: Of the encoder.
            dtype: Of inputs and weights.
        """
        self._dtype = dtype
        self._weights = [
            operand(n_out, n_in, dtype)
            for _ in range(shape.n_layers)
            for n_in, n_out in layer_sizes(shape)
        ]

    def seconds(self, n_tokens: int, n_calls: int) -> dict[str, list[float]]:
        """By each kernel, how long the products of that many tokens take, several times."""
        found = {}
        for kernel in kernels(self._dtype):
            compute = self.by(kernel, n_tokens)
            compute()
            found[kernel.name] = [seconds_of(compute) for _ in range(n_calls)]
        return found

    def by(self, kernel: Kernel, n_tokens: int) -> Callable[[], None]:
        """What computes all products once for that many tokens; weights are prepared here."""
        widths = {w.shape[1] for w in self._weights}
        inputs = {width: kernel.read(operand(n_tokens, width, self._dtype)) for width in widths}
        products = [(kernel.prepared(w, n_tokens), inputs[w.shape[1]]) for w in self._weights]

        def compute() -> None:
            for multiply, inputs_NI in products:
                multiply(inputs_NI)

        return compute
