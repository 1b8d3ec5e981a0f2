"""A client for event loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, overload

from polyhead.client.base import BaseClient
from polyhead.client.extra import load_wire
from polyhead.client.talks import OnError, Priority, options_of

if TYPE_CHECKING:
    import httpx

    from polyhead.client.wire import AsyncWire

__all__ = ["AsyncClient"]


class AsyncClient(BaseClient):
    """What `Client` is, for one event loop: its methods are awaited."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        admin_key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 3,
        transport: httpx.AsyncBaseTransport | None = None,
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
        self._wire: AsyncWire = load_wire("polyhead.AsyncClient").AsyncWire(self.url, transport)

    @overload
    async def predict(
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
    async def predict(
        self,
        inputs: object,
        task: Sequence[str],
        *,
        priority: Priority = ...,
        timeout_s: float | None = ...,
        private: bool = ...,
        on_error: OnError = ...,
    ) -> list[dict[str, Any]]: ...
    async def predict(
        self,
        inputs: object,
        task: str | Sequence[str],
        *,
        priority: Priority = "interactive",
        timeout_s: float | None = None,
        private: bool = False,
        on_error: OnError = "raise",
    ) -> list[Any] | list[dict[str, Any]]:
        """Answers inputs; arguments, answers and errors as of `Client.predict`.

        Of several calls that are awaited together each has connections of its own.
        """
        options = options_of(priority, timeout_s, private=private)
        return await self._wire.hold(self._talks.predict(inputs, task, options, on_error))

    async def embed(self, inputs: object, task: str) -> list[list[float]]:
        """The vectors of inputs, by an embedding task; arguments and errors as in `predict`."""
        return await self._wire.hold(self._talks.embed(inputs, task))

    async def tasks(self) -> list[dict[str, Any]]:
        """All tasks of the server: name, state, head, version."""
        return await self._wire.hold(self._talks.tasks())

    async def task(self, name: str) -> dict[str, Any]:
        """One task of the server: labels, schema, an example, metrics, versions."""
        return await self._wire.hold(self._talks.task(name))

    async def is_ready(self) -> bool:
        """Whether the server answers now; False also where it cannot be reached."""
        return await self._wire.hold(self._talks.is_ready())

    async def load(self, name: str) -> dict[str, Any]:
        """Makes a task resident.

        Returns:
            The task as it is then, here and in the methods below.
        """
        return await self._admin("load", name)

    async def unload(self, name: str) -> dict[str, Any]:
        """Gives the memory of a task back; the next request loads it again."""
        return await self._admin("unload", name)

    async def pin(self, name: str) -> dict[str, Any]:
        """Keeps a task resident whatever else is asked."""
        return await self._admin("pin", name)

    async def unpin(self, name: str) -> dict[str, Any]:
        """Lets a task go again when memory is needed."""
        return await self._admin("unpin", name)

    async def rollback(self, name: str, version: str | None = None) -> dict[str, Any]:
        """Goes back to the version before, or to this one."""
        return await self._admin("rollback", name, version)

    async def refresh(self) -> list[str]:
        """Has the server look through its folder for tasks that are new, changed or gone.

        Returns:
            The names of all tasks there are.
        """
        found = await self._admin("refresh")
        names: list[str] = found["tasks"]
        return names

    async def close(self) -> None:
        """Closes its connections; it cannot be used any more."""
        await self._wire.close()

    async def _admin(
        self, action: str, name: str | None = None, version: str | None = None
    ) -> dict[str, Any]:
        return await self._wire.hold(self._talks.admin(action, name, version))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
