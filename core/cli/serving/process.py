"""A server's life: from its first request to the signal that ends it, without losing any."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from polyhead.cli.serving.listening import BACKLOG

if TYPE_CHECKING:
    from polyhead.serve.engine import Engine

__all__ = ["ServerProcess"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_KEEP_ALIVE_S: Final = 20
"""Of a connection without requests: longer than clients and proxies keep theirs."""
_LINGER_S: Final = 0.3
"""For those who have just connected to send their request: closed before, they would be reset."""
_LOOK_S: Final = 0.01
_LAST_ANSWERS_S: Final = 5
"""For clients to read what is answered at the end."""
_HEADERS_BYTES: Final = 65536
_BY_SIGNAL: Final = 128
"""What shells add to the number of the signal that ended a process."""

App = Callable[..., Any]


class ServerProcess(uvicorn.Server):
    """Serves an application until it gets a signal, then answers what it took before it ends.

    From the first signal on new requests are refused with status 503, and each connection is closed
    after its answer. A second signal ends the process at once.
    """

    def __init__(
        self,
        app: App,
        engine: "Engine",
        *,
        drain_s: float,
        root_path: str,
        tell: Callable[[str], None],
    ) -> None:
        """Prepares to serve.

        Args:
            app: The application.
            engine: What computes for it: started, and stopped by this.
            drain_s: How long after a signal what was taken may still be answered.
            root_path: Under which prefix a proxy has the server.
            tell: Is told what happens, for people.
        """
        self._last_words = _LastWords(app)
        super().__init__(
            uvicorn.Config(
                self._last_words,
                access_log=False,
                backlog=BACKLOG,
                h11_max_incomplete_event_size=_HEADERS_BYTES,
                lifespan="on",
                log_config=None,
                proxy_headers=False,
                root_path=root_path,
                server_header=False,
                timeout_graceful_shutdown=_LAST_ANSWERS_S,
                timeout_keep_alive=_KEEP_ALIVE_S,
                ws="none",
            )
        )
        self._engine = engine
        self._drain_s = drain_s
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None
        self._is_ending = False
        self._on_start: Callable[[], None] = lambda: None
        self._listener: socket.socket | None = None

    def serve_on(self, listener: socket.socket, on_start: Callable[[], None]) -> None:
        """Serves until a signal.

        Args:
            listener: Where connections come in.
            on_start: Is called when the first request can be answered.
        """
        self._on_start = on_start
        self._listener = listener
        self.run(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to accept connections."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Inside, signals end the server in order; what they did before comes back after."""
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """What a signal does."""
        if self._is_ending or self._loop is None:
            os._exit(_BY_SIGNAL + sig)
        self._is_ending = True
        self._loop.call_soon_threadsafe(self._start_draining)

    def _start_draining(self) -> None:
        self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        self._tell(
            f"Stopping: what was taken is answered, for up to {self._drain_s:g} s. A second signal "
            "ends at once."
        )
        self._last_words.are_spoken = True
        try:
            # in a thread: the loop goes on to answer
            await asyncio.to_thread(self._engine.close, self._drain_s)
            await self._see_off()
        finally:
            self.should_exit = True

    async def _see_off(self) -> None:
        """Lets nobody in any more, and tells those who are inside; an idle one stays silent."""
        if self._listener is not None:
            self._listener.listen(0)  # what is in the queue when it is closed would be reset
            await asyncio.sleep(_LOOK_S)
        for server in self.servers:
            server.close()
        deadline = time.monotonic() + _LINGER_S
        # uvicorn tells nobody when a connection closes
        while self.server_state.connections and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)


class _LastWords:
    """Has each connection closed after its answer, once the server is about to end.

    Attributes:
        are_spoken: Whether it is.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.are_spoken = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_last(message: Any) -> None:
            if self.are_spoken and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_last if scope["type"] == "http" else send)
