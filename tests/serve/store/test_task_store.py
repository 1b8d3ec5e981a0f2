"""Tasks are loaded when they are asked for, are leased, and leave when others need the room."""

import gc
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from polyhead import Fuse, Stack
from polyhead.errors import (
    ArtifactError,
    BackboneMismatchError,
    ConfigError,
    UnavailableError,
    UnknownTaskError,
)
from polyhead.serve.store import StoreSettings, TaskStore

PATIENCE_S = 20.0
"""Longer than anything takes that works."""


def refusal(future, error=ArtifactError):
    with pytest.raises(error) as caught:
        future.result(0)
    message = str(caught.value)
    assert "\n" not in message
    return message


# ----------------------------------------------------------------------------------- asking


def test_nothing_is_loaded_before_it_is_asked_for(publish, open_store, model):
    publish("mood")
    store = open_store()
    assert store.names() == ["mood"]
    assert not model.tasks
    assert store.describe("mood").state == "on_disk"


def test_the_first_lease_loads_and_the_second_is_there_at_once(publish, open_store, executor):
    publish("mood")
    store = open_store()
    with executor.held():
        first = store.acquire("mood")
        assert not first.done()
        assert store.describe("mood").state == "loading"
        executor.run_all()
        second = store.acquire("mood")
        assert not executor.waiting
    assert first.result(0).task == second.result(0).task
    figures = store.statistics()
    assert (figures.n_misses, figures.n_hits, figures.n_loads) == (1, 1, 1)
    assert (figures.n_resident, figures.n_leases) == (1, 2)
    record = store.describe("mood")
    assert (record.state, record.n_loads, record.n_hits) == ("resident", 1, 1)


def test_a_lease_answers_as_the_task_that_was_saved(publish, open_store, answers, make_model):
    place = publish("mood")
    lease = open_store().acquire("mood").result(0)
    other = make_model()
    other.load_task(place)
    found = other.predict(["good", "the cat sat on the mat"], task="mood")
    assert answers(lease) == [one.probabilities["bad"] for one in found]
    assert lease.task.name == "mood"
    assert lease.task.key != "mood"


def test_many_who_ask_for_one_task_wait_for_one_load(publish, open_store, executor):
    publish("mood")
    store = open_store()
    with executor.held():
        futures = [store.acquire("mood") for _ in range(50)]
        assert len(executor.waiting) == 1
        executor.run_all()
    assert len({future.result(0).task.key for future in futures}) == 1
    figures = store.statistics()
    assert (figures.n_loads, figures.n_misses, figures.n_leases) == (1, 50, 50)


def test_different_tasks_do_not_wait_for_each_other(publish, open_store, executor):
    publish("mood")
    publish("topic")
    store = open_store()
    with executor.held():
        mood, topic = store.acquire("mood"), store.acquire("topic")
        assert len(executor.waiting) == 2
        executor.waiting.reverse()
        executor.run_next()
        assert topic.done()
        assert not mood.done()
        executor.run_next()
    assert mood.result(0).task.name == "mood"


@pytest.mark.parametrize(
    "name",
    [
        *("../mood", "mood/../mood", "/etc/passwd", ".", "", "mood/", "a\0b", "hub:owner/name"),
        *("x" * 1_000_000, "\ud800", "MOOD", ".versions", "mood\n", "~", "task.json"),
        *(None, 3, b"mood", ["mood"]),
    ],
    ids=lambda name: ascii(name)[:20],
)
def test_what_is_asked_for_never_becomes_a_path(publish, open_store, monkeypatch, name):
    publish("mood")
    store = open_store()

    def touched(*_, **__):
        raise AssertionError("the disk was looked at")

    for reader in ("open", "stat", "scandir", "listdir"):
        monkeypatch.setattr(f"os.{reader}", touched)
    monkeypatch.setattr("io.open", touched)
    for future in (store.acquire(name), store.acquire(name, name)):
        assert len(refusal(future, UnknownTaskError)) < 300
    for ask in (store.describe, store.unload):
        with pytest.raises(UnknownTaskError):
            ask(name)


