import ast
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import polyhead_dependency
import pytest
from polyhead_dependency import DependencyHead, plugin

import polyhead
import polyhead.adapters
import polyhead.heads
import polyhead.testing
import polyhead.train


def test_the_hook_registers_the_head():
    found = []
    plugin.polyhead_register_heads(found.append)
    assert found == [DependencyHead]
    assert DependencyHead.kind == "dependency"


def test_the_entry_point_names_the_plugin():
    [found] = [point for point in entry_points(group="polyhead") if point.name == "dependency"]
    assert found.load() is plugin


def test_every_name_is_there_and_no_other():
    for name in polyhead_dependency.__all__:
        assert getattr(polyhead_dependency, name).__name__ == name
    with pytest.raises(AttributeError, match="'polyhead_dependency' has no attribute 'Parser'"):
        polyhead_dependency.Parser  # noqa: B018


def test_torch_is_not_loaded_before_the_head_is_asked_for():
    code = "import sys, polyhead_dependency.plugin; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 0


DOORS = (polyhead, polyhead.adapters, polyhead.heads, polyhead.testing, polyhead.train)
FOLDERS = (Path(polyhead_dependency.__file__).parent, Path(__file__).parent)


@pytest.mark.parametrize(
    "path",
    [path for folder in FOLDERS for path in folder.rglob("*.py")],
    ids=lambda path: path.name,
)
def test_only_what_polyhead_exports_is_used(path):
    offered = {f"{door.__name__}.{name}" for door in DOORS for name in door.__all__}
    offered |= {door.__name__ for door in DOORS}
    text = path.read_text(encoding="utf-8")
    used = {f"polyhead.{name}" for name in re.findall(r"\bph\.(\w+)", text)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            used |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names}
    assert {name for name in used if name.startswith("polyhead.")} <= offered
