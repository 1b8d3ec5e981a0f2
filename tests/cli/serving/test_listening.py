"""The port of a server."""

import socket

import pytest

from polyhead.cli.serving.listening import address_of, is_local, listen
from polyhead.errors import ConfigError, UnavailableError


def test_port_0_is_any_that_is_free_and_takes_connections_at_once():
    with listen("127.0.0.1", 0) as listener:
        host, port = listener.getsockname()
        assert address_of(listener) == f"http://127.0.0.1:{port}"
        assert is_local(listener)
        with socket.create_connection((host, port), timeout=5):
            pass


def test_a_port_that_is_taken_is_refused():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"^port {port} of 127.0.0.1 is taken; choose"):
            listen("127.0.0.1", port)


def test_all_addresses_are_not_this_machine_alone():
    with listen("0.0.0.0", 0) as listener:  # noqa: S104 - what is tested
        assert not is_local(listener)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7", "\u00fc" * 70])
def test_what_is_no_address_of_this_machine_is_refused(host):
    with pytest.raises(ConfigError, match="--host"):
        listen(host, 0)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_address_of_version_6_stands_in_brackets():
    try:
        listener = listen("::1", 0)
    except ConfigError:
        pytest.skip("no loopback of IPv6 here")
    with listener:
        assert address_of(listener).startswith("http://[::1]:")
        assert is_local(listener)
