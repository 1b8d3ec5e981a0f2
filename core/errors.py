"""Every error that polyhead raises on purpose.

    PolyheadError
    ├── UnknownNameError (LookupError)
    │   ├── UnknownAdapterError
    │   ├── UnknownHeadError
    │   ├── UnknownTaskError
    │   ├── UnknownKindError
    │   ├── UnknownBackboneError
    │   └── UnknownPipelineError
    ├── NameTakenError (ValueError)
    ├── InvalidNameError (ValueError)
    ├── DuplicateKindError (ValueError)
    ├── ContractError (TypeError)
    ├── NewerPluginError (ImportError)
    ├── ConfigError (ValueError)
    ├── InputError (ValueError)
    │   └── DataError
    ├── CheckpointError (ValueError)
    │   └── DownloadError
    ├── ArtifactError (ValueError)
    │   ├── BackboneMismatchError
    │   ├── ConversionError
    │   └── NewerFormatError
    ├── HubError (OSError)
    ├── EngineError (RuntimeError)
    │   ├── OverloadedError
    │   ├── UnavailableError
    │   ├── BrokenTaskError
    │   ├── ExpiredError (TimeoutError)
    │   ├── CancelledError
    │   └── NonFiniteError
    ├── ServerError (RuntimeError)
    ├── TrainError (ArithmeticError)
    ├── WriteError (OSError)
    │   └── OutputExistsError
    └── MissingExtraError (ImportError)

A message states the fact, the alternatives and the remedy, in one line. Each class also inherits
the builtin that callers already catch.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "ArtifactError",
    "BackboneMismatchError",
    "BrokenTaskError",
    "CancelledError",
    "CheckpointError",
    "ConfigError",
    "ContractError",
    "ConversionError",
    "DataError",
    "DownloadError",
    "DuplicateKindError",
    "EngineError",
    "ExpiredError",
    "HubError",
    "InputError",
    "InvalidNameError",
    "MissingExtraError",
    "NameTakenError",
    "NewerFormatError",
    "NewerPluginError",
    "NonFiniteError",
    "OutputExistsError",
    "OverloadedError",
    "PolyheadError",
    "ServerError",
    "TrainError",
    "UnavailableError",
    "UnknownAdapterError",
    "UnknownBackboneError",
    "UnknownHeadError",
    "UnknownKindError",
    "UnknownNameError",
    "UnknownPipelineError",
    "UnknownTaskError",
    "WriteError",
    "listing",
    "shown",
]

_MOST_NAMES_SHOWN = 12


class PolyheadError(Exception):
    """Base of all errors raised by polyhead."""

    def __reduce__(self) -> tuple[object, ...]:
        """Makes them survive the way between processes, whatever their arguments are."""
        return _restore, (type(self), self.args, self.__dict__)


class UnknownNameError(PolyheadError, LookupError):
    """A name that is not there.

    Attributes:
        name: What was asked for.
        known: What there is, sorted.
    """

    what: ClassVar[str] = "name"
    where: ClassVar[str] = "this model has"

    def __init__(self, name: str, known: Iterable[str], remedy: str) -> None:
        self.name = name
        self.known = sorted(known)
        close = get_close_matches(name, self.known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(
            f"no {self.what} {name!r}; {self.where}: {listing(self.known)}.{hint} {remedy}".rstrip()
        )


class UnknownAdapterError(UnknownNameError):
    """No adapter of that name in the model."""

    what = "adapter"


class UnknownHeadError(UnknownNameError):
    """No head of that name in the model."""

    what = "head"


class UnknownTaskError(UnknownNameError):
    """No task of that name in the model."""

    what = "task"


class UnknownKindError(UnknownNameError):
    """No installed plugin provides that kind of head or adapter."""

    what = "kind"
    where = "installed"

    def __init__(self, what: str, name: str, known: Iterable[str], remedy: str) -> None:
        self.what = what  # type: ignore[misc]  # one class serves both heads and adapters
        super().__init__(name, known, remedy)


class UnknownBackboneError(UnknownNameError):
    """Neither a folder, nor a named backbone, nor something that can be a hub id."""

    what = "backbone"
    where = "named ones"


class UnknownPipelineError(UnknownNameError):
    """No pipeline answers that task."""

    what = "pipeline"
    where = "there are"


class NameTakenError(PolyheadError, ValueError):
    """An adapter, head or task of that name is already in the model."""


class InvalidNameError(PolyheadError, ValueError):
    """A name that cannot be a file name and a module name on every system."""


class DuplicateKindError(PolyheadError, ValueError):
    """Two plugins claim one kind, preset or backbone name."""


class ContractError(PolyheadError, TypeError):
    """A plugin's class does not do what its contract asks for."""


