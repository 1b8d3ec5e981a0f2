import pytest
import typer

from polyhead.cli.app import app
from polyhead.errors import ContractError, DuplicateKindError
from polyhead.host import BUILTIN_COMMANDS, PluginRecord, Provider, Shelf
from polyhead.host.commands import add_command


@pytest.fixture
def add():
    shelf = Shelf("command")
    record = PluginRecord("main", Provider("my-commands", "1.0"), "my_commands")

    def adding(name, command=lambda: None):
        add_command(shelf, record, name, command)
        return shelf

    return adding


async def coroutine():
    pass


def generator():
    yield


def test_the_built_in_names_are_those_of_the_command_line():
    own = {info.callback.__name__ for info in app.registered_commands}
    own |= {info.typer_instance.info.name for info in app.registered_groups}
    assert set(BUILTIN_COMMANDS) == own
    assert list(BUILTIN_COMMANDS) == sorted(BUILTIN_COMMANDS)


@pytest.mark.parametrize("name", ["a", "tokens", "count-tokens", "x2", "a-1-b"])
def test_a_function_or_a_group_is_a_command(name, add):
    group = typer.Typer()
    assert add(name).get(name) is not None
    assert add(f"{name}-group", group).get(f"{name}-group").value is group


@pytest.mark.parametrize(
    "name", ["", "Tokens", "-a", "a-", "a--b", "a b", "a_b", "1a", "a/b", "--json", None, 3, b"a"]
)
def test_other_names_are_refused(name, add):
    with pytest.raises(ContractError, match="cannot name a command: use lower-case letters"):
        add(name)


@pytest.mark.parametrize("name", BUILTIN_COMMANDS)
def test_a_built_in_name_is_refused_with_the_plugin_named(name, add):
    with pytest.raises(DuplicateKindError, match=r"one of polyhead's own; my-commands 1\.0 .main."):
        add(name)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (None, "is None, not a function or a typer.Typer"),
        ("tokens", "is 'tokens', not a function"),
        (dict, "not a function or a typer.Typer"),
        (coroutine, "is a coroutine or a generator"),
        (generator, "is a coroutine or a generator"),
    ],
)
def test_what_is_no_command_is_refused(command, message, add):
    with pytest.raises(ContractError, match=message):
        add("tokens", command)
