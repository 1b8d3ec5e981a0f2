"""The HTTP server: `create_app` makes an ASGI application of an engine and a store.

It needs the extra `serve`.
"""

from polyhead.serve.http.app import create_app
from polyhead.serve.http.settings import ServerSettings

__all__ = ["ServerSettings", "create_app"]