class NewerPluginError(PolyheadError, ImportError):
    """A plugin that was written for a newer polyhead than this."""


class ConfigError(PolyheadError, ValueError):
    """A configuration that is not understood or out of range."""


class InputError(PolyheadError, ValueError):
    """Texts, tensors or labels that cannot be used as given.

    Attributes:
        reason: What is wrong with it.
        index: Where one example of several is at fault: its place among them, counted from 0.
    """

    def __init__(self, reason: str, *, index: int | None = None) -> None:
        self.reason = reason
        self.index = index
        super().__init__(reason if index is None else f"example {index + 1}: {reason}")


class DataError(InputError):
    """A data file, or one line of it, that cannot be used.

    Attributes:
        path: The file.
        line: Its line, counted from 1, or None when it is the file as a whole.
    """

    def __init__(self, path: object, message: str, line: int | None = None) -> None:
        self.path = str(path)
        self.line = line
        place = self.path if line is None else f"{self.path}, line {line}"
        super().__init__(f"{place}: {message}")


class CheckpointError(PolyheadError, ValueError):
    """A backbone checkpoint that is missing, incomplete or of another architecture."""


class DownloadError(CheckpointError):
    """The hub could not be asked, or has no such repository, revision or file."""


class ArtifactError(PolyheadError, ValueError):
    """A saved adapter, head or task that is damaged or is not what it claims to be."""


class BackboneMismatchError(ArtifactError):
    """An artifact that was trained on another backbone than the one loaded."""


class ConversionError(ArtifactError):
    """An adapter or a head that has no exact equal in another library, or theirs none here."""


class NewerFormatError(ArtifactError):
    """An artifact written in a format newer than this version reads."""


class HubError(PolyheadError, OSError):
    """The hub refused, lacks or could not be asked for what was to be pushed or pulled."""


class EngineError(PolyheadError, RuntimeError):
    """What an engine says of rows that it was given and did not answer.

    Attributes:
        retry_after_s: When it may be worth another try, in seconds; None where it is not known.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class OverloadedError(EngineError):
    """More waits already than is answered in the time that was allowed."""


class UnavailableError(EngineError):
    """The engine is not running, is about to stop, or died with these rows in it."""


class BrokenTaskError(EngineError):
    """A task that kept failing, and is not asked again for a while."""


class ExpiredError(EngineError, TimeoutError):
    """An answer that was not there when it was still wanted."""


class CancelledError(EngineError):
    """An answer that nobody wants any more."""


class NonFiniteError(EngineError):
    """An answer that would have been infinite or no number."""


class ServerError(PolyheadError, RuntimeError):
    """What a server said in place of an answer, or that it could not be reached.

    Attributes:
        reason: What it said.
        status: Of the HTTP response; None where there was none, or other inputs were answered.
        code: What kind of error it is, in one word: "unknown_task", "overloaded", ...
        retry_after_s: When the server may answer, in seconds; None where it did not say.
        index: Where one input of several is at fault: its place among them, counted from 0.
        task: The task that did not answer that input.
    """

    def __init__(
        self,
        reason: str,
        *,
        code: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        index: int | None = None,
        task: str | None = None,
    ) -> None:
        self.reason = reason
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.index = index
        self.task = task
        super().__init__(reason if index is None else f"input {index + 1}, task {task!r}: {reason}")


class TrainError(PolyheadError, ArithmeticError):
    """A training run whose loss or gradient became infinite or no number.

    Attributes:
        best_epoch: The epoch whose weights the model holds; 0 for those from before the run.
    """

    def __init__(self, message: str, best_epoch: int) -> None:
        self.best_epoch = best_epoch
        super().__init__(message)


class WriteError(PolyheadError, OSError):
    """A result could not be written; what was there before is untouched."""


class OutputExistsError(WriteError):
    """The place to write to is taken, and overwriting was not asked for."""


class MissingExtraError(PolyheadError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.extra = extra
        super().__init__(
            f"{purpose} needs the package {package!r}; install it with: pip install "
            f"'polyhead[{extra}]'"
        )


def _restore(
    error_class: type[PolyheadError], args: tuple[object, ...], attributes: dict[str, object]
) -> PolyheadError:
    # one that is an OSError and something else beside would look up that other's
    new = OSError.__new__ if issubclass(error_class, OSError) else error_class.__new__
    error = new(error_class, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


def shown(value: object, most: int = 60) -> str:
    """`value` as a message shows it: its repr, cut to `most` characters."""
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def listing(names: Sequence[str]) -> str:
    """The names for a message, in their order, cut short where there are many."""
    if not names:
        return "none"
    first = ", ".join(repr(name) for name in names[:_MOST_NAMES_SHOWN])
    rest = len(names) - _MOST_NAMES_SHOWN
    return first if rest <= 0 else f"{first} and {rest} more"
