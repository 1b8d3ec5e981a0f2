"""How finely the encoder's products are computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, get_args

import torch
from torch import nn

from polyhead.encoder.bfloat16_linear import Bfloat16Linear
from polyhead.encoder.instructions import has_bfloat16_products
from polyhead.encoder.int8_linear import Int8Linear
from polyhead.errors import ConfigError, shown

__all__ = ["PRECISIONS", "Precision", "check_precision", "reduced_linear"]

Precision = Literal["float32", "bfloat16", "float16", "int8"]
"""What the encoder's products are computed in. Adapters, heads, norms and sums stay in floating
point."""

PRECISIONS: Final[tuple[str, ...]] = get_args(Precision)

_GPU: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def check_precision(precision: object, device: torch.device) -> Precision:
    """`precision`, if the encoder can be computed so on `device`.

    Raises:
        ConfigError: There is no such precision, or not there.
    """
    if precision not in PRECISIONS:
        raise ConfigError(
            f"there is no precision {shown(precision)}; choose one of {', '.join(PRECISIONS)}."
        )
    if device.type != "cpu":
        if precision not in _GPU:
            raise ConfigError(
                f"precision {precision!r} is for CPUs, and the model shall be on {device.type}; "
                "choose 'bfloat16' or 'float16' there, or put it on the CPU."
            )
    elif precision == "float16":
        raise ConfigError(
            "precision 'float16' is for GPUs: no CPU is fast in it; choose 'int8', 'bfloat16' or "
            "'float32' here."
        )
    elif precision == "bfloat16" and not has_bfloat16_products():
        raise ConfigError(
            "this CPU does not multiply bfloat16 (it has neither avx512_bf16 nor amx_bf16), so "
            "precision 'bfloat16' would only be slower; choose 'int8' or 'float32'."
        )
    return precision  # type: ignore[return-value]  # one of them, as was seen


def reduced_linear(precision: Precision) -> Callable[[nn.Linear], nn.Module]:
    """What takes the place of a linear layer under "int8" or "bfloat16" on a CPU."""
    return Int8Linear if precision == "int8" else Bfloat16Linear
