"""Where a server's logs go: requests as JSON lines, all else to standard error."""

import logging
import sys
from logging.handlers import WatchedFileHandler
from typing import Final, Literal

from polyhead.errors import WriteError

__all__ = ["LogLevel", "set_up_logs"]

LogLevel = Literal["debug", "info", "warning", "error"]

_ACCESS: Final = "polyhead.access"
_OFF: Final = "off"
_STREAM: Final = "-"


def set_up_logs(access_log: str, level: LogLevel) -> bool:
    """Sends what is logged where it belongs.

    Args:
        access_log: A file, which may be moved away while the server runs; "-" for standard output,
            "off" for nowhere.
        level: Of everything else.

    Returns:
        Whether requests are logged.

    Raises:
        WriteError: The file cannot be written.
    """
    logging.raiseExceptions = False  # a reader of the log that went away is no traceback
    notes = logging.StreamHandler(sys.stderr)
    notes.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("polyhead")
    logger.handlers = [notes]
    logger.setLevel(level.upper())
    uvicorn = logging.getLogger("uvicorn")
    uvicorn.handlers = [notes]
    uvicorn.setLevel(max(logging.WARNING, logger.level))
    if access_log == _OFF:
        return False
    access = logging.getLogger(_ACCESS)
    access.handlers = [_access_handler(access_log)]
    access.setLevel(logging.INFO)
    access.propagate = False
    return True


def _access_handler(access_log: str) -> logging.Handler:
    if access_log == _STREAM:
        return logging.StreamHandler(sys.stdout)
    try:
        return WatchedFileHandler(access_log, encoding="utf-8")
    except OSError as error:
        raise WriteError(
            f"--access-log {access_log} cannot be written: {error.strerror}."
        ) from None
