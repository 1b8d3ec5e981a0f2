"""Whether somebody has one of the server's keys."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

__all__ = ["KeyCheck"]


class KeyCheck:
    """Compares a password with every key, in a time that tells nothing about them."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Keeps the keys.

        Args:
            keys: Any of them opens the page.
        """
        self._keys = [key.encode() for key in keys if key]

    @property
    def has_keys(self) -> bool:
        """Whether there is a key to have."""
        return bool(self._keys)

    def __call__(self, user: str, password: str) -> bool:
        """Whether the password is a key; the name may be any."""
        del user
        given = password.encode(errors="surrogatepass")
        found = [hmac.compare_digest(given, key) for key in self._keys]
        return any(found)
