"""What a client is, however it waits."""

from __future__ import annotations

from typing import NoReturn

from polyhead.client.address import checked_url
from polyhead.client.talks import Talks

__all__ = ["BaseClient"]


class BaseClient:
    """A server's address and what it is asked with; keys are in no repr and no message.

    Attributes:
        url: The server's address.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        admin_key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 3,
    ) -> None:
        """Takes note of where the server is; nothing is sent yet.

        Args:
            url: The server's address: scheme, host, port, and a prefix where it is behind a proxy.
            api_key: What it asks of those who want answers, if anything.
            admin_key: What it asks of those who load, unload, pin and roll back.
            timeout_s: How long a request may take with all its tries; a long list of inputs is
                several requests.
            retries: How often again what was refused for now (429, 503), or did not get through.

        Raises:
            ConfigError: The address or one of the others is none.
        """
        self.url = checked_url(url)
        self._talks = Talks(api_key, admin_key, timeout_s, retries)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.url}>"

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"{name} objects have open connections and keys; make one in each process.")
