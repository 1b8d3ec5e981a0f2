"""Addresses and keys."""

import pytest

from polyhead.client import Client
from polyhead.errors import ConfigError


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000",
        "https://models.example.org/polyhead/",
        "http://[::1]:8000/",
        "http://10.0.0.7",
    ],
)
def test_addresses_are_taken_without_their_last_slash(url):
    with Client(url) as client:
        assert client.url == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:8000", "does not start with http"),
        ("ftp://localhost", "does not start with http"),
        ("", "does not start with http"),
        ("http://", "names no host"),
        ("http://:8000", "names no host"),
        ("http://a b", "holds blanks"),
        ("http://caf\u00e9.example.org", "not ASCII"),
        ("http://host:port", "cannot be read"),
        ("http://host:99999", "cannot be read"),
        ("http://host?x=1", "a query or a fragment"),
        ("http://host/#top", "a query or a fragment"),
        ("http://host:8000/v1", "leave that out"),
        ("http://host:8000/v1/predict", "leave that out"),
        (7, "is no address"),
        (None, "is no address"),
    ],
)
def test_what_is_no_address_is_refused(url, reason):
    with pytest.raises(ConfigError, match=reason):
        Client(url)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="holds a user name") as raised:
        Client("http://me:hush@host")
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("key", ["", " ", "a b", "hush\n", "h\u00fcsh", 7, b"hush"])
def test_keys_that_no_header_holds_are_refused_and_not_repeated(key):
    for name in ("api_key", "admin_key"):
        with pytest.raises(ConfigError, match=r"the (API|admin) key is empty") as raised:
            Client("http://host", **{name: key})
        assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
        {"timeout_s": "3"},
        {"retries": -1},
        {"retries": True},
        {"retries": 1.5},
    ],
)
def test_odd_settings_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        Client("http://host", **options)
