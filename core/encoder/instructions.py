"""What the processor can compute in one instruction, as far as the encoder's products ask."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Final

import torch

__all__ = ["has_bfloat16_products", "has_whole_dot_products"]

_CPUINFO: Final = Path("/proc/cpuinfo")
_WHOLE_DOT_PRODUCTS: Final = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
_BFLOAT16_PRODUCTS: Final = {"avx512_bf16", "amx_bf16", "bf16"}


def has_whole_dot_products(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether products of 8-bit numbers are summed in 32 bits, with nothing narrower between."""
    return bool(_flags(cpuinfo) & _WHOLE_DOT_PRODUCTS) or _torch_says("_is_vnni_supported")


def has_bfloat16_products(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor multiplies bfloat16, so that it is faster than float32."""
    return bool(_flags(cpuinfo) & _BFLOAT16_PRODUCTS) or _torch_says("_is_avx512_bf16_supported")


@cache
def _flags(cpuinfo: Path) -> frozenset[str]:
    """The features that Linux tells of the first processor; none on other systems."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    told = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return frozenset(told.partition(":")[2].split())


def _torch_says(name: str) -> bool:
    """What torch knows of an x86 processor where the system does not tell."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return False
    ask = getattr(torch.cpu, name, None)
    return bool(ask()) if callable(ask) else False
