"""Registered things of one sort, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from polyhead.errors import DuplicateKindError
from polyhead.host.switches import DISABLE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.host.records import PluginRecord

__all__ = ["Claim", "Shelf"]

T = TypeVar("T")


@dataclass(frozen=True)
class Claim(Generic[T]):
    """A thing and the plugin that registered it."""

    value: T
    record: PluginRecord


class Shelf(Generic[T]):
    """Things of one sort by name, with everyone who claims the name."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._claims: dict[str, list[Claim[T]]] = {}

    def add(self, name: str, value: T, record: PluginRecord) -> None:
        """Takes a claim; the same one a second time changes nothing.

        Raises:
            DuplicateKindError: A built-in thing has that name, or the same plugin has given it to
                something else.
        """
        held = self._claims.setdefault(name, [])
        if any(claim.record is record and claim.value is value for claim in held):
            return
        if any(claim.record is record for claim in held):
            raise DuplicateKindError(
                f"{record} registers two things as {self.what} {name!r}; rename one of them."
            )
        claims = [*held, Claim(value, record)]
        if held and held[0].record.is_builtin:
            raise self._taken(name, claims)
        for other in held:
            other.record.conflicts.append(f"{self.what} {name}: also claimed by {record}")
            record.conflicts.append(f"{self.what} {name}: also claimed by {other.record}")
        held.append(claims[-1])
        record.provides.append(f"{self.what} {name}")

    def forget(self, record: PluginRecord) -> None:
        """Takes out every claim of the plugin with that record."""
        for name, held in list(self._claims.items()):
            rest = [claim for claim in held if claim.record is not record]
            if rest:
                self._claims[name] = rest
            else:
                del self._claims[name]

    def get(self, name: str) -> Claim[T] | None:
        """The one claim to `name`, or None.

        Raises:
            DuplicateKindError: Several plugins claim it.
        """
        held = self._claims.get(name)
        if not held:
            return None
        if len(held) > 1:
            raise self._taken(name, held)
        return held[0]

    def names(self) -> list[str]:
        """All names, sorted, disputed ones too."""
        return sorted(self._claims)

    def undisputed(self) -> dict[str, T]:
        """What exactly one plugin claims, by name in sorted order."""
        held = ((name, self._claims[name]) for name in self.names())
        return {name: claims[0].value for name, claims in held if len(claims) == 1}

    def records(self, name: str) -> list[PluginRecord]:
        """The plugins that claim `name`."""
        return [claim.record for claim in self._claims.get(name, [])]

    def values(self) -> list[tuple[str, T]]:
        """Everything with its name, disputed or not."""
        return [(name, claim.value) for name in self.names() for claim in self._claims[name]]

    def _taken(self, name: str, claims: Sequence[Claim[T]]) -> DuplicateKindError:
        who = " and ".join(str(claim.record) for claim in claims)
        return DuplicateKindError(
            f"{self.what} {name!r} is claimed by {who}; uninstall one of them, switch it off with "
            f"{DISABLE_VARIABLE}={claims[-1].record.provider.distribution}, or rename its "
            f"{self.what}."
        )
