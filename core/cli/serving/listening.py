"""The port of a server, taken before anything slow is begun."""

import errno
import socket
from typing import Final

from polyhead.errors import ConfigError, UnavailableError

__all__ = ["BACKLOG", "address_of", "is_local", "listen"]

BACKLOG: Final = 2048
"""Connections that wait to be accepted."""
_LOCAL: Final = ("127.", "::1")


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on; they wait until somebody accepts them.

    Args:
        host: An address of this machine, or a name of one.
        port: 0 for any that is free.

    Raises:
        ConfigError: There is no such address, or the port may not be taken.
        UnavailableError: The port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (socket.gaierror, UnicodeError):
        raise ConfigError(f"--host {host!r} is no address; give one of this machine.") from None
    except PermissionError:
        raise ConfigError(
            f"port {port} may not be taken by this user; choose one from 1024 on with --port."
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UnavailableError(
                f"port {port} of {host} is taken; choose another with --port, or 0 for any that "
                "is free."
            ) from None
        raise ConfigError(
            f"--host {host!r} is no address of this machine ({error.strerror})."
        ) from None


def address_of(listener: socket.socket) -> str:
    """Where `listener` is asked."""
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_local(listener: socket.socket) -> bool:
    """Whether this machine alone reaches it."""
    return str(listener.getsockname()[0]).startswith(_LOCAL)
