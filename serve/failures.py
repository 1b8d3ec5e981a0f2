"""What plugins do wrong, as outcomes of the examples that they did it with."""

from __future__ import annotations

from typing import Final

from polyhead.errors import EngineError, InputError, PolyheadError

__all__ = ["FAILURES", "told"]

FAILURES: Final = (Exception, SystemExit)
"""What a plugin may do wrong; it shall not end the engine, or who asks it, by calling sys.exit."""


def told(task: str, error: BaseException) -> PolyheadError:
    """An error as an example's outcome, which may be kept for as long as anyone likes.

    Args:
        task: The task's name.
        error: Any of `FAILURES`; an example that it counts was alone, and is not counted. It
            forgets where it was raised: there, it would hold the tensors of the whole batch.
    """
    cause: BaseException | None = error
    while cause is not None and cause.__traceback__ is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, InputError):
        return InputError(error.reason)
    if isinstance(error, PolyheadError):
        return error
    reason = " ".join(str(error).split())
    found = f"{type(error).__name__}: {reason}".removesuffix(": ")
    return EngineError(f"the task {task!r} could not be computed: {found}")
