import pytest

from polyhead.serve.ui.keys import KeyCheck


def test_any_name_and_any_of_the_keys_open_the_page():
    check = KeyCheck(["one", "other"])
    assert check("anybody", "one")
    assert check("", "other")


@pytest.mark.parametrize("password", ["", "on", "one ", "ONE", "öne", "\ud800"])
def test_what_is_no_key_does_not(password):
    assert not KeyCheck(["one", "other"])("anybody", password)


def test_an_empty_key_is_none():
    assert not KeyCheck([""]).has_keys
    assert not KeyCheck([""])("anybody", "")
