"""A class under test is looked up like an installed one, for as long as its tests run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from polyhead.contracts import Adapter, Head
from polyhead.registry import registry
from polyhead.testing.failure import ConformanceError, advising

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["registered"]


@contextmanager
def registered(cls: type[Head | Adapter]) -> Iterator[None]:
    """Inside, the registry knows `cls`; one that an installed plugin registers is known anyway.

    Raises:
        ConformanceError: Its kind or a preset belongs to another class.
    """
    if _is_installed(cls):
        yield
        return
    with advising(f"{cls.__qualname__} cannot be registered."):
        record = registry().try_out(cls)
    try:
        yield
    finally:
        registry().forget(record)


def _is_installed(cls: type[Head | Adapter]) -> bool:
    kinds = registry()
    is_head = issubclass(cls, Head)
    if cls.kind not in (kinds.head_kinds() if is_head else kinds.adapter_kinds()):
        return False
    found: type = kinds.head(cls.kind) if is_head else kinds.adapter(cls.kind)
    if found is not cls:
        raise ConformanceError(
            f"the kind {cls.kind!r} of {cls.__module__}.{cls.__qualname__} is that of "
            f"{found.__module__}.{found.__qualname__}, which is installed; give yours another "
            "kind or, if the two are the same class, test the one that is installed."
        )
    return True
