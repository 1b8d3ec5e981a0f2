"""The linear layers of an encoder and nothing else: what no pass can be faster than."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.bench.kernels import Multiply, kernels, layer_sizes, operand

if TYPE_CHECKING:
    from polyhead import EncoderShape


class BareProducts:
    """The products of all layers for some tokens, each layer with weights of its own."""

    def __init__(self, shape: EncoderShape, dtype: torch.dtype, n_tokens: int) -> None:
        """Draw weights: together they are too large for the caches, as an encoder's are.

        Args:
            shape: Of the encoder.
            dtype: Of inputs and weights.
            n_tokens: Rows of each product.
        """
        self._weights = [
            operand(n_out, n_in, dtype)
            for _ in range(shape.n_layers)
            for n_in, n_out in layer_sizes(shape)
        ]
        self._inputs = {w.shape[1]: operand(n_tokens, w.shape[1], dtype) for w in self._weights}
        self._n_tokens = n_tokens
        self._prepared: dict[str, list[tuple[Multiply, Tensor]]] = {}

    def __call__(self, kernel: str) -> None:
        """Compute all products by one kernel."""
        with torch.inference_mode():
            for multiply, inputs_NI in self._products(kernel):
                multiply(inputs_NI)

    def _products(self, kernel: str) -> list[tuple[Multiply, Tensor]]:
        if kernel not in self._prepared:
            by_name = {found.name: found for found in kernels(self._weights[0].dtype)}
            self._prepared[kernel] = [
                (by_name[kernel].prepared(weight, self._n_tokens), self._inputs[weight.shape[1]])
                for weight in self._weights
            ]
        return self._prepared[kernel]
