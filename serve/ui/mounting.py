"""Puts the playground into a server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from polyhead.errors import MissingExtraError
from polyhead.serve.key_ring import KeyRing
from polyhead.serve.ui.asking import Limits
from polyhead.serve.ui.doors import Doors
from polyhead.serve.ui.figures import Figures

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

    from polyhead.serve.engine import Engine
    from polyhead.serve.store import TaskStore

__all__ = ["mount_ui"]

_PATH: Final = "/ui"
_ENVIRONMENT: Final = {
    "GRADIO_ANALYTICS_ENABLED": "False",  # nothing is told to anybody
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",  # else each event has pandas sum up all
}
_ICON: Final = '<link rel="icon" href="data:,">'  # else browsers ask the server for one
_ASKS_FOR_KEY: Final = "Enter any name, and a key of this server's API as the password."


def mount_ui(
    app: FastAPI,
    engine: Engine,
    store: TaskStore,
    *,
    api_keys: Iterable[str] = (),
    limits: Limits | None = None,
) -> FastAPI:
    """Adds the playground to an application, at /ui.

    Call it before the application starts. It takes seconds: Gradio is imported here.

    Args:
        app: The server's application.
        engine: It answers; an observer of the playground's own is added to it.
        store: Whose tasks are shown.
        api_keys: Any of them opens the page; without one it is open to all.
        limits: How much may be asked at once; `Limits()` when None.

    Returns:
        The application.

    Raises:
        MissingExtraError: Gradio is not installed.
    """
    gradio = _gradio()
    # it imports Gradio, whose settings are read from the environment then
    from polyhead.serve.ui.page import STYLE, build_page, theme  # noqa: PLC0415

    figures = Figures()
    engine.observers.append(figures)
    limits = limits if limits is not None else Limits()
    keys = KeyRing(api_keys)
    _redirect(app)
    gradio.mount_gradio_app(
        app,
        build_page(engine, store, figures, limits),
        _PATH,
        app_kwargs={"middleware": [_doors(limits)]},
        auth=_check(keys) if keys else None,
        auth_message=_ASKS_FOR_KEY,
        theme=theme(),
        css=STYLE,
        head=_ICON,
        # what Gradio would offer beside the page itself
        allowed_paths=[],
        enable_monitoring=False,
        footer_links=[],
        mcp_server=False,
        pwa=False,
        run_history=False,
        show_error=False,
        ssr_mode=False,
    )
    return app


def _gradio() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import gradio  # noqa: PLC0415 - takes seconds, and only servers with a playground need it
    except ImportError as error:
        raise MissingExtraError("gradio", "ui", "the playground") from error
    return gradio


def _check(keys: KeyRing) -> Callable[[str, str], bool]:
    """Whether the password of some user is a key; the name may be any."""
    return lambda _, password: keys.has(password.encode(errors="surrogatepass"))


def _redirect(app: FastAPI) -> None:
    """Sends those who ask for /ui to /ui/, where the page is: not every application does that."""
    from starlette.responses import RedirectResponse  # noqa: PLC0415 - comes with Gradio

    async def to_page(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{request.scope.get('root_path', '')}{_PATH}/")

    app.router.add_route(_PATH, to_page, include_in_schema=False)


def _doors(limits: Limits) -> Any:
    from starlette.middleware import Middleware  # noqa: PLC0415 - comes with Gradio

    return Middleware(Doors, max_body_bytes=limits.max_body_bytes)
