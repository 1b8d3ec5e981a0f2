"""What a failed command says: one sentence and an exit code, no traceback."""

import errno
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import typer

from polyhead.errors import PolyheadError

__all__ = ["BROKEN_PIPE", "FAILED", "INTERRUPTED", "reported"]

FAILED = 2
INTERRUPTED = 130
"""What shells report of a command that Ctrl-C ended."""
BROKEN_PIPE = 141
"""What shells report of a command whose reader went away."""

P = ParamSpec("P")
T = TypeVar("T")


def reported(command: Callable[P, T]) -> Callable[P, T]:
    """`command`, with what users can cause turned into a sentence and an exit code.

    With POLYHEAD_DEBUG=1 in the environment the error goes up as it is, with its traceback.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            result = command(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:
            _silence_stdout()
            raise typer.Exit(BROKEN_PIPE) from None
        except KeyboardInterrupt:
            _say("Interrupted.")
            raise typer.Exit(INTERRUPTED) from None
        except (PolyheadError, OSError) as error:
            if os.environ.get("POLYHEAD_DEBUG", "0") not in {"", "0"}:
                raise
            _say(f"Error: {_sentence(error)}")
            if _is_full(error):
                _silence_stdout()
            raise typer.Exit(FAILED) from None
        return result

    return run


def _sentence(error: PolyheadError | OSError) -> str:
    """One line: a polyhead error speaks for itself, one of the system needs its file."""
    if isinstance(error, PolyheadError) or error.strerror is None:
        return " ".join(str(error).split())
    reason = error.strerror[:1].lower() + error.strerror[1:]
    return f"{error.filename}: {reason}." if error.filename else f"{reason}."


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - what a command line does


def _silence_stdout() -> None:
    """Keeps Python's own flush at exit from failing on the same output once more."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return  # standard output is not a file: nothing flushes it at exit
