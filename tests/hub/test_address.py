"""Addresses on the hub: repositories and folders in them, and nothing else."""

import pytest

from polyhead.errors import HubError
from polyhead.hub import Address, is_hub_address, parse_address


@pytest.mark.parametrize(
    ("text", "subfolder", "address"),
    [
        ("me/task", None, Address("me/task")),
        ("hub:me/task", None, Address("me/task")),
        ("me/task/sub", None, Address("me/task", "sub")),
        ("me/my.task_1-x/a/b", None, Address("me/my.task_1-x", "a/b")),
        ("me/task", "sub--2", Address("me/task", "sub--2")),
        ("me/task/a", "b", Address("me/task", "a/b")),
    ],
)
def test_an_address_is_read(text, subfolder, address):
    assert parse_address(text, subfolder) == address


def test_an_address_is_shown_as_it_is_written():
    address = parse_address("me/task/a/b")
    assert str(address) == "me/task/a/b"
    assert address.name == "b"
    assert address.path("head.safetensors") == "a/b/head.safetensors"
    assert str(parse_address("me/task")) == "me/task"


@pytest.mark.parametrize(
    "text",
    [
        *("", "task", "/task", "me/", "me//task", "../me/task", "me/..", "me/a..b", "me/a--b"),
        "me/-a",
        "me/a.git",
        "me/a b",
        "mé/task",
        "me/" + "a" * 100,
        "me\\task",
        "~/task",
        "me/t\n",
        "./me/t",
    ],
)
def test_what_names_no_repository_is_refused(text):
    with pytest.raises(
        HubError, match="names no repository of the hub: write owner/name"
    ) as caught:
        parse_address(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "folder", ["..", "../x", "a/../b", "a//b", "/a", "a\\b", ".git", "a/b/c/d/e"]
)
def test_a_folder_with_tricks_in_its_name_is_refused(folder):
    with pytest.raises(HubError, match="names no folder of a repository"):
        parse_address("me/task", folder)
    with pytest.raises(HubError):
        parse_address(f"me/task/{folder}")


def test_a_link_and_another_kind_of_repository_are_told_apart():
    with pytest.raises(HubError, match="is a link; give the repository as 'owner/name'"):
        parse_address("https://example.org/me/task")
    with pytest.raises(HubError, match="one of the hub's datasets"):
        parse_address("datasets/me/task")


def test_only_a_string_with_the_prefix_is_an_address_where_a_path_may_stand(tmp_path):
    assert is_hub_address("hub:me/task")
    assert not is_hub_address("me/task")
    assert not is_hub_address(tmp_path)
