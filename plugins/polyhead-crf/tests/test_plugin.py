import subprocess
import sys
from importlib.metadata import entry_points

import polyhead_crf
import pytest
from polyhead_crf import CRFHead, plugin


def test_the_hook_registers_the_head():
    found = []
    plugin.polyhead_register_heads(found.append)
    assert found == [CRFHead]
    assert CRFHead.kind == "crf"


def test_the_entry_point_names_the_plugin():
    [found] = [point for point in entry_points(group="polyhead") if point.name == "crf"]
    assert found.load() is plugin


def test_every_name_is_there_and_no_other():
    for name in polyhead_crf.__all__:
        assert getattr(polyhead_crf, name).__name__ == name
    with pytest.raises(AttributeError, match="'polyhead_crf' has no attribute 'CRF'"):
        polyhead_crf.CRF  # noqa: B018


def test_torch_is_not_loaded_before_the_head_is_asked_for():
    code = "import sys, polyhead_crf.plugin; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 0
