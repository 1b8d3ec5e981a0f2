"""What the hub's client raises, as one sentence with a remedy."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from polyhead.errors import HubError, PolyheadError
from polyhead.hub.address import Address

__all__ = ["LOG_IN", "is_unreachable", "reported", "status_of"]

LOG_IN: Final = "log in with: hf auth login (or set HF_TOKEN)"
_NETWORK_LIBRARIES: Final = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"}
_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_SERVER_ERROR: Final = 500
_FORBIDDEN: Final = 403
_CHANGED: Final = "it was changed meanwhile; try again."
_NO_ROOM: Final = "the hub has no room for it."
_TOLD: Final = {
    401: f"the hub does not accept the token (401); {LOG_IN} again.",
    409: _CHANGED,
    412: _CHANGED,
    413: _NO_ROOM,
    429: "the hub was asked too often (429); try again later.",
    507: _NO_ROOM,
}


@contextmanager
def reported(
    action: str, address: Address, *, revision: str | None = None, has_token: bool = False
) -> Iterator[None]:
    """Inside, what the client raises becomes a HubError.

    Args:
        action: What is being done, as "push to".
        address: Where.
        revision: The branch, tag or commit that was asked for.
        has_token: Whether a token was sent.

    Raises:
        HubError: In place of whatever the client, the HTTP library below it or the disk raised.
    """
    try:
        yield
    except PolyheadError:
        raise
    except Exception as error:
        cause = _root(error)
        told = (
            _of_repository(cause, revision, has_token=has_token)
            or _of_status(cause, action, address)
            or _of_machine(cause)
            or _first_line(cause)
        )
        raise HubError(f"could not {action} {str(address)!r}: {told}") from error


def status_of(error: BaseException) -> int | None:
    """The HTTP status that the hub answered with, or None where it did not answer."""
    response = getattr(_root(error), "response", None)
    return getattr(response, "status_code", None)


def is_unreachable(error: BaseException) -> bool:
    """Whether the hub gave no answer, or only that it has a problem of its own."""
    from huggingface_hub.errors import OfflineModeIsEnabled  # noqa: PLC0415

    cause = _root(error)
    status = status_of(cause)
    if status is not None:
        return status >= _SERVER_ERROR
    return isinstance(cause, OfflineModeIsEnabled | TimeoutError) or _is_of_network(cause)


def _root(error: BaseException) -> BaseException:
    """What happened first: the client wraps what its threads and its cache raise."""
    from huggingface_hub.errors import LocalEntryNotFoundError  # noqa: PLC0415

    while isinstance(error, RuntimeError | LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _of_repository(error: BaseException, revision: str | None, *, has_token: bool) -> str | None:
    from huggingface_hub import errors  # noqa: PLC0415

    unseen = "the token may not see it" if has_token else f"it is private: {LOG_IN}"
    told = {  # the first class that it is of: some are special cases of those below them
        errors.GatedRepoError: "it is gated: accept its conditions on its page on the hub, and "
        f"{LOG_IN} as the one who did.",
        errors.RepositoryNotFoundError: f"the hub has no such repository, or {unseen}.",
        errors.RevisionNotFoundError: f"it has no revision {revision!r}; give one of its branches, "
        "tags or commits.",
        errors.HFValidationError: f"the hub's client refuses the name: {_first_line(error)}",
        errors.LocalTokenNotFoundError: f"there is no token; {LOG_IN}.",
        errors.OfflineModeIsEnabled: "the hub may not be asked (HF_HUB_OFFLINE is set); unset it.",
    }
    return next((text for kind, text in told.items() if isinstance(error, kind)), None)


def _of_status(error: BaseException, action: str, address: Address) -> str | None:
    status = status_of(error)
    if status is None:
        return None
    if status >= _SERVER_ERROR and status not in _TOLD:
        return f"the hub has a problem of its own ({status}); try again later."
    if status == _FORBIDDEN:
        owner = address.repo_id.partition("/")[0]
        return (
            f"the token may not {action} it (403); give one with the rights to do so in what "
            f"{owner!r} owns, or propose a change with --pr."
        )
    said = getattr(error, "server_message", None)
    words = f": {' '.join(said.split())}" if isinstance(said, str) and said.strip() else ""
    return _TOLD.get(status, f"the hub refuses it ({status}){words}.")


def _of_machine(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _DISK:
        place = f" ({error.filename})" if error.filename else ""
        return f"{(error.strerror or str(error)).lower()}{place}; nothing was changed."
    if isinstance(error, TimeoutError) or _is_of_network(error):
        from huggingface_hub import constants  # noqa: PLC0415

        return (
            f"the hub ({constants.ENDPOINT}) does not answer; check the connection, and "
            "HF_ENDPOINT where it is set."
        )
    return None


def _is_of_network(error: BaseException) -> bool:
    libraries = {base.__module__.partition(".")[0] for base in type(error).__mro__}
    return isinstance(error, ConnectionError) or bool(libraries & _NETWORK_LIBRARIES)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else f"{type(error).__name__}."
