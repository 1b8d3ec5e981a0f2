"""A client that waits for its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, overload

from polyhead.client.base import BaseClient
from polyhead.client.extra import load_wire
from polyhead.client.talks import OnError, Priority, options_of

if TYPE_CHECKING:
    import httpx

    from polyhead.client.wire import Wire

__all__ = ["Client"]


class Client(BaseClient):
    """Asks a polyhead server as a model is asked; any number of threads may share one."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        admin_key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Takes note of where the server is; nothing is sent yet.

        Args:
            url: As `BaseClient` takes it, and so are the next four.
            api_key: Likewise.
            admin_key: Likewise.
            timeout_s: Likewise.
            retries: Likewise.
            transport: What carries the requests, for proxies and tests.

        Raises:
            ConfigError: The address or one of the others is none.
            MissingExtraError: httpx is not installed.
        """
        super().__init__(
            url, api_key=api_key, admin_key=admin_key, timeout_s=timeout_s, retries=retries
        )
        self._wire: Wire = load_wire("polyhead.Client").Wire(self.url, transport)

    @overload
    def predict(
        self,
        inputs: object,
        task: str,
        *,
        priority: Priority = ...,
        timeout_s: float | None = ...,
        private: bool = ...,
        on_error: OnError = ...,
    ) -> list[Any]: ...
    @overload
    def predict(
        self,
        inputs: object,
        task: Sequence[str],
        *,
        priority: Priority = ...,
        timeout_s: float | None = ...,
        private: bool = ...,
        on_error: OnError = ...,
    ) -> list[dict[str, Any]]: ...
    def predict(
        self,
        inputs: object,
        task: str | Sequence[str],
        *,
        priority: Priority = "interactive",
        timeout_s: float | None = None,
        private: bool = False,
        on_error: OnError = "raise",
    ) -> list[Any] | list[dict[str, Any]]:
        """Answers inputs.

        Args:
            inputs: A text, a pair, a mapping or an example of the task's head; or any number of
                them, which are read as they are sent, a few hundred a request.
            task: A task's name; or several, each of which answers every input.
            priority: "bulk" for what may wait behind others.
            timeout_s: In place of the client's own.
            private: Whether the server's caches must not know of these inputs.
            on_error: "raise" the first error of an input, or "return" a ServerError in the place
                of each answer that there is none of.

        Returns:
            One answer an input, a dict with the fields of the prediction; for several tasks, one
            dict an input with each task's answer.

        Raises:
            ServerError: The server refused, could not be reached, or could not answer an input.
            InputError: An input is nothing that can be sent.
        """
        options = options_of(priority, timeout_s, private=private)
        return self._wire.hold(self._talks.predict(inputs, task, options, on_error))

    def embed(self, inputs: object, task: str) -> list[list[float]]:
        """The vectors of inputs, by an embedding task; arguments and errors as in `predict`."""
        return self._wire.hold(self._talks.embed(inputs, task))

    def tasks(self) -> list[dict[str, Any]]:
        """All tasks of the server: name, state, head, version."""
        return self._wire.hold(self._talks.tasks())

    def task(self, name: str) -> dict[str, Any]:
        """One task of the server: labels, schema, an example, metrics, versions."""
        return self._wire.hold(self._talks.task(name))

    def is_ready(self) -> bool:
        """Whether the server answers now; False also where it cannot be reached."""
        return self._wire.hold(self._talks.is_ready())

    def load(self, name: str) -> dict[str, Any]:
        """Makes a task resident.

        Returns:
            The task as it is then, here and in the methods below.
        """
        return self._admin("load", name)

    def unload(self, name: str) -> dict[str, Any]:
        """Gives the memory of a task back; the next request loads it again."""
        return self._admin("unload", name)

    def pin(self, name: str) -> dict[str, Any]:
        """Keeps a task resident whatever else is asked."""
        return self._admin("pin", name)

    def unpin(self, name: str) -> dict[str, Any]:
        """Lets a task go again when memory is needed."""
        return self._admin("unpin", name)

    def rollback(self, name: str, version: str | None = None) -> dict[str, Any]:
        """Goes back to the version before, or to this one."""
        return self._admin("rollback", name, version)

    def refresh(self) -> list[str]:
        """Has the server look through its folder for tasks that are new, changed or gone.

        Returns:
            The names of all tasks there are.
        """
        found = self._admin("refresh")
        names: list[str] = found["tasks"]
        return names

    def close(self) -> None:
        """Closes its connections; it cannot be used any more."""
        self._wire.close()

    def _admin(
        self, action: str, name: str | None = None, version: str | None = None
    ) -> dict[str, Any]:
        return self._wire.hold(self._talks.admin(action, name, version))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
