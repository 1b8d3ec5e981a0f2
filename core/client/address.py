"""Where a server is and what it is asked with: checked before anything is sent."""

from __future__ import annotations

import math
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from polyhead.errors import ConfigError, shown

__all__ = ["checked_key", "checked_retries", "checked_timeout", "checked_url"]

_FORM: Final = "an address is like http://127.0.0.1:8000 or https://models.example.org/prefix"
_KEY: Final = re.compile(r"[!-~]+")
"""What an HTTP header takes of printable ASCII, without blanks."""


def checked_url(url: object) -> str:
    """`url` without a slash at its end.

    Raises:
        ConfigError: It is no address of a server. What may be a password in it is not repeated.
    """
    if not isinstance(url, str):
        raise ConfigError(f"{shown(url)} is no address of a server; {_FORM}.")
    try:
        parts = urlsplit(url)
        _ = parts.port  # read late: raises where it is no number
    except ValueError:
        raise ConfigError(f"the address of the server cannot be read; {_FORM}.") from None
    if "@" in parts.netloc:
        raise ConfigError(
            "the address of the server holds a user name or password; leave it out and give a key "
            "with api_key=."
        )
    problem = _problem(url, parts)
    if problem:
        raise ConfigError(f"{shown(url)} {problem}; {_FORM}.")
    return url.rstrip("/")


def checked_key(key: object, what: str) -> str | None:
    """`key` itself; None where there is none.

    Args:
        key: What the caller passed.
        what: What it is called in messages, which never hold the key.

    Raises:
        ConfigError: No HTTP header can hold it.
    """
    if key is None:
        return None
    if not isinstance(key, str) or _KEY.fullmatch(key) is None:
        raise ConfigError(
            f"the {what} is empty, has blanks or line ends, or is not ASCII; give it as it was set "
            "at the server."
        )
    return key


def checked_timeout(timeout_s: object) -> float:
    """`timeout_s` as a number.

    Raises:
        ConfigError: It is no positive finite number.
    """
    is_number = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if is_number and 0 < timeout_s < math.inf:  # type: ignore[operator]  # a number
        return float(timeout_s)  # type: ignore[arg-type]
    raise ConfigError(f"timeout_s={shown(timeout_s)} is not a number of seconds above 0.")


def checked_retries(retries: object) -> int:
    """`retries` itself.

    Raises:
        ConfigError: It is no count.
    """
    if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
        return retries
    raise ConfigError(f"retries={shown(retries)} is not a count; 0 turns them off.")


def _problem(url: str, parts: SplitResult) -> str:
    if parts.scheme not in {"http", "https"}:
        return "does not start with http:// or https://"
    if not parts.hostname:
        return "names no host"
    if not (url.isascii() and url.isprintable()) or " " in url:
        return "holds blanks or characters that are not ASCII"
    if "?" in url or "#" in url:
        return "goes on with a query or a fragment"
    if parts.path.rstrip("/").endswith(("/v1", "/v1/predict", "/v2")):
        return "goes on with a route; leave that out"
    return ""
