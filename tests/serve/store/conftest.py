"""What tests of the store share: tasks that are published, loads that run when they are told to."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from polyhead.heads import ClassificationHeadConfig
from polyhead.model import DistilBertModelWithHeads
from polyhead.serve.store import StoreSettings, TaskStore

TEXTS = ["good", "the cat sat on the mat"]


class HandExecutor(Executor):
    """Runs what it is given at once, or, while it is held, when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable, tuple]] = []
        self.is_held = False

    def submit(self, fn, /, *args, **kwargs) -> Future:
        assert not kwargs
        self.waiting.append((fn, args))
        if not self.is_held:
            self.run_all()
        return Future()

    def run_next(self) -> None:
        fn, args = self.waiting.pop(0)
        fn(*args)

    def run_all(self) -> None:
        while self.waiting:
            self.run_next()

    @contextmanager
    def held(self) -> Iterator[None]:
        self.is_held = True
        try:
            yield
        finally:
            self.is_held = False


@dataclass
class HandClock:
    """Tells the time that it was given."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


class Publisher:
    """Saves tasks as somebody who trains them does."""

    def __init__(self, author: DistilBertModelWithHeads, shake: Callable, folder: Path) -> None:
        self.folder = folder
        self._author = author
        self._shake = shake
        self._n_published = 0

    def __call__(
        self, name: str, folder: str | None = None, *, seed: int | None = None, **options: object
    ) -> Path:
        """Saves a task with weights of its own; a version that was not there before.

        Args:
            name: Of the task.
            folder: Where to, if not by its name.
            seed: Of its weights.
            options: `labels`, and what `add_task` takes.
        """
        self._n_published += 1
        seed = self._n_published if seed is None else seed
        labels = options.pop("labels", ("bad", "good"))
        author = self._author
        author.add_task(name, head=ClassificationHeadConfig(labels=labels), **options)
        for part in (author.heads[name], *author.adapters_of(author.tasks[name].adapter).values()):
            self._shake(part, seed=seed)
        place = self.folder / (folder or name)
        author.save_task(name, place, overwrite=True)
        author.delete_task(name)
        return place

    def delete(self, folder: str) -> None:
        """Removes a folder, in one step as `mv` does."""
        aside = self.folder.parent / f"gone{self._n_published}"
        (self.folder / folder).rename(aside)
        shutil.rmtree(aside)
        self._n_published += 1

    def cut(self, folder: str, file: str = "head.safetensors") -> None:
        """Cuts a file short where it lies, which its hard links share."""
        place = self.folder / folder / file
        os.truncate(place, place.stat().st_size // 2)

    def replace_by_half(self, folder: str, file: str = "head.safetensors") -> None:
        """Puts another, shorter file in the place of one."""
        place = self.folder / folder / file
        half = place.with_name("half")
        half.write_bytes(place.read_bytes()[: place.stat().st_size // 2])
        half.replace(place)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "tasks").mkdir()
    return tmp_path / "tasks"


@pytest.fixture
def publish(make_model, shake, folder) -> Publisher:
    return Publisher(make_model(), shake, folder)


@pytest.fixture
def model(make_model) -> DistilBertModelWithHeads:
    return make_model()


@pytest.fixture
def new_executor() -> type[HandExecutor]:
    return HandExecutor


@pytest.fixture
def new_clock() -> type[HandClock]:
    return HandClock


@pytest.fixture
def executor(new_executor) -> HandExecutor:
    return new_executor()


@pytest.fixture
def clock(new_clock) -> HandClock:
    return new_clock()


@pytest.fixture
def open_store(model, folder, executor, clock) -> Iterator[Callable[..., TaskStore]]:
    """Opens a store on the folder, whose loads run at once unless the executor is held."""
    stores = []

    def opened(**settings: object) -> TaskStore:
        store = TaskStore(
            model, folder, StoreSettings.of(**settings), clock=clock, executor=executor
        )
        stores.append(store)
        return store

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def answers(model) -> Callable[..., list[float]]:
    """What the version under a lease answers: the score of the first label for two texts."""

    def answered(lease) -> list[float]:
        found = model.predict(TEXTS, task=lease.task.key)
        return [next(iter(one.probabilities.values())) for one in found]

    return answered
