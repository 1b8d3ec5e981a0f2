import sys
import threading
import warnings

import pytest

from polyhead.host import EventObservers

HOOK = "polyhead_train_event"
RECORDER = """
    import polyhead as ph

    HEARD = []

    @ph.hookimpl
    def polyhead_train_event(event):
        HEARD.append(event)
        {then}
"""


def observers(*own) -> EventObservers:
    return EventObservers(HOOK, "training", own)


@pytest.fixture
def install(install_plugin):
    """Installs an observer; returns the list of what it is told."""

    def installing(name, then="pass"):
        install_plugin(name, RECORDER.format(then=then))
        return lambda: sys.modules[f"{name}_plugin"].HEARD

    return installing


def test_callers_observers_and_plugins_are_told(install):
    of_plugin, heard = install("recorder"), []
    observers(heard.append).tell("an event")
    assert heard == of_plugin() == ["an event"]


def test_other_events_are_not_told(install):
    of_plugin = install("recorder")
    EventObservers("polyhead_serve_event", "serving").tell("an event")
    assert of_plugin() == []


def test_a_plugin_may_leave_out_the_event(install_plugin):
    install_plugin(
        "deaf",
        """
        import polyhead as ph
        CALLS = []

        @ph.hookimpl
        def polyhead_train_event():
            CALLS.append(1)
        """,
    )
    observers().tell("an event")
    assert sys.modules["deaf_plugin"].CALLS == [1]


@pytest.mark.parametrize("error", ["ValueError('no\\ndisk')", "SystemExit(3)", "GeneratorExit()"])
def test_a_plugin_that_raises_is_reported_once_and_left_out(error, install):
    broken, healthy = install("broken", f"raise {error}"), install("healthy")
    told = observers()
    with pytest.warns(RuntimeWarning) as caught:
        told.tell("an event")
    told.tell("an event")
    [warning] = caught
    name = error.partition("(")[0]
    assert str(warning.message).startswith(
        f"the training observer of the plugin broken 1.0 (main) failed ({name}: "
    )
    assert str(warning.message).endswith("and is not called again.")
    assert len(broken()) == 1
    assert healthy() == ["an event", "an event"]


def test_a_plugin_that_failed_once_is_told_by_the_next_who_tell(install):
    broken = install("broken", "raise ValueError")
    for _ in range(2):
        with pytest.warns(RuntimeWarning):
            observers().tell("an event")
    assert len(broken()) == 2


def test_a_callers_observer_that_raises_stops_no_other(install):
    of_plugin, heard = install("recorder"), []

    def broken(event):
        raise ValueError(event)

    told = observers(broken, heard.append)
    with pytest.warns(RuntimeWarning, match=r"broken.*ValueError: an event"):
        told.tell("an event")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told.tell("an event")
    assert heard == of_plugin() == ["an event", "an event"]


def test_ctrl_c_in_an_observer_goes_up(install):
    install("interrupted", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        observers().tell("an event")


def test_a_broken_plugin_keeps_no_observer_from_being_told(install, install_plugin):
    install_plugin("a-broken-one", "1 / 0")
    of_plugin = install("recorder")
    observers().tell("an event")
    assert of_plugin() == ["an event"]


def test_many_threads_may_tell_and_a_failure_is_reported_once(install, recwarn):
    warnings.simplefilter("always")
    install("broken", "import threading; BARRIER.wait(); raise ValueError")
    told = observers()
    sys.modules["broken_plugin"].BARRIER = threading.Barrier(4)
    threads = [threading.Thread(target=told.tell, args=("an event",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recwarn) == 1
