"""The non-linear functions that encoders, heads and adapters name in their configs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from torch import Tensor
from torch.nn import functional

from polyhead.errors import ConfigError

__all__ = ["ACTIVATIONS", "Activation", "activation_of", "check_activation"]

Activation = Callable[[Tensor], Tensor]


def _identity(values: Tensor) -> Tensor:
    return values


_gelu_tanh: Activation = partial(functional.gelu, approximate="tanh")

ACTIVATIONS: Final[Mapping[str, Activation]] = {
    "gelu": functional.gelu,
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "leakyrelu": functional.leaky_relu,
    "linear": _identity,
    "mish": functional.mish,
    "relu": functional.relu,
    "relu6": functional.relu6,
    "sigmoid": functional.sigmoid,
    "silu": functional.silu,
    "swish": functional.silu,
    "tanh": functional.tanh,
}
"""By transformers' names ("gelu_new" is the tanh approximation) and AdapterHub's ("leakyrelu")."""


def check_activation(name: str) -> str:
    """`name` in lower case, for use as a pydantic validator.

    Raises:
        ValueError: No such activation; the message lists them.
    """
    if name.lower() not in ACTIVATIONS:
        raise ValueError(f"unknown activation; known: {', '.join(ACTIVATIONS)}")
    return name.lower()


def activation_of(name: str) -> Activation:
    """The function called `name`.

    Raises:
        ConfigError: No such activation; the message lists them.
    """
    try:
        return ACTIVATIONS[check_activation(name)]
    except ValueError as error:
        raise ConfigError(f"activation {name!r}: {error}") from None
