"""Real wheels, built once a session, and fresh virtual environments to install them in.

Nothing is downloaded. What polyhead needs (torch and the rest) is linked into the environments from
the one that runs the tests; polyhead itself and plugins are there only where a wheel was installed.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import tomllib
import venv
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "build"}
BUILD = """
import sys
from setuptools import build_meta
print(build_meta.build_wheel(sys.argv[1]))
"""


def called(*words: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, that sees nothing of the environment the tests run in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**kept, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        root: Its folder.
        work: An empty folder in which its processes run.
    """

    root: Path
    work: Path

    @property
    def scripts(self) -> Path:
        return Path(sysconfig.get_path("scripts", "venv", vars={"base": str(self.root)}))

    @property
    def interpreter(self) -> Path:
        return self.scripts / Path(sys.executable).name

    def pip(self, *words: object) -> str:
        done = called(
            *(sys.executable, "-m", "pip", "--python", self.interpreter, "-q"),
            *("--disable-pip-version-check", *words),
            cwd=self.work,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self, *wheels: Path) -> None:
        self.pip("install", "--no-deps", "--no-index", "--no-compile", *wheels)

    def polyhead(self, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """The command that the wheel installed."""
        return called(self.scripts / "polyhead", *words, cwd=self.work, **variables)

    def python(self, code: str, *words: object, **variables: str) -> Any:
        """What the code's last line printed, as JSON."""
        done = called(
            *(self.interpreter, "-c", textwrap.dedent(code), *words), cwd=self.work, **variables
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def pytest(self, folder: Path) -> str:
        """What pytest says of the tests of a plugin that is installed here."""
        done = called(
            *(self.interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder),
            cwd=folder,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def wheels_of(tmp_path_factory) -> Callable[..., list[Path]]:
    """Builds the wheels of source folders, as pip does with --no-build-isolation."""
    installed = {distribution.name.lower() for distribution in distributions()}
    if not {"pip", "setuptools"} <= installed or int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("needs pip and setuptools>=77 in the environment that runs the tests")
    folder = tmp_path_factory.mktemp("wheels")

    def build(*sources: Path) -> list[Path]:
        wheels = []
        for source in sources:
            # a copy: a build leaves folders behind, and takes up what an earlier one left
            copy = tmp_path_factory.mktemp("source") / source.name
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*SKIPPED))
            done = called(sys.executable, "-c", BUILD, folder, cwd=copy)
            assert done.returncode == 0, done.stderr
            wheels.append(folder / done.stdout.splitlines()[-1])
        return wheels

    return build


@pytest.fixture(scope="session")
def polyhead_wheel(wheels_of, tmp_path_factory) -> Path:
    source = tmp_path_factory.mktemp("project") / "polyhead"
    source.mkdir()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, source / name)
    for folder in project["tool"]["setuptools"]["package-dir"].values():
        shutil.copytree(ROOT / folder, source / folder)
    [wheel] = wheels_of(source)
    return wheel


@pytest.fixture(scope="session")
def dependencies(tmp_path_factory) -> Path:
    """A folder with links to all that is installed here besides polyhead and pip."""
    folder = tmp_path_factory.mktemp("dependencies")
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():
            name = entry.name.lower()
            is_left_out = "polyhead" in name or name.startswith(("pip", "__pycache__"))
            if entry.suffix != ".pth" and not is_left_out:
                (folder / entry.name).symlink_to(entry)
    if not (folder / "torch").exists():
        pytest.skip("torch is not installed in this environment itself, and cannot be linked")
    return folder


@pytest.fixture(scope="session")
def make_environment(polyhead_wheel, dependencies, tmp_path_factory) -> Callable[..., Environment]:
    """Makes a fresh environment with polyhead's wheel and others."""

    def make(*wheels: Path) -> Environment:
        root = tmp_path_factory.mktemp("environment")
        venv.EnvBuilder(symlinks=os.name != "nt").create(root / "venv")
        packages = sysconfig.get_path("purelib", "venv", vars={"base": str(root / "venv")})
        (Path(packages) / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
        (root / "work").mkdir()
        environment = Environment(root / "venv", root / "work")
        environment.install(polyhead_wheel, *wheels)
        return environment

    return make


@pytest.fixture(scope="session")
def small_wheel(tmp_path_factory) -> Callable[..., Path]:
    """The wheel of a distribution with one module, its plugin."""
    folder = tmp_path_factory.mktemp("small")

    def write(name: str, code: str, version: str = "1.0") -> Path:
        module = name.replace("-", "_")
        about = f"{module}-{version}.dist-info"
        files = {
            f"{module}.py": textwrap.dedent(code),
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{about}/entry_points.txt": f"[polyhead]\n{name} = {module}\n",
        }
        record = f"{about}/RECORD"
        files[record] = "".join(f"{file},,\n" for file in (*files, record))
        wheel = folder / f"{module}-{version}-py3-none-any.whl"
        with ZipFile(wheel, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
        return wheel

    return write


@pytest.fixture(scope="session")
def new_plugin(tmp_path_factory) -> Callable[..., Path]:
    """The folder that `polyhead plugin new` writes."""
    from typer.testing import CliRunner  # noqa: PLC0415 - takes the command line's imports

    from polyhead.cli.app import app  # noqa: PLC0415

    def write(name: str, *words: str) -> Path:
        folder = tmp_path_factory.mktemp("new") / name
        words = ("plugin", "new", name, "--output", str(folder), *words)
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return folder

    return write
