"""What of the client needs a package that not everybody has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["load_wire"]


def load_wire(purpose: str) -> ModuleType:
    """The module that sends over HTTP.

    Raises:
        MissingExtraError: httpx is not installed.
    """
    try:
        from polyhead.client import wire  # noqa: PLC0415 - not before somebody asks a server
    except ModuleNotFoundError as error:
        if error.name != "httpx":
            raise
        raise MissingExtraError("httpx", "client", purpose) from None
    return wire
