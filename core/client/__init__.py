"""Asking a polyhead server, in threads or in an event loop."""

from polyhead.client.async_client import AsyncClient
from polyhead.client.client import Client

__all__ = ["AsyncClient", "Client"]
