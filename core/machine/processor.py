"""The processor's name."""

from __future__ import annotations

import platform
import re
from pathlib import Path

__all__ = ["processor_name"]

_NAME = re.compile(r"^model name\s*:\s*(.+?)\s*$", re.MULTILINE)


def processor_name(root: Path = Path("/")) -> str:
    """The processor as the system calls it.

    Args:
        root: Where `proc` lies.
    """
    try:
        found = _NAME.search((root / "proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
