import subprocess
import sys
from importlib.metadata import entry_points

import polyhead_ladder
import pytest
from polyhead_ladder import LadderAdapter, LadderConfig, plugin


def test_the_hook_registers_the_adapter():
    found = []
    plugin.polyhead_register_adapters(found.append)
    assert found == [LadderAdapter]
    assert LadderAdapter.kind == "ladder"
    assert all(isinstance(preset, LadderConfig) for preset in LadderAdapter.presets.values())


def test_the_entry_point_names_the_plugin():
    [found] = [point for point in entry_points(group="polyhead") if point.name == "ladder"]
    assert found.load() is plugin


def test_every_name_is_there_and_no_other():
    for name in polyhead_ladder.__all__:
        assert getattr(polyhead_ladder, name).__name__ == name
    with pytest.raises(AttributeError, match="'polyhead_ladder' has no attribute 'Rung'"):
        polyhead_ladder.Rung  # noqa: B018


def test_torch_is_not_loaded_before_the_adapter_is_asked_for():
    code = "import sys, polyhead_ladder.plugin; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 0
