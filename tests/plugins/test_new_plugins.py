"""What the installed `polyhead plugin new` writes passes its own tests untouched."""

import json
import re

import pytest


@pytest.mark.parametrize("sort", ["head", "adapter"])
def test_a_new_plugin_passes_its_tests_in_a_fresh_environment(sort, make_environment, wheels_of):
    environment = make_environment()
    done = environment.polyhead("plugin", "new", f"brand-new-{sort}", "--kind", sort, "--json")
    assert done.returncode == 0, done.stderr
    source = environment.work / json.loads(done.stdout)["folder"]
    environment.install(*wheels_of(source))
    summary = environment.pytest(source).splitlines()[-1]
    passed = re.match(r"(\d+) passed", summary)
    assert passed is not None, summary
    assert int(passed[1]) > 40
    assert "failed" not in summary
