"""Keys of a server: in files or the environment, never in a command line for all to read."""

import os
from pathlib import Path

from polyhead.errors import ConfigError

__all__ = ["keys_of"]


def keys_of(path: Path | None, variable: str) -> list[str]:
    """The keys in a file, one a line, or else those of a variable with commas between.

    Blank lines and those that start with "#" are no keys.

    Args:
        path: The file; None for the variable.
        variable: Of the environment.

    Raises:
        ConfigError: The file cannot be read or holds none, or something in it is no key.
    """
    if path is None:
        found = [key.strip() for key in os.environ.get(variable, "").split(",")]
        return _checked([key for key in found if key], variable)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise ConfigError(f"{path} is no UTF-8 text; write a key in each line.") from None
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise ConfigError(f"{path} holds no key; write one in a line of it.")
    return _checked(found, str(path))


def _checked(keys: list[str], source: str) -> list[str]:
    for number, key in enumerate(keys, start=1):
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigError(
                f"{source}: key {number} has blanks or characters that are not ASCII; a key is one "
                "word."
            )
    return list(dict.fromkeys(keys))
