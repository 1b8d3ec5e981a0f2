"""Whatever is published, asked, released, rolled back and broken in whatever order: it holds."""

import gc
import shutil
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from polyhead.artifact import read_contents
from polyhead.errors import ArtifactError, InputError, UnknownTaskError
from polyhead.serve.store import StoreSettings, TaskStore

NAMES = ("a", "b", "c")
MAX_BYTES = 20_000
"""Of two tasks, and not of three."""


class StoreMachine(RuleBasedStateMachine):
    """A store beside what a few dictionaries say of it.

    Attributes:
        on_disk: The version in each task's folder, as it was published last.
        chosen: The version that a task was rolled back to.
        answer: What each version answers.
        broken: Versions whose files were damaged.
        cut: Tasks of which that happened to files that the archive shares.
        served: Tasks of which a sound version has answered.
        pinned: Tasks that are.
        waiting: Leases that were asked for, and their tasks.
        leases: Those that are held.
    """

    def __init__(self, folder, fresh) -> None:
        super().__init__()
        self.folder = folder
        self.parts = fresh()
        shutil.rmtree(folder)
        folder.mkdir()
        self.on_disk: dict[str, str] = {}
        self.chosen: dict[str, str] = {}
        self.answer: dict[str, list[float]] = {}
        self.broken: set[str] = set()
        self.cut: set[str] = set()
        self.served: set[str] = set()
        self.pinned: set[str] = set()
        self.waiting = []
        self.leases = []
        for name in NAMES[:2]:
            self._publish(name)
        self._open()

    def _open(self) -> None:
        parts = self.parts
        self.store = TaskStore(
            parts.model,
            self.folder,
            StoreSettings(max_bytes=MAX_BYTES, max_versions=3, retry_s=5),
            clock=parts.clock,
            executor=parts.executor,
        )
        parts.executor.is_held = True

    def _publish(self, name: str) -> str:
        place = self.parts.publish(name)
        version = read_contents(place).digest[:12]
        fresh = self.parts.model.load_task(place, name="fresh")
        self.answer[version] = self._answers(fresh)
        self.parts.model.delete_task(fresh)
        self.on_disk[name] = version
        self.chosen.pop(name, None)
        return version

    def _answers(self, task: str) -> list[float]:
        found = self.parts.model.predict(["good", "the cat sat on the mat"], task=task)
        return [one.probabilities["bad"] for one in found]

    def _run_all(self) -> None:
        """What blocks would wait for what is held for ever."""
        self.parts.executor.run_all()
        self._take_in()

    def _take_in(self) -> None:
        for name, future in [one for one in self.waiting if one[1].done()]:
            self.waiting.remove((name, future))
            try:
                lease = future.result(0)
            except (ArtifactError, UnknownTaskError):
                continue
            assert lease.task.name == name
            assert lease.task.version in self.answer
            self.leases.append(lease)

    # ------------------------------------------------------------------------------- the disk

    @rule(name=st.sampled_from(NAMES))
    def publish(self, name: str) -> None:
        self._publish(name)

    @rule(name=st.sampled_from(NAMES))
    def publish_a_broken_one(self, name: str) -> None:
        self.broken.add(self._publish(name))
        self.parts.publish.replace_by_half(name)

    @rule(name=st.sampled_from(NAMES))
    def cut_a_file(self, name: str) -> None:
        if name in self.on_disk:
            self.broken.add(self.on_disk[name])
            self.cut.add(name)
            self.parts.publish.cut(name)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if self.on_disk.pop(name, None) is not None:
            self.parts.publish.delete(name)

    # ---------------------------------------------------------------------------- who asks

    @rule(name=st.sampled_from(NAMES), is_exact=st.booleans())
    def acquire(self, name: str, is_exact: bool) -> None:
        version = None
        if is_exact and name in self.store.names():
            version = self.store.describe(name).versions[-1:]
            version = version[0].version if version else None
        self.waiting.append((name, self.store.acquire(name, version)))
        self._take_in()

    @rule()
    def load_one(self) -> None:
        if self.parts.executor.waiting:
            self.parts.executor.run_next()
            self._take_in()

    @rule(number=st.integers(0, 10))
    def release(self, number: int) -> None:
        if self.leases:
            lease = self.leases.pop(number % len(self.leases))
            lease.release()
            lease.release()

    @rule(number=st.integers(0, 10))
    def forget(self, number: int) -> None:
        if self.leases:
            del self.leases[number % len(self.leases)]
            gc.collect()
            self.store.statistics()

    @rule(number=st.integers(0, 10))
    def cancel(self, number: int) -> None:
        if self.waiting:
            _, future = self.waiting.pop(number % len(self.waiting))
            assert future.cancel()

    # -------------------------------------------------------------------------- who operates

    @rule()
    def refresh(self) -> None:
        self.store.refresh()
        self.pinned &= set(self.store.names())

    @rule()
    def look_as_a_watcher_does(self) -> None:
        self.store._keeper.look()
        self.pinned &= set(self.store.names())

    @rule(name=st.sampled_from(NAMES))
    def unload(self, name: str) -> None:
        if name in self.store.names():
            self.store.unload(name)
            self.pinned.discard(name)

    @rule(name=st.sampled_from(NAMES), pinned=st.booleans())
    def pin(self, name: str, pinned: bool) -> None:
        with self._blocking():
            self.store.pin(name, pinned)
            self.pinned.discard(name)
            self.pinned |= {name} if pinned else set()

    @rule(name=st.sampled_from(NAMES))
    def roll_back(self, name: str) -> None:
        with self._blocking():
            version = self.store.rollback(name).version
            assert version in self.answer
            if version == self.on_disk.get(name):
                self.chosen.pop(name, None)
            else:
                self.chosen[name] = version

    def _blocking(self):
        machine = self

        class Blocking:
            def __enter__(self):
                machine._run_all()
                # news that the store has not seen would end a choice later: let it see them first
                machine.store.refresh()
                machine._run_all()
                machine.pinned &= set(machine.store.names())
                machine.parts.executor.is_held = False

            def __exit__(self, kind, error, traceback):
                machine.parts.executor.is_held = True
                return kind is not None and issubclass(
                    kind, ArtifactError | UnknownTaskError | InputError
                )

        return Blocking()

    @rule(seconds=st.sampled_from([1, 5, 100]))
    def wait(self, seconds: int) -> None:
        self.parts.clock.now += seconds

    @precondition(lambda self: not self.leases)
    @rule()
    def restart(self) -> None:
        self._run_all()
        while self.leases:
            self.leases.pop().release()
        self.store.close()
        assert not self.parts.model.tasks
        self.pinned.clear()
        self._open()

    @rule()
    def settle(self) -> None:
        """When all is seen and loaded, what answers is what lies on disk, or was chosen."""
        self._run_all()
        self.store.refresh()
        self._run_all()
        self.pinned &= set(self.store.names())
        assert set(self.store.names()) == set(self.on_disk)
        for name, published in self.on_disk.items():
            version = self.chosen.get(name, published)
            if version in self.broken:
                self._check_that_an_earlier_one_answers(name)
                continue
            future = self.store.acquire(name)
            self._run_all()
            with future.result(0) as lease:
                assert lease.task.version == version
            assert self.store.describe(name).version == version
            assert self.store.describe(name).state in {"resident", "on_disk"}
            self.served.add(name)

    def _check_that_an_earlier_one_answers(self, name: str) -> None:
        """Where there is one, and nobody wrote into files that it shares."""
        future = self.store.acquire(name)
        self._run_all()
        if name in self.served - self.cut:
            with future.result(0) as lease:
                assert lease.task.version not in self.broken
            assert self.store.describe(name).error is not None
        elif future.exception(0) is None:
            future.result(0).release()

    # ------------------------------------------------------------------------------- always

    @invariant()
    def leased_versions_answer_as_they_were_published(self) -> None:
        model = self.parts.model
        for lease in self.leases:
            assert lease.task.key in model.tasks
        for lease in {lease.task.key: lease for lease in self.leases}.values():
            expected = self.answer[lease.task.version]
            assert self._answers(lease.task.key) == pytest.approx(expected, abs=1e-6)

    @invariant()
    def what_is_too_much_is_in_use(self) -> None:
        keeper = self.store._keeper
        self.store.statistics()  # takes back what was forgotten
        residents = list(keeper.shelf.residents)
        assert sum(one.n_bytes for one in residents) == keeper.shelf.residents.n_bytes
        held = [one for one in residents if one.n_leases or keeper._is_pinned(one)]
        if keeper.shelf.residents.n_bytes > MAX_BYTES:
            assert len(held) == len(residents)
        if not self.leases and not self.pinned:
            assert keeper.shelf.residents.n_bytes <= MAX_BYTES

    @invariant()
    def the_model_holds_what_the_store_says(self) -> None:
        model, shelf = self.parts.model, self.store._keeper.shelf
        keys = {one.task.key for one in shelf.residents}
        assert set(model.tasks) == set(model.heads) == set(model.adapters) == keys
        n_held = sum(one.n_leases for one in shelf.residents)
        assert n_held == shelf.residents.n_leases == len(self.leases)

    @invariant()
    def whoever_waits_is_waited_for(self) -> None:
        if not self.parts.executor.waiting:
            assert not [future for _, future in self.waiting if not future.done()]

    def teardown(self) -> None:
        self._run_all()
        assert not self.waiting
        while self.leases:
            self.leases.pop().release()
        self.store.close()
        assert not self.parts.model.tasks
        assert not self.parts.model.adapters


def test_it_holds_in_any_order(folder, publish, make_model, new_executor, new_clock):
    def fresh() -> SimpleNamespace:
        """A model, an executor and a clock that no other example has used."""
        return SimpleNamespace(
            model=make_model(), executor=new_executor(), clock=new_clock(), publish=publish
        )

    run_state_machine_as_test(
        lambda: StoreMachine(folder, fresh),
        settings=settings(max_examples=40, stateful_step_count=50, deadline=None),
    )
