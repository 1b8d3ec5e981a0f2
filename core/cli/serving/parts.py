"""The parts of a server, made one after the other and stopped in the opposite order."""

import gc
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from polyhead.cli.output import note, print_line
from polyhead.cli.serving.listening import address_of
from polyhead.cli.serving.plan import ServerPlan
from polyhead.errors import ArtifactError, InputError, UnavailableError

if TYPE_CHECKING:
    from polyhead.artifact import TaskManifest
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.serve.engine import Engine
    from polyhead.serve.store import TaskStore

__all__ = ["serve_plan"]

ResultT = TypeVar("ResultT")

_LOOK_S: Final = 0.005
_WARM_S: Final = 120.0
_CACHES: Final = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""Where oneDNN keeps kernels for the whole process, and torch those of oneDNN for each thread."""
_MOST_KERNELS: Final = "64"
"""Each number of tokens has kernels of its own: by default 1,024 are kept in each place, which are
hundreds of megabytes, and to make them anew takes no time that could be measured."""
_COLLECTING: Final = (20_000, 20, 20)
"""New objects from one look of the garbage collector to the next; looks at them until those that
were there before are looked at too; and again."""


def serve_plan(plan: ServerPlan, listener: socket.socket, started: float, *, as_json: bool) -> None:
    """Loads what is to be served, and serves it until a signal.

    Args:
        plan: What to serve.
        listener: Where connections come in.
        started: When the command began, by `time.perf_counter`.
        as_json: Whether the address is told on standard output as well.
    """
    for variable in _CACHES:
        os.environ.setdefault(variable, _MOST_KERNELS)  # read when torch is imported
    from polyhead.cli.serving.process import ServerProcess
    from polyhead.serve.engine import Engine
    from polyhead.serve.http import ServerSettings, create_app
    from polyhead.serve.settings import EngineSettings
    from polyhead.serve.store import StoreSettings, TaskStore

    engine_settings = EngineSettings.of(**plan.engine)
    store_settings = StoreSettings.of(**plan.store)
    server_settings = ServerSettings.of(**plan.server)
    model = _in_passing_thread(lambda: _model(plan))
    with ExitStack() as stack:
        store = stack.enter_context(TaskStore(model, plan.folder, store_settings))
        engine = Engine(model, engine_settings)
        stack.callback(engine.close, 0.0)
        app = create_app(engine, store, server_settings)
        if plan.ui:
            from polyhead.serve.ui import mount_ui

            mount_ui(app, engine, store, api_keys=plan.api_keys)
        engine.start()
        _preload(store, plan.preload)
        if plan.watch_s is not None:
            store.watch(plan.watch_s)
        _wait_until_warm(engine)

        stack.enter_context(_seldom_collecting())

        def tell_ready() -> None:
            seconds = time.perf_counter() - started
            note(f"{_told(listener, store, plan)} Ready after {seconds:.1f} s.")
            if as_json:  # last: who reads it may look at the rest at once
                _print_address(listener, store)

        process = ServerProcess(
            app, engine, drain_s=plan.drain_s, root_path=plan.root_path, tell=note
        )
        process.serve_on(listener, tell_ready)
    note("Stopped.")


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Inside, the garbage collector looks seldom, and never through what was there before.

    A look through all of that takes 0.3 s in which nobody is answered; one through the tasks that
    come and go costs a server that swaps them a fiftieth of its time. Little is left to it: what
    requests and tasks leave behind is freed when the last reference to it goes.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_COLLECTING)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _in_passing_thread(make: Callable[[], ResultT]) -> ResultT:
    """What `make` makes, in a thread that ends with it, and so do the helpers that torch gave it.

    While there are more of those than cores, OpenMP has all of them sleep whenever they wait for
    one another, and each product of a lone text waits until they wake.

    Source: libgomp, config/linux/wait.h (the throttled spin count).
    """
    made: Future[ResultT] = Future()

    def run() -> None:
        try:
            made.set_result(make())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            made.set_exception(error)

    # a daemon: who stops the command while a backbone is downloaded need not wait
    thread = threading.Thread(target=run, name="polyhead-start", daemon=True)
    thread.start()
    thread.join()
    return made.result()


def _model(plan: ServerPlan) -> "DistilBertModelWithHeads":
    from polyhead.caches import ResultCache

    model = plan.backbone.load(_checked_backbone(plan))
    model.private_tasks = plan.private
    if plan.result_cache is not None:
        model.result_cache = ResultCache(plan.result_cache)
    return model


def _checked_backbone(plan: ServerPlan) -> str:
    """The backbone to load: that of the command, or the one that the tasks name.

    Raises:
        UnknownTaskError: A task is to be loaded that there is not.
        InputError: The command names no backbone, and the tasks none or several.
    """
    names = [*(plan.preload or ()), *plan.private]
    if plan.backbone.name is not None and not names:
        return plan.backbone.name  # there may be thousands of tasks, which the store looks through
    from polyhead.serve.store.unknown import unknown_task

    manifests = _manifests(plan.folder)
    known = {manifest.name for manifest in manifests.values()}
    for name in plan.preload or ():
        if name not in known:
            raise unknown_task(name, known)
    for name in plan.private:
        if name not in known:
            note(f"--private {name}: there is no such task yet.")
    if plan.backbone.name is not None:
        return plan.backbone.name
    return _only_backbone(plan.folder, manifests)


def _manifests(folder: Path) -> "dict[str, TaskManifest]":
    """What the tasks in a folder say, by their folders' names."""
    from polyhead.artifact import TASK_FILE, find_tasks, read_task_manifest

    found = {}
    for place in find_tasks(folder):
        with suppress(ArtifactError):  # the store tells what is wrong with it
            found[place.name] = read_task_manifest(place / TASK_FILE)
    return found