@pytest.mark.parametrize("version", ["../x", "", "x" * 1_000_000, "\0", 3], ids=str)
def test_a_version_that_is_not_there_is_named_with_those_there_are(publish, open_store, version):
    publish("mood")
    store = open_store()
    known = store.describe("mood").version
    assert known in refusal(store.acquire("mood", version), UnknownTaskError)


def test_a_version_that_is_there_can_be_asked_for(publish, open_store):
    publish("mood")
    store = open_store()
    version = store.describe("mood").version
    assert store.acquire("mood", version).result(0).task.version == version


def test_an_unknown_name_is_told_of_a_similar_one(publish, open_store):
    publish("sentiment")
    store = open_store()
    assert "Did you mean 'sentiment'?" in refusal(store.acquire("sentimnt"), UnknownTaskError)


# ---------------------------------------------------------------------------------- leases


def test_a_lease_given_back_twice_is_given_back_once(publish, open_store):
    publish("mood")
    store = open_store()
    first, second = (store.acquire("mood").result(0) for _ in range(2))
    first.release()
    first.release()
    assert store.statistics().n_leases == 1
    with second:
        pass
    assert store.statistics().n_leases == 0


def test_a_lease_that_nobody_holds_any_more_is_taken_back(publish, open_store):
    publish("mood")
    store = open_store()
    future = store.acquire("mood")
    assert store.statistics().n_leases == 1
    del future
    gc.collect()
    assert store.statistics().n_leases == 0


def test_a_cancelled_wait_takes_no_lease(publish, open_store, executor):
    publish("mood")
    store = open_store()
    with executor.held():
        gone, there = store.acquire("mood"), store.acquire("mood")
        assert gone.cancel()
        executor.run_all()
    assert there.result(0)
    assert store.statistics().n_leases == 1


# ------------------------------------------------------------------------------------ room


def size_of(publish, open_store):
    """What one task takes."""
    publish("size")
    with open_store() as store:
        return store.load("size").n_bytes


def test_what_was_used_longest_ago_makes_room(publish, open_store, model):
    n_bytes = size_of(publish, open_store)
    for name in "abc":
        publish(name)
    store = open_store(max_bytes=2 * n_bytes)
    for name in ("a", "b", "a", "c"):
        store.acquire(name).result(0).release()
    states = [store.describe(name).state for name in "abc"]
    assert states == ["resident", "on_disk", "resident"]
    figures = store.statistics()
    assert (figures.n_bytes, figures.n_evictions, figures.n_resident) == (2 * n_bytes, 1, 2)
    assert len(model.tasks) == len(model.heads) == len(model.adapters) == 2


def test_nothing_leased_leaves_and_the_bound_holds_again_after(publish, open_store, answers):
    n_bytes = size_of(publish, open_store)
    for name in "abc":
        publish(name)
    store = open_store(max_bytes=n_bytes)
    leases = {name: store.acquire(name).result(0) for name in "abc"}
    before = {name: answers(lease) for name, lease in leases.items()}
    assert store.statistics().n_bytes == 3 * n_bytes
    assert {name: answers(lease) for name, lease in leases.items()} == before
    for lease in leases.values():
        lease.release()
    assert store.statistics().n_bytes == n_bytes


def test_a_task_larger_than_the_room_serves_and_leaves(publish, open_store, answers):
    publish("mood")
    store = open_store(max_bytes=10)
    with store.acquire("mood").result(0) as lease:
        assert answers(lease)
    assert store.statistics().n_resident == 0


def test_a_pinned_task_stays(publish, open_store):
    n_bytes = size_of(publish, open_store)
    for name in "ab":
        publish(name)
    store = open_store(max_bytes=n_bytes)
    record = store.pin("a")
    assert (record.pinned, record.state) == (True, "resident")
    store.acquire("b").result(0).release()
    assert store.describe("a").state == "resident"
    assert store.statistics().n_bytes == n_bytes
    store.pin("a", pinned=False)
    store.acquire("b").result(0).release()
    assert store.describe("a").state == "on_disk"
    assert not store.describe("a").pinned


def test_an_unloaded_task_leaves_when_nobody_uses_it(publish, open_store, answers, model):
    publish("mood")
    store = open_store()
    lease = store.acquire("mood").result(0)
    before = answers(lease)
    store.pin("mood")
    assert not store.unload("mood").pinned
    assert answers(lease) == before
    lease.release()
    assert not model.tasks
    assert store.describe("mood").state == "on_disk"
    assert answers(store.acquire("mood").result(0)) == before


