"""Those who are told what happens: the caller's own observers and those of plugins."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from polyhead.host.host import host
from polyhead.host.records import text_of

if TYPE_CHECKING:
    from pluggy import HookImpl

__all__ = ["EventObservers"]

EventT = TypeVar("EventT")


class EventObservers(Generic[EventT]):
    """Observers of one sort of events, each on its own; many threads may tell them.

    One that raises is reported as a warning and left out from then on; the others go on.
    """

    def __init__(self, hook: str, what: str, own: Iterable[Callable[[EventT], None]] = ()) -> None:
        """Collects the observers; plugins are loaded for it.

        Args:
            hook: The plugins' hook for these events.
            what: What is observed, for warnings: "training".
            own: The caller's own; they are told before the plugins' are.
        """
        self._what = what
        self._listening = {_name_of(observer): observer for observer in own}
        for record, implementation in host().implementations(hook):
            self._listening[f"of the plugin {record}"] = _observer_of(implementation)

    def tell(self, event: EventT) -> None:
        """Tells everyone who still listens; a KeyboardInterrupt goes up to the caller."""
        for name, observer in list(self._listening.items()):
            try:
                observer(event)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - an observer may raise anything
                if self._listening.pop(name, None) is None:
                    continue  # another thread has reported it
                warnings.warn(
                    f"the {self._what} observer {name} failed ({type(error).__name__}: "
                    f"{text_of(error)}) and is not called again.",
                    RuntimeWarning,
                    stacklevel=2,
                )


def _name_of(observer: object) -> str:
    return f"{getattr(observer, '__qualname__', type(observer).__qualname__)} at {id(observer):#x}"


def _observer_of(implementation: HookImpl) -> Callable[[object], None]:
    def observe(event: object) -> None:
        # a plugin may leave out arguments that it does not read
        implementation.function(*([event] if "event" in implementation.argnames else []))

    return observe
