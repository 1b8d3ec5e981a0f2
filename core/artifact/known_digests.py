"""Digests of files that have not changed since they were last read."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from typing import Final

__all__ = ["digest_of"]

_MOST_FILES: Final = 20_000
_SETTLED_NS: Final = 2_000_000_000
"""A file is taken for unchanged only if its last change is longer ago than a clock tick is long."""

_known: OrderedDict[tuple[int, ...], str] = OrderedDict()
_lock = threading.Lock()


def digest_of(content: bytes, stat: os.stat_result) -> str:
    """The SHA-256 of a file's content, computed once for each state that the file was in.

    Args:
        content: All of it.
        stat: Of the open file that it was read from.
    """
    stamp = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    with _lock:
        found = _known.get(stamp)
        if found is not None:
            _known.move_to_end(stamp)
            return found
    found = hashlib.sha256(content).hexdigest()
    # Two changes within one tick of the file system's clock leave the same times.
    is_settled = time.time_ns() - stat.st_mtime_ns > _SETTLED_NS
    if is_settled and len(content) == stat.st_size:
        with _lock:
            _known[stamp] = found
            if len(_known) > _MOST_FILES:
                _known.popitem(last=False)
    return found
