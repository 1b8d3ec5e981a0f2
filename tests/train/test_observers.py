import warnings

import pytest

from polyhead.contracts import TrainEvent
from polyhead.hookspecs import hookimpl
from polyhead.registry import Registry
from polyhead.train import observers as module
from polyhead.train.observers import Observers

EVENT = TrainEvent(event="start", task="mood")


class Recorder:
    """A plugin that keeps what it is told."""

    def __init__(self) -> None:
        self.heard = []

    @hookimpl
    def polyhead_train_event(self, event):
        self.heard.append(event)


class Broken(Recorder):
    """A plugin that counts its calls and raises in each."""

    def __init__(self, error) -> None:
        super().__init__()
        self.error = error

    @hookimpl
    def polyhead_train_event(self, event):
        self.heard.append(event)
        raise self.error


class Deaf:
    """A plugin that only counts."""

    calls = 0

    @hookimpl
    def polyhead_train_event(self):
        self.calls += 1


@pytest.fixture
def install(monkeypatch):
    """Puts plugin objects in the place of the installed plugins."""

    def installing(**plugins):
        registry = Registry(entry_points=False)
        assert registry.hooks
        for name, plugin in plugins.items():
            registry._manager.register(plugin, name=name)
        monkeypatch.setattr(module, "registry", lambda: registry)

    return installing


def test_callers_observers_and_plugins_are_told(install):
    plugin, heard = Recorder(), []
    install(recorder=plugin)
    Observers([heard.append]).tell(EVENT)
    assert heard == plugin.heard == [EVENT]


def test_a_plugin_may_leave_out_the_event(install):
    plugin = Deaf()
    install(deaf=plugin)
    Observers([]).tell(EVENT)
    assert plugin.calls == 1


@pytest.mark.parametrize("error", [ValueError("no disk"), SystemExit(3)])
def test_a_plugin_that_raises_is_reported_once_and_left_out(install, error):
    broken, healthy = Broken(error), Recorder()
    install(broken=broken, healthy=healthy)
    observers = Observers([])
    with pytest.warns(
        RuntimeWarning, match=f"plugin broken failed.*{type(error).__name__}"
    ) as told:
        observers.tell(EVENT)
    observers.tell(EVENT)
    assert len(told) == 1
    assert len(broken.heard) == 1
    assert healthy.heard == [EVENT, EVENT]


def test_a_plugin_that_failed_in_one_run_is_told_of_the_next(install):
    broken = Broken(ValueError())
    install(broken=broken)
    for _ in range(2):
        with pytest.warns(RuntimeWarning):
            Observers([]).tell(EVENT)
    assert len(broken.heard) == 2


def test_a_callers_observer_that_raises_stops_no_other(install):
    install()
    heard = []

    def broken(event):
        raise ValueError(event.task)

    observers = Observers([broken, heard.append])
    with pytest.warns(RuntimeWarning, match=r"broken.*ValueError: mood"):
        observers.tell(EVENT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observers.tell(EVENT)
    assert heard == [EVENT, EVENT]


def test_ctrl_c_in_an_observer_goes_up(install):
    install(broken=Broken(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        Observers([]).tell(EVENT)
