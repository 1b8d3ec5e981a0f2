"""How a card that was made from manifests is told from one that somebody wrote or changed."""

from __future__ import annotations

import hashlib
import re
from typing import Final

__all__ = ["is_sealed", "sealed"]

_SEAL: Final = re.compile(r"<!-- Made by polyhead from the manifest: ([0-9a-f]{64}) -->\n")


def sealed(card: str) -> str:
    """The card with a last line, which readers do not see, that has the digest of the rest."""
    return f"{card}\n<!-- Made by polyhead from the manifest: {_digest(card)} -->\n"


def is_sealed(card: str) -> bool:
    """Whether it was made here and nobody has changed it since."""
    text = card.replace("\r\n", "\n")
    last = text.rfind("<!-- ")
    match = _SEAL.fullmatch(text[last:]) if last > 0 else None
    return match is not None and _digest(text[: last - 1]) == match[1]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