def test_an_unloaded_task_that_is_asked_for_while_in_use_stays(publish, open_store, executor):
    publish("mood")
    store = open_store()
    first = store.acquire("mood").result(0)
    store.unload("mood")
    with executor.held():
        second = store.acquire("mood").result(0)
    first.release()
    second.release()
    assert store.describe("mood").state == "resident"


SETUPS = {
    "stack": Stack("low", "own"),
    "fuse": Fuse("low", "own"),
    "both": Stack("low", Fuse("low", "own")),
}


@pytest.fixture
def composed(publish):
    """Adapters to put together, in the model that publishes."""
    author = publish._author
    author.add_adapter("low", "seq_bn")
    author.add_adapter("own", "par_bn")
    author.add_adapter_fusion(["low", "own"])
    return author


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_versions_on_several_adapters_lie_side_by_side(
    publish, open_store, composed, answers, setup
):
    publish("mood", adapter=None, share_adapter=setup)
    store = open_store()
    first = store.acquire("mood").result(0)
    before = answers(first)
    publish("mood", adapter=None, share_adapter=setup)
    store.refresh()
    second = store.acquire("mood").result(0)
    assert second.task.version != first.task.version
    assert answers(first) == before
    assert answers(second) != before


def test_a_hundred_cycles_leave_nothing_in_the_model(publish, open_store, composed, model):
    publish("plain")
    for name, setup in SETUPS.items():
        publish(name, adapter=None, share_adapter=setup)
    store = open_store()
    parts = weakref.WeakSet()
    for _ in range(25):
        for name in store.names():
            with store.acquire(name).result(0) as lease:
                model.predict(["good"], task=lease.task.key)
                parts.update((*model.adapters.values(), *model.heads.values()))
            store.unload(name)
    assert not model.adapters
    assert not model.heads
    assert not model.tasks
    gc.collect()
    assert len(parts) <= 12  # those of the last calls, which a bounded cache may still know


# ----------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("file", ["task.json", "head.safetensors", "adapter.safetensors"])
def test_damage_is_the_error_of_its_task_alone(publish, open_store, file):
    publish("mood")
    publish("topic")
    publish.cut("mood", file)
    store = open_store()
    assert store.names() == ["mood", "topic"]
    assert file in refusal(store.acquire("mood"))
    record = store.describe("mood")
    assert record.state == "damaged"
    assert file in record.error
    assert str(publish.folder) not in record.error
    assert store.acquire("topic").result(0)
    assert store.describe("topic").error is None


def test_damage_is_seen_before_anybody_asks(publish, open_store):
    publish("mood")
    publish.cut("mood")
    record = open_store().describe("mood")
    assert record.state == "damaged"
    assert "mood/head.safetensors" in record.error


def test_a_task_of_another_backbone_is_refused(publish, open_store, make_model, two_labels):
    other = make_model(seed=1)
    other.add_task("alien", head=two_labels)
    other.save_task("alien", publish.folder / "alien")
    refusal(open_store().acquire("alien"), BackboneMismatchError)


def test_whatever_a_load_raises_is_an_error_of_its_task(publish, open_store, model, monkeypatch):
    publish("mood")
    store = open_store()
    for error in (MemoryError(), RuntimeError("odd\nvery"), SystemExit(3), KeyboardInterrupt()):

        def failing(*_, error=error, **__):
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(model, "load_task", failing)
            assert type(error).__name__ in refusal(store.acquire("mood"))
        store.refresh()
    assert store.acquire("mood").result(0)


def test_a_broken_task_is_tried_again_later_and_later(
    publish, open_store, clock, model, monkeypatch
):
    publish("mood")
    store = open_store(retry_s=5, max_retry_s=15)
    monkeypatch.setattr(model, "load_task", lambda *_, **__: 1 / 0)
    tries = []
    for _ in range(100):
        before = store.statistics().n_failures
        refusal(store.acquire("mood"))
        if store.statistics().n_failures > before:
            tries.append(clock.now)
        clock.now += 1
    assert [tries[0] + wait_s for wait_s in (0, 5, 15, 30, 45, 60, 75, 90)] == tries


