"""Values that are kept up to a bound of bytes; those that were used longest ago go first."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Generic, TypeVar

from polyhead.caches.part_digests import PartDigests
from polyhead.errors import ConfigError, shown

__all__ = ["BoundedCache"]

ValueT = TypeVar("ValueT")


class BoundedCache(ABC, Generic[ValueT]):
    """Values by the digest of all that they follow from.

    Any number of threads use one cache at once, and several models may share one. A copy of a cache
    starts empty.

    Attributes:
        max_bytes: Most bytes that are kept: values, keys, and what it takes to find them.
        digests: What the parts of the models are.
    """

    def __init__(self, max_bytes: int) -> None:
        """Makes an empty cache.

        Args:
            max_bytes: The bound.

        Raises:
            ConfigError: It is no whole number above 0.
        """
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
            raise ConfigError(
                f"max_bytes is the most bytes that a {type(self).__name__} keeps, a whole number "
                f"above 0, not {shown(max_bytes)}."
            )
        self.max_bytes = max_bytes
        self.digests = PartDigests()
        self._lock = threading.Lock()
        self._start_anew()

    @property
    def n_bytes(self) -> int:
        """What is kept now."""
        return self._n_bytes

    @property
    def hits(self) -> int:
        """How often what was looked for was there."""
        return self._hits

    @property
    def misses(self) -> int:
        """How often it was not."""
        return self._misses

    def __len__(self) -> int:
        return len(self._values)

    def clear(self) -> None:
        """Throws everything out, counts from 0, and takes a fresh look at every weight."""
        with self._lock:
            self.digests.forget()
            self._start_anew()

    def find(self, key: bytes) -> ValueT | None:
        """The value of a key, used just now; None if it is not kept."""
        with self._lock:
            value = self._values.get(key)
            if value is None:
                self._misses += 1
                return None
            self._hits += 1
            self._values.move_to_end(key)
            return value

    def keep(self, key: bytes, value: ValueT) -> None:
        """Keeps a value that is never changed, unless it alone exceeds the bound."""
        n_bytes = self.bytes_of(value)
        with self._lock:
            if n_bytes > self.max_bytes or key in self._values:
                return
            while self._n_bytes + n_bytes > self.max_bytes:  # first: it is never exceeded
                _, oldest = self._values.popitem(last=False)
                self._n_bytes -= self.bytes_of(oldest)
            self._values[key] = value
            self._n_bytes += n_bytes

    @classmethod
    @abstractmethod
    def bytes_of(cls, value: ValueT) -> int:
        """The memory that a value takes, with its key and its place."""

    def _start_anew(self) -> None:
        self._values: OrderedDict[bytes, ValueT] = OrderedDict()
        self._n_bytes = 0
        self._hits = 0
        self._misses = 0

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {len(self):,} kept in {self.n_bytes:,} of "
            f"{self.max_bytes:,} bytes, {self.hits:,} hits, {self.misses:,} misses>"
        )

    def __reduce__(self) -> tuple[object, ...]:
        """A copy, or what is unpickled, has the same bound and starts empty."""
        return type(self), (self.max_bytes,)
