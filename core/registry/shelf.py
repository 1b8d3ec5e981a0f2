"""Registered things of one sort, by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from polyhead.errors import DuplicateKindError
from polyhead.registry.records import PluginRecord, Provider

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

    def add(self, name: str, value: T, record: PluginRecord, builtin: Provider) -> None:
        """Takes a claim.

        Raises:
            DuplicateKindError: A built-in thing has that name.
        """
        held = self._claims.setdefault(name, [])
        if held and held[0].record.provider == builtin:
            raise self._taken(name, [*held, Claim(value, record)])
        held.append(Claim(value, record))
        record.provides.append(f"{self.what} {name}")

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

    def _taken(self, name: str, claims: Iterable[Claim[T]]) -> DuplicateKindError:
        who = " and ".join(f"{claim.record.provider} ({claim.record.name})" for claim in claims)
        return DuplicateKindError(
            f"{self.what} {name!r} is claimed by {who}; uninstall one of them or rename its "
            f"{self.what}."
        )
