"""Keys that open something."""

import pytest

from polyhead.serve.key_ring import KeyRing


def test_any_of_the_keys_will_do():
    keys = KeyRing(["one", "öther"])
    assert keys
    assert keys.has(b"one")
    assert keys.has("öther".encode())


@pytest.mark.parametrize("given", [b"", b"on", b"one ", b"ONE", "öne".encode(), b"\xff"])
def test_what_is_no_key_does_not(given):
    assert not KeyRing(["one", "other"]).has(given)


def test_an_empty_key_is_none():
    assert not KeyRing([""])
    assert not KeyRing([""]).has(b"")