def test_each_who_is_refused_gets_an_error_of_their_own(publish, open_store):
    publish("mood")
    publish.cut("mood")
    store = open_store()
    first, second = (store.acquire("mood").exception(0) for _ in range(2))
    assert str(first) == str(second)
    assert first is not second


def test_a_broken_task_is_tried_again_when_its_files_change(publish, open_store):
    place = publish("mood")
    whole = (place / "head.safetensors").read_bytes()
    publish.cut("mood")
    store = open_store(retry_s=1000)
    refusal(store.acquire("mood"))
    (place / "head.safetensors").write_bytes(whole)
    assert store.acquire("mood").result(0)
    assert store.describe("mood").error is None


@pytest.mark.parametrize("how", ["load", "refresh"])
def test_a_broken_task_is_tried_again_on_request(publish, open_store, model, monkeypatch, how):
    publish("mood")
    store = open_store(retry_s=1000)
    with monkeypatch.context() as patched:
        patched.setattr(model, "load_task", lambda *_, **__: 1 / 0)
        refusal(store.acquire("mood"))
    refusal(store.acquire("mood"))
    store.load("mood") if how == "load" else store.refresh()
    assert store.acquire("mood").result(0)


def test_a_task_that_cannot_be_loaded_cannot_be_pinned(publish, open_store):
    publish("mood")
    publish.cut("mood")
    store = open_store()
    for ask in (store.pin, store.load):
        with pytest.raises(ArtifactError):
            ask("mood")
    assert not store.describe("mood").pinned


# ---------------------------------------------------------------------------------- the end


def test_a_folder_that_is_not_there_is_refused(model, tmp_path):
    with pytest.raises(ArtifactError, match="is not a folder"):
        TaskStore(model, tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_store_gives_no_lease_and_empties_the_model(
    publish, open_store, executor, model, answers
):
    for name in "abc":
        publish(name)
    store = open_store()
    leased = store.acquire("a").result(0)
    store.load("b")
    with executor.held():
        waiting = store.acquire("c")
        store.close()
        refusal(waiting, UnavailableError)
        executor.run_all()
    refusal(store.acquire("a"), UnavailableError)
    assert answers(leased)
    leased.release()
    assert not model.tasks
    store.close()


@pytest.mark.parametrize("field", ["max_bytes", "max_versions", "retry_s", "n_loaders"])
def test_settings_out_of_range_are_refused(field):
    with pytest.raises(ConfigError, match=field):
        StoreSettings.of(**{field: 0})
    with pytest.raises(ConfigError, match="unknown field 'sparkle'"):
        StoreSettings.of(sparkle=1)


def test_many_threads_ask_and_publish_and_unload(publish, model, answers):
    """With threads that load: no lease is lost, none is of a version that is not there."""
    names = [f"task{number}" for number in range(6)]
    for number, name in enumerate(names):
        publish(name, seed=number)
    store = TaskStore(model, publish.folder, StoreSettings(max_bytes=40_000))
    expected = {name: answers(store.acquire(name).result(PATIENCE_S)) for name in names}
    end = threading.Event()

    def ask(number: int) -> int:
        n_asked = 0
        while n_asked < 60:
            name = names[(number + n_asked * 5) % len(names)]
            with store.acquire(name).result(PATIENCE_S) as lease:
                assert answers(lease) == expected[name]
            n_asked += 1
        return n_asked

    def disturb() -> None:
        number = 0
        while not end.is_set():
            store.unload(names[number % len(names)])
            store.pin(names[(number + 1) % len(names)])
            store.pin(names[(number + 1) % len(names)], pinned=False)
            store.refresh()
            number += 1

    with ThreadPoolExecutor(5) as pool:
        disturbing: Future = pool.submit(disturb)
        asking = [pool.submit(ask, number) for number in range(4)]
        wait(asking)
        end.set()
        assert [future.result() for future in asking] == [60] * 4
        disturbing.result(PATIENCE_S)
    assert store.statistics().n_leases == 0
    store.close()
    assert not model.tasks
    assert not model.adapters
