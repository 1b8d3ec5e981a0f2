"""What modules offer: sorted, importable, documented."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import polyhead
from polyhead import adapters, errors, heads, train

ROOT = Path(__file__).parents[1]


def module_names() -> list[str]:
    """Every module; in a default editable install the mapped folders are walked on their own."""
    found = {"polyhead"}
    for package in (polyhead, adapters, heads, train):
        found.add(package.__name__)
        walked = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        found.update(module.name for module in walked)
    return sorted(found)


def sort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: the order the linter keeps."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


@pytest.mark.parametrize("name", module_names())
def test_all_is_sorted_and_importable(name):
    module = importlib.import_module(name)
    assert module.__all__ == sorted(set(module.__all__), key=sort_key)
    for member in module.__all__:
        getattr(module, member)


@pytest.mark.parametrize("name", module_names())
def test_public_things_have_docstrings(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for member in module.__all__:
        thing = getattr(module, member)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, f"{name}.{member}"
        if inspect.isclass(thing) and thing.__module__.startswith("polyhead"):
            for method_name, method in vars(thing).items():
                is_method = inspect.isfunction(method) or isinstance(
                    method, property | classmethod | staticmethod
                )
                if is_method and not method_name.startswith("_"):
                    assert inspect.getdoc(getattr(thing, method_name)), f"{member}.{method_name}"


def test_package_inits_hold_only_imports_and_names():
    for folder in ("core", "adapters", "heads", "serve", "train"):
        for init in (ROOT / folder).rglob("__init__.py"):
            if init == ROOT / "core" / "__init__.py":
                continue  # the root resolves its names when they are first asked for
            for node in ast.parse(init.read_text(encoding="utf-8")).body:
                is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                is_names = isinstance(node, ast.Assign | ast.AnnAssign)
                assert is_docstring or is_names or isinstance(node, ast.ImportFrom), init


def test_root_lists_its_names_without_importing_them():
    assert set(polyhead.__all__) <= set(dir(polyhead))


def test_the_root_has_one_list_of_names_for_people_checkers_and_itself():
    tree = ast.parse((ROOT / "core" / "__init__.py").read_text(encoding="utf-8"))
    [checked] = [node for node in tree.body if isinstance(node, ast.If)]
    homes = {
        statement.module: sorted((alias.name for alias in statement.names), key=sort_key)
        for statement in checked.body
        if isinstance(statement, ast.ImportFrom)
    }
    assert {home: list(names) for home, names in polyhead._HOMES.items()} == homes
    assert list(homes) == sorted(homes)
    listed = sorted((name for names in homes.values() for name in names), key=sort_key)
    assert listed == polyhead.__all__


def test_the_root_has_every_error_and_what_plugins_build_on():
    raised = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.PolyheadError)
    }
    assert raised <= set(polyhead.__all__)
    assert {"API_VERSION", "hookimpl", "Hidden", "Packing", "Row"} <= set(polyhead.__all__)
    assert polyhead.API_VERSION == 1


def test_root_refuses_a_name_it_does_not_have():
    with pytest.raises(AttributeError, match="no_such_thing"):
        polyhead.no_such_thing  # noqa: B018
