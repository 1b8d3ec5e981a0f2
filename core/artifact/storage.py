"""Writing so that a reader sees the old state or the new one, and nothing in between."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from polyhead.errors import OutputExistsError, WriteError

__all__ = ["check_free", "write_file", "write_folder"]


def check_free(path: Path, *, overwrite: bool, marker: str | None = None) -> None:
    """Refuses a place that is taken.

    Args:
        path: The file or folder to be written.
        overwrite: Whether what is there may be replaced.
        marker: For a folder, the file by which it is known as one of ours; a folder without it is
            not replaced even so.

    Raises:
        OutputExistsError: It is taken.
    """
    if not os.path.lexists(path):
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    if not overwrite:
        raise OutputExistsError(f"{path} exists; choose another place, or ask to overwrite it.")
    if marker is not None and not (path / marker).is_file():
        raise OutputExistsError(f"{path} exists and holds no {marker}, so it is not overwritten.")


def write_file(path: Path, content: bytes) -> None:
    """Writes `content` to `path`, making its folder where it is missing.

    Raises:
        WriteError: It could not be written; what was at `path` before is untouched.
    """
    with _reported(path), _made(path.parent):
        temporary = _beside(path)
        try:
            with temporary.open("xb") as file:
                _write_through(file.fileno(), content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Writes a folder that holds `files`, in place of what may be at `path`.

    Args:
        path: The folder.
        files: Contents by name; a name with slashes lies in a folder of its own.

    Raises:
        WriteError: It could not be written; what was at `path` before is untouched.
    """
    with _reported(path), _made(path.parent):
        temporary = _beside(path)
        temporary.mkdir()
        try:
            for name, content in files.items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                with (temporary / name).open("xb") as file:
                    _write_through(file.fileno(), content)
            _sync_folder(temporary)
            _swap_in(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync_folder(path.parent)


def _swap_in(temporary: Path, path: Path) -> None:
    if not path.exists():
        temporary.rename(path)
        return
    # a folder cannot be renamed over a full one: the old one steps aside, and back if need be
    aside = _beside(path)
    path.rename(aside)
    try:
        temporary.rename(path)
    except BaseException:
        aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _write_through(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)


def _beside(path: Path) -> Path:
    """A new hidden name next to `path`; what is made there has the mode any new file has."""
    return path.parent / f".{path.name}.{secrets.token_hex(4)}"


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable where the file system can; by then it has happened, so no error."""
    if os.name == "nt":
        return  # a folder cannot be opened there, and renames are durable without it
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Makes `folder` with those above it; takes away again what it made when the body fails."""
    missing = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for place in missing:
            with suppress(OSError):  # someone else's file has come to lie there, or it was not made
                place.rmdir()
        raise


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(f"{path} could not be written: {reason}. Nothing was changed.") from error
