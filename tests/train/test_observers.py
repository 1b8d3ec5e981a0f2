import sys

import pytest

from polyhead.contracts import TrainEvent
from polyhead.train.observers import Observers

EVENT = TrainEvent(event="start", task="mood")


def test_callers_observers_and_those_of_plugins_are_told(install_plugin):
    install_plugin(
        "recorder",
        """
        import polyhead as ph
        HEARD = []

        @ph.hookimpl
        def polyhead_train_event(event):
            HEARD.append(event)
        """,
    )
    heard = []
    Observers([heard.append]).tell(EVENT)
    assert heard == sys.modules["recorder_plugin"].HEARD == [EVENT]


def test_a_failure_is_told_as_one_of_training(install_plugin):
    def broken(event):
        raise ValueError(event.task)

    observers = Observers([broken])
    with pytest.warns(RuntimeWarning, match=r"the training observer .*broken.*ValueError: mood"):
        observers.tell(EVENT)
