"""What is refused before anything of a plugin is called."""

import types

import pluggy
import pytest

from polyhead import hookspecs
from polyhead.errors import ContractError
from polyhead.hookspecs import hookimpl
from polyhead.host.checks import HOOKS, OBSERVERS, check_complete, check_hooks


@pytest.fixture(scope="module")
def manager():
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


@pytest.fixture
def check(manager):
    """Checks a module with these attributes."""

    def checking(**attributes):
        module = types.ModuleType("my_heads")
        vars(module).update(attributes)
        return check_hooks(module, "my_heads", manager)

    return checking


def test_every_hook_is_known_with_its_arguments(manager):
    assert HOOKS == {
        "polyhead_register_adapters": ("register",),
        "polyhead_register_backbones": ("register",),
        "polyhead_register_commands": ("register",),
        "polyhead_register_heads": ("register",),
        "polyhead_serve_event": ("event",),
        "polyhead_train_event": ("event",),
    }
    assert {"polyhead_serve_event", "polyhead_train_event"} == OBSERVERS
    assert all(hasattr(manager.hook, name) for name in HOOKS)


def test_hooks_are_found_by_name_or_by_the_name_they_give(check):
    found = check(
        polyhead_register_heads=hookimpl(lambda register: None),
        watch=hookimpl(lambda event: None, specname="polyhead_train_event"),
        polyhead_serve_event=hookimpl(lambda: None),
        polyhead_helper=lambda: None,
    )
    assert found == ["polyhead_register_heads", "polyhead_serve_event", "polyhead_train_event"]


@pytest.mark.parametrize(
    ("attribute", "options", "near"),
    [
        ("polyhead_register_head", {}, "polyhead_register_heads"),
        ("polyhead_on_train_event", {}, "polyhead_train_event"),
        ("heads", {"specname": "polyhead_register_headz"}, "polyhead_register_heads"),
    ],
)
def test_a_misspelt_hook_is_told_with_the_hooks_there_are(attribute, options, near, check):
    with pytest.raises(ContractError) as caught:
        check(**{attribute: hookimpl(lambda register: None, **options)})
    message = str(caught.value)
    assert "is no hook; there are: 'polyhead_register_adapters', " in message
    assert message.endswith(f"Did you mean {near!r}?")


def test_a_hook_of_other_versions_may_be_marked_as_optional(check):
    later = hookimpl(lambda anything: None, optionalhook=True)
    heads = hookimpl(lambda register: None)
    assert check(polyhead_later=later, polyhead_register_heads=heads) == ["polyhead_register_heads"]


def test_a_hook_that_is_not_marked_is_told(check):
    with pytest.raises(ContractError, match=r"_heads is not marked as a hook; put @polyhead.hook"):
        check(polyhead_register_heads=lambda register: None)
    # of another program's plugin system
    foreign = pluggy.HookimplMarker("pytest")(lambda register: None)
    with pytest.raises(ContractError, match="is not marked as a hook"):
        check(polyhead_register_heads=foreign)


def test_a_module_without_hooks_is_told(check):
    with pytest.raises(ContractError, match="my_heads implements none of the hooks: 'polyhead_"):
        check(something=1, register=lambda: None)


def default(register=None):
    pass


def keyword(*, register):
    pass


def star(*args):
    pass


def stars(register, **options):
    pass


def other(registrar):
    pass


def two(register, event):
    pass


@pytest.mark.parametrize(
    ("function", "argument", "problem"),
    [
        (default, "register", "it is given by its place"),
        (keyword, "register", "it is given by its place"),
        (star, "args", "hooks are given what they name and nothing more"),
        (stars, "options", "hooks are given what they name and nothing more"),
        (other, "registrar", "there is none of that name"),
        (two, "event", "there is none of that name"),
    ],
)
def test_arguments_that_a_hook_is_not_given_are_told(function, argument, problem, check):
    with pytest.raises(ContractError) as caught:
        check(polyhead_register_heads=hookimpl(function))
    message = str(caught.value)
    assert message.startswith(f"polyhead_register_heads has the argument {argument!r}: {problem}")
    assert message.endswith("the arguments of this hook are: 'register'.")


def test_arguments_of_the_plugins_own_need_a_default(check):
    def register_heads(register, verbose=False, *, seed=0):
        pass

    assert check(polyhead_register_heads=hookimpl(register_heads))


async def coroutine(register):
    pass


def generator(register):
    yield


async def both(register):
    yield


@pytest.mark.parametrize("function", [coroutine, generator, both])
def test_a_function_that_would_not_run_when_called_is_told(function, check):
    with pytest.raises(ContractError, match="is a coroutine or a generator, which would not run"):
        check(polyhead_register_heads=hookimpl(function))


@pytest.mark.parametrize("option", ["wrapper", "hookwrapper"])
def test_a_wrapper_is_told(option, check):
    marked = hookimpl(generator, **{option: True})
    with pytest.raises(ContractError, match="_heads is a wrapper, and no other plugin is called"):
        check(polyhead_register_heads=marked)


def test_an_object_may_be_a_plugin(manager):
    class Plugin:
        @hookimpl
        def polyhead_train_event(self, event):
            pass

    assert check_hooks(Plugin(), "x:plugin", manager) == ["polyhead_train_event"]
    with pytest.raises(ContractError, match="argument 'self'"):  # the class is no instance
        check_hooks(Plugin, "x:Plugin", manager)


def test_what_is_no_plugin_is_told():
    with pytest.raises(ContractError, match="x:nothing is None, not a module or an object"):
        check_complete(None, "x:nothing")
    with pytest.raises(TypeError, match="unhashable"):
        check_complete([], "x:listed")
    check_complete(types.ModuleType("x"), "x")
