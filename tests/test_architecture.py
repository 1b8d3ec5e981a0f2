"""Who imports whom, read from the source: type-checking and in-function imports count too."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "core": "polyhead",
    "adapters": "polyhead.adapters",
    "heads": "polyhead.heads",
    "serve": "polyhead.serve",
    "train": "polyhead.train",
}

BASE = {"polyhead.errors", "polyhead.names"}
ROWS = BASE | {"polyhead.batch", "polyhead.tokenizer"}
CONTRACTS = ROWS | {"polyhead.contracts", "polyhead.hookspecs"}
MIDDLE = CONTRACTS | {
    "polyhead.host",
    "polyhead.registry",
    "polyhead.composition",
    "polyhead.encoder",
    "polyhead.routing",
    "polyhead.artifact",
}
PLUGIN_FACE = {
    "polyhead.contracts",
    "polyhead.batch",
    "polyhead.hookspecs",
    "polyhead.errors",
}

# unit -> the units it may import besides itself; a unit is what lies right below polyhead
MAY_IMPORT = {
    "polyhead.errors": set(),
    "polyhead.names": {"polyhead.errors"},
    "polyhead.records": {"polyhead.errors"},
    "polyhead.machine": {"polyhead.errors"},
    "polyhead.batch": BASE,
    "polyhead.tokenizer": BASE | {"polyhead.batch"},
    "polyhead.contracts": ROWS,
    "polyhead.hookspecs": {"polyhead.contracts"},
    "polyhead.host": BASE | {"polyhead.hookspecs"},
    "polyhead.registry": CONTRACTS | {"polyhead.host"},
    "polyhead.encoder": CONTRACTS | {"polyhead.artifact", "polyhead.registry"},
    "polyhead.routing": CONTRACTS | {"polyhead.composition"},
    "polyhead.composition": CONTRACTS | {"polyhead.registry"},
    "polyhead.artifact": CONTRACTS | {"polyhead.composition"},
    "polyhead.merging": CONTRACTS | {"polyhead.encoder"},
    "polyhead.hub": MIDDLE,
    "polyhead.caches": CONTRACTS | {"polyhead.encoder"},
    "polyhead.hosting": CONTRACTS | {"polyhead.composition", "polyhead.encoder"},
    "polyhead.model": MIDDLE
    | {"polyhead.caches", "polyhead.hosting", "polyhead.hub", "polyhead.merging"},
    "polyhead.adapters": PLUGIN_FACE,
    "polyhead.heads": PLUGIN_FACE,
    "polyhead.distilbert": MIDDLE | {"polyhead.model"},
    "polyhead.pipelines": MIDDLE | {"polyhead.model", "polyhead.distilbert"},
    "polyhead.convert": MIDDLE | {"polyhead.merging", "polyhead.model", "polyhead.distilbert"},
    "polyhead.train": MIDDLE | {"polyhead.model", "polyhead.records"},
    "polyhead.serve": MIDDLE | {"polyhead.caches", "polyhead.machine", "polyhead.model"},
    "polyhead.client": BASE,
    "polyhead.bench": MIDDLE | {"polyhead.model", "polyhead.machine"},
    "polyhead.scaffold": BASE | {"polyhead.artifact", "polyhead.registry"},
    "polyhead.cli": MIDDLE
    | {
        "polyhead.bench",
        "polyhead.caches",
        "polyhead.client",
        "polyhead.machine",
        "polyhead.model",
        "polyhead.records",
        "polyhead.serve",
        "polyhead.train",
        "polyhead.pipelines",
        "polyhead.scaffold",
        "polyhead.convert",
        "polyhead.hub",
    },
    "polyhead.testing": MIDDLE | {"polyhead.model", "polyhead.train"},
    "polyhead.__main__": {"polyhead.cli"},
}
THE_DOOR = "polyhead"  # it re-exports everything
BARE_NAMES = {"core", "heads", "adapters", "train", "serve"}


def sources() -> Iterator[tuple[str, Path]]:
    """Every module of the product and its file."""
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join([package, *(part for part in parts if part != "__init__")]), path


MODULES = dict(sources())


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, by full name; relative imports as they stand."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.ImportFrom) and node.module == "polyhead":
            yield from (f"polyhead.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def unit_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", sorted(set(MODULES) - {THE_DOOR}))
def test_a_module_imports_only_what_its_layer_may(module):
    unit = unit_of(module)
    assert unit in MAY_IMPORT, f"{unit} has no place among the layers"
    for name in imported(MODULES[module]):
        assert not name.startswith("."), f"relative import of {name}"
        assert name.partition(".")[0] not in BARE_NAMES, f"{name} without polyhead in front"
        if name.partition(".")[0] == "polyhead":
            assert name != "polyhead", "the root is imported; import the submodule"
            allowed = MAY_IMPORT[unit] | {unit}
            assert unit_of(name) in allowed, f"{unit} may not import {name}"


def test_layers_have_no_cycle():
    done = set()
    rest = dict(MAY_IMPORT)
    while rest:
        free = [unit for unit, below in rest.items() if below - {unit} <= done]
        assert free, f"these import one another: {sorted(rest)}"
        done.update(free)
        for unit in free:
            del rest[unit]


def test_every_layer_is_a_unit_that_exists():
    assert set(MAY_IMPORT) == {unit_of(module) for module in MODULES} - {THE_DOOR}


def modules_loaded_by(*arguments: str) -> set[str]:
    """The modules a new process has loaded after `python <arguments>`."""
    tell = "import atexit, sys; atexit.register(lambda: print('\\n' + ' '.join(sys.modules)));"
    done = subprocess.run(
        [sys.executable, "-c", tell + arguments[0], *arguments[1:]],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_import_polyhead_loads_neither_torch_nor_pydantic():
    loaded = modules_loaded_by("import polyhead")
    assert "polyhead" in loaded
    assert not {"torch", "numpy", "pydantic", "tokenizers", "huggingface_hub", "typer"} & loaded


def test_help_loads_neither_torch_nor_the_model():
    loaded = modules_loaded_by("from polyhead.cli import main; main()", "--help")
    assert "polyhead.cli.app" in loaded
    assert not {"torch", "numpy", "pydantic", "tokenizers", "huggingface_hub"} & loaded
    assert not {"polyhead.model", "polyhead.registry", "polyhead.train"} & loaded
    assert not {"polyhead.host", "pluggy", "packaging"} & loaded


def test_built_in_plugins_are_loaded_under_polyhead_alone():
    loaded = modules_loaded_by("from polyhead.registry import registry; registry().plugins()")
    assert {"polyhead.heads.builtin", "polyhead.adapters.builtin"} <= loaded
    assert not BARE_NAMES & loaded
