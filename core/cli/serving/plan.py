"""What a command line asks of a server, checked as far as that needs nothing slow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from polyhead.cli.loading import BackboneSource
from polyhead.errors import MissingExtraError

__all__ = ["ServerPlan", "check_packages"]

_PACKAGES: Final = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "prometheus_client": "prometheus-client",
}
"""What is imported, and what it is installed as."""


@dataclass(frozen=True)
class ServerPlan:
    """What to serve, and how.

    Attributes:
        folder: Of the tasks.
        backbone: The encoder.
        preload: Tasks to load before the first request; None for all.
        private: Tasks whose texts no cache may know of.
        result_cache: Bytes of it; None for none.
        watch_s: How often the folder is looked through; None for never.
        api_keys: Keys of those who may ask.
        ui: Whether there is a playground.
        root_path: Under which prefix a proxy has the server.
        drain_s: How long what was taken may be answered at the end.
        engine: Settings of the engine.
        store: Of the store.
        server: Of the application.
    """

    folder: Path
    backbone: BackboneSource
    preload: Sequence[str] | None
    private: Sequence[str]
    result_cache: int | None
    watch_s: float | None
    api_keys: Sequence[str]
    ui: bool
    root_path: str
    drain_s: float
    engine: Mapping[str, object]
    store: Mapping[str, object]
    server: Mapping[str, object]


def check_packages(*, ui: bool) -> None:
    """Refuses to start without what a server needs.

    Raises:
        MissingExtraError: A package is missing.
    """
    for module, package in _PACKAGES.items():
        if find_spec(module) is None:
            raise MissingExtraError(package, "serve", "polyhead serve")
    if ui and find_spec("gradio") is None:
        raise MissingExtraError("gradio", "ui", "--ui")