def _only_backbone(folder: Path, manifests: "Mapping[str, TaskManifest]") -> str:
    """The backbone that all of them name."""
    place_of = {manifest.backbone.name: place for place, manifest in manifests.items()}
    if not place_of:
        raise InputError(f"no task in {folder} names a backbone; give one with --backbone.")
    if len(place_of) > 1:
        listed = ", ".join(f"{place!r} on {name!r}" for name, place in place_of.items())
        raise InputError(
            f"the tasks name different backbones ({listed}); give the one to serve with --backbone."
        )
    return next(iter(place_of))


def _preload(store: "TaskStore", wanted: Sequence[str] | None) -> None:
    """Loads tasks; where all are wanted, those that can be.

    Raises:
        UnknownTaskError: One that is named is not there.
        ArtifactError: One that is named is damaged.
    """
    for name in store.names() if wanted is None else wanted:
        try:
            store.load(name)
        except ArtifactError as error:
            if wanted is not None:
                raise
            note(f"Damaged: {error}")


def _wait_until_warm(engine: "Engine") -> None:
    deadline = time.monotonic() + _WARM_S
    while not engine.health().is_running:
        if time.monotonic() > deadline:
            raise UnavailableError("the engine does not start; its log says why.")
        time.sleep(_LOOK_S)


def _print_address(listener: socket.socket, store: "TaskStore") -> None:
    told = {"url": address_of(listener), "n_tasks": len(store.names()), "pid": os.getpid()}
    print_line(json.dumps(told))
    sys.stdout.flush()


def _told(listener: socket.socket, store: "TaskStore", plan: ServerPlan) -> str:
    """What there is to say, for people, of a server that is ready."""
    n_tasks = len(store.names())
    told = f"Serving {n_tasks} task{'' if n_tasks == 1 else 's'} at {address_of(listener)}."
    if n_tasks:
        return told
    how = "by themselves" if plan.watch_s else "when an admin asks for /v1/admin/refresh"
    return f"{told} Tasks saved in {plan.folder} are found {how}."
