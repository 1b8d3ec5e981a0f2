"""Those who are told what happens in a training run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from polyhead.contracts import TrainEvent
from polyhead.host import EventObservers

__all__ = ["Observer", "Observers"]

Observer = Callable[[TrainEvent], None]


class Observers(EventObservers[TrainEvent]):
    """The observers of one run: the caller's own, then those of installed plugins."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        """Collects them.

        Args:
            observers: The caller's own.
        """
        super().__init__("polyhead_train_event", "training", observers)
