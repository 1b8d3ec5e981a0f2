"""Who may ask, and who may change tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from polyhead.serve.http.wire import header_of
from polyhead.serve.key_ring import KeyRing

if TYPE_CHECKING:
    from pydantic import SecretStr
    from starlette.types import Scope

__all__ = ["Keys"]

Level = Literal["admin", "api", "nobody"]


class Keys:
    """The keys of a server.

    Attributes:
        are_needed: Whether asking takes a key.
        has_admin: Whether anyone may change tasks.
    """

    def __init__(self, api: Iterable[SecretStr], admin: Iterable[SecretStr]) -> None:
        self._api = KeyRing(key.get_secret_value() for key in api)
        self._admin = KeyRing(key.get_secret_value() for key in admin)
        self.are_needed = bool(self._api)
        self.has_admin = bool(self._admin)

    def level_of(self, scope: Scope) -> Level:
        """What the key in a request's headers allows.

        It takes as long for a wrong key as for a right one, whichever of several that is.
        """
        given = _given(scope)
        if given is None:
            return "nobody"
        is_admin, is_api = self._admin.has(given), self._api.has(given)
        return "admin" if is_admin else "api" if is_api else "nobody"


def _given(scope: Scope) -> bytes | None:
    """The key of `X-API-Key: KEY` or of `Authorization: Bearer KEY`."""
    own = header_of(scope, b"x-api-key")
    if own is not None:
        return own.strip()
    scheme, _, value = (header_of(scope, b"authorization") or b"").partition(b" ")
    return value.strip() if scheme.lower() == b"bearer" and value.strip() else None
