"""The benchmarks are scripts and no package: here `benchmarks` becomes importable.

Not by the path, where the root would make the bare names of our folders importable too.
"""

import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[2] / "benchmarks"

# a source distribution has the tests and not the benchmarks
collect_ignore = [] if FOLDER.is_dir() else ["serve", "speed"]

if "benchmarks" not in sys.modules:
    module = ModuleType("benchmarks")
    module.__path__ = [str(FOLDER)]
    sys.modules["benchmarks"] = module
