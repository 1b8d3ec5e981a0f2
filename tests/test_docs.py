"""What the documents say works: Python blocks run, commands are parsed, links and tables hold."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from polyhead.artifact import FORMAT, Manifest, TaskManifest
from polyhead.artifact.manifest import BackboneInfo
from polyhead.cli.app import app
from polyhead.errors import PolyheadError
from polyhead.heads import ClassificationHead
from polyhead.model import DistilBertModelWithHeads
from polyhead.train import BUNDLED_LABELS, bundled_examples

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "plugins" / "README.md",
]
RUNNABLE = [ROOT / "README.md", ROOT / "docs" / "tutorial.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BASH = shutil.which("bash")
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


class Block(NamedTuple):
    page: Path
    language: str
    text: str


def blocks() -> Iterator[Block]:
    for page in PAGES:
        for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
            yield Block(page, language, text)


def commands() -> list[str]:
    """Every line of a shell block that starts our program, wherever it lies."""
    lines = (
        line for block in blocks() if block.language == "sh" for line in block.text.splitlines()
    )
    parts = (part.strip() for line in lines for part in line.split("&&"))
    return sorted({part for part in parts if re.match(r"(\S*/)?polyhead\b", part)})


def marked(name: str) -> list[str]:
    """The lines of the README's block that has the marker."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [text] = re.findall(
        rf"^<!-- command: {name} -->\n```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL
    )
    return text.splitlines()


@pytest.fixture(scope="module")
def after_quickstart(tmp_path_factory) -> Path:
    """A folder as the quickstart leaves it, with tasks that were not trained and few texts."""
    folder = tmp_path_factory.mktemp("docs")
    quick = folder / "polyhead-quickstart"
    try:
        model = DistilBertModelWithHeads.from_pretrained("minilm")
    except PolyheadError as error:
        pytest.skip(str(error))
    for label in BUNDLED_LABELS:
        config = ClassificationHead.configure({}, bundled_examples(label)[0])
        model.add_task(label, head=config)
        model.save_task(label, quick / label)
    shutil.copytree(quick / "topic", folder / "tasks" / "topic")
    (quick / "texts").mkdir()
    for part, n_texts in (("train", 40), ("dev", 5)):
        lines = (ROOT / "train" / "examples" / f"support_desk.{part}.jsonl").read_text("utf-8")
        few = "".join(f"{line}\n" for line in lines.splitlines()[:n_texts])
        (quick / "texts" / f"{part}.jsonl").write_text(few, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "block",
    [block for block in blocks() if block.language == "python" and block.page in RUNNABLE],
    ids=lambda block: f"{block.page.name}: {block.text.splitlines()[-1][:40]}",
)
def test_python_blocks_run(block, after_quickstart, monkeypatch):
    monkeypatch.chdir(after_quickstart)
    exec(compile(block.text, str(block.page), "exec"), {})  # noqa: S102 - our own documents


@pytest.mark.parametrize(
    "block",
    [block for block in blocks() if block.language in {"python", "json", "toml"}],
    ids=lambda block: f"{block.page.name} {block.language}: {block.text.splitlines()[0][:40]}",
)
def test_blocks_are_well_formed(block):
    if block.language == "python":
        compile(block.text, str(block.page), "exec")
    elif block.language == "json":
        for line in block.text.splitlines():
            json.loads(line)


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command):
    _, *words = shlex.split(command)
    group = typer.main.get_command(app)
    context = group.make_context("polyhead", list(words))
    name, found, rest = group.resolve_command(context, list(words))
    assert found is not None
    with found.make_context(name, rest, parent=context) as parsed:
        assert parsed.params


def test_every_command_is_in_the_readme():
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `polyhead (\w+)`", table, re.MULTILINE)
    assert sorted(named) == sorted(info.callback.__name__ for info in app.registered_commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("folder", ["docs", "docs/decisions"])
def test_every_page_is_in_the_index(folder):
    index = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / folder).glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index


@pytest.mark.parametrize(("name", "last"), [("quickstart", "quickstart"), ("tests", "pytest")])
def test_the_two_commands_are_one_line_each(name, last):
    [line] = marked(name)
    assert line.startswith("python3 -m venv .venv && ")
    assert "-c constraints.txt" in line
    assert line.endswith(last)


@pytest.mark.skipif(BASH is None or shutil.which("awk") is None, reason="no bash or awk here")
@pytest.mark.parametrize("name", ["quickstart", "tests"])
def test_the_whole_check_runs_the_commands_as_they_stand(name):
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    [function] = re.findall(r"^readme_command\(\) \{.*?^\}$", script, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [str(BASH), "-c", f"{function}\nreadme_command {name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == marked(name)


def test_the_folder_map_is_that_of_the_packages():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)/` \| `([\w.]+)` \|", readme, re.MULTILINE))
    assert rows == {
        "core": "polyhead",
        "adapters": "polyhead.adapters",
        "heads": "polyhead.heads",
        "train": "polyhead.train",
    }


def test_the_artifact_page_names_every_field_of_this_format():
    page = (ROOT / "docs" / "artifact-format.md").read_text(encoding="utf-8")
    assert f"version {FORMAT}\n" in page
    listed = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    for manifest in (Manifest, TaskManifest, BackboneInfo):
        assert set(manifest.model_fields) <= listed
