"""A linear-chain CRF for tagging words: the kind of head `crf`.

What is here is imported when it is first used: asking what is installed does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyhead_crf.chain import Chain
    from polyhead_crf.config import CRFHeadConfig
    from polyhead_crf.head import CRFHead

__all__ = ["CRFHead", "CRFHeadConfig", "Chain"]

_HOMES = {"CRFHead": "head", "CRFHeadConfig": "config", "Chain": "chain"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
