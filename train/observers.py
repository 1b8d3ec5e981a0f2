"""Those who are told what happens in a training run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from polyhead.contracts import TrainEvent
from polyhead.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pluggy import HookImpl

__all__ = ["Observer", "Observers"]

Observer = Callable[[TrainEvent], None]


class Observers:
    """The caller's observers and those of installed plugins, each on its own.

    One that raises is reported as a warning and left out from then on; the others go on.
    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        """Collects the observers of one run.

        Args:
            observers: The caller's own; they are told before the plugins' are.
        """
        self._listening = {_name_of(observer): observer for observer in observers}
        hook = registry().hooks.polyhead_train_event
        # last registered first, as pluggy calls them
        for implementation in reversed(hook.get_hookimpls()):
            self._listening[f"plugin {implementation.plugin_name}"] = _observer_of(implementation)

    def tell(self, event: TrainEvent) -> None:
        """Tells everyone who still listens; a KeyboardInterrupt goes up to the run."""
        for name, observer in list(self._listening.items()):
            try:
                observer(event)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - an observer may raise anything
                del self._listening[name]
                warnings.warn(
                    f"the training observer {name} failed ({type(error).__name__}: {error}) and is "
                    "not called again in this run.",
                    RuntimeWarning,
                    stacklevel=2,
                )


def _name_of(observer: Observer) -> str:
    return f"{getattr(observer, '__qualname__', type(observer).__qualname__)} at {id(observer):#x}"


def _observer_of(implementation: HookImpl) -> Observer:
    def observe(event: TrainEvent) -> None:
        # a plugin may leave out arguments that it does not read
        implementation.function(*([event] if "event" in implementation.argnames else []))

    return observe
