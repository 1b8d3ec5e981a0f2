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
from typer.testing import CliRunner

import polyhead.heads
from polyhead.artifact import FORMAT, Manifest, TaskManifest
from polyhead.artifact.manifest import BackboneInfo
from polyhead.cli.app import app
from polyhead.errors import PolyheadError
from polyhead.heads import ClassificationHead
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.train import BUNDLED_LABELS, bundled_examples

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "plugins" / "README.md",
]
RUNNABLE = [ROOT / "README.md", ROOT / "docs" / "tutorial.md"]
HEADS = ROOT / "docs" / "heads.md"
WITH_DATA = [HEADS, ROOT / "docs" / "data-files.md"]
SHOWN = [*WITH_DATA, ROOT / "docs" / "composition.md"]
"""Pages that show the files their commands and Python blocks read."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
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


def sections(page: Path) -> dict[str, str]:
    """The texts of a page by their headings."""
    return dict(SECTION.findall(page.read_text(encoding="utf-8")))


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


@pytest.fixture
def with_data(tmp_path, make_model, monkeypatch) -> Path:
    """A folder with the files of the pages, and a tiny encoder in place of every other."""

    def tiny(cls: type, name: str, **options: object) -> DistilBertModelWithHeads:
        return make_model(max_position_embeddings=256)

    monkeypatch.setattr(DistilBertModelWithHeads, "from_pretrained", classmethod(tiny))
    for page in SHOWN:
        for name, content in FILE.findall(page.read_text(encoding="utf-8")):
            path = tmp_path / name
            path.parent.mkdir()
            for part in (path, path.with_stem("dev")):
                part.write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("page", "name"),
    [
        pytest.param(page, name, id=f"{page.stem} {name}")
        for page in SHOWN
        for name, text in sections(page).items()
        if "```sh" in text or "```python" in text
    ],
)
def test_what_a_page_shows_with_its_data_works(page, name, with_data):
    for language, text in FENCE.findall(sections(page)[name]):
        if language == "sh":
            for line in text.splitlines():
                result = CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=False)
                assert result.exit_code == 0, f"{line}\n{result.output}"
        if language == "python":
            exec(compile(text, str(page), "exec"), {})  # noqa: S102 - our own documents


@pytest.mark.parametrize("kind", registry().head_kinds())
def test_the_page_of_heads_names_all_that_a_kind_reads_and_tells(kind, with_data):
    head = registry().head(kind)
    text = sections(HEADS)[kind]
    prediction = getattr(polyhead.heads, head.__name__.removesuffix("Head") + "Prediction")
    examples = [content for _, content in FILE.findall(text)]
    answers = [
        block
        for language, block in FENCE.findall(text)
        if language == "json" and not any(block in content for content in examples)
    ]
    assert prediction.model_validate_json(answers[-1])
    named = set(re.findall(r"`(\w+)`", text))
    assert named >= set(head.Example.model_fields)
    assert named >= set(prediction.model_fields)
    for line in re.findall(r"^polyhead train .*$", text, re.MULTILINE):
        result = CliRunner().invoke(app, [*shlex.split(line)[1:], "--json"], catch_exceptions=False)
        assert named >= set(json.loads(result.stdout)["metrics"])


@pytest.mark.parametrize("page", [ROOT / "README.md", *WITH_DATA], ids=lambda page: page.name)
def test_every_kind_of_head_is_in_the_tables(page):
    cells = re.findall(r"^\| `?\[?(\w+)`?\]?", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(registry().head_kinds()) <= set(cells)


def test_the_page_of_heads_has_each_kinds_training():
    def row(kind: str) -> list[str]:
        recipe = registry().head(kind).recipe
        head_lr = "the same" if recipe.head_lr is None else f"{recipe.head_lr:g}"
        numbers = (recipe.epochs, f"{recipe.lr:g}", head_lr, recipe.batch_size)
        cells = (kind, recipe.adapter or "none", *numbers, recipe.text.max_length)
        return [str(cell) for cell in cells]

    table = re.findall(r"^\| (\w+ \|.*\d) \|$", sections(HEADS)["Every kind"], re.MULTILINE)
    shown = [[cell.strip() for cell in line.split("|")] for line in table]
    assert shown == [row(kind) for kind in registry().head_kinds()]


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
    context = typer.main.get_command(app).make_context("polyhead", list(words))
    while hasattr(context.command, "resolve_command"):  # a group
        name, found, words = context.command.resolve_command(context, list(words))
        assert found is not None
        context = found.make_context(name, list(words), parent=context)
    assert context.params


def test_every_command_is_in_the_readme():
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `polyhead (\w+)[ \w]*`", table, re.MULTILINE)
    assert sorted(named) == sorted(typer.main.get_command(app).commands)


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
        "serve": "polyhead.serve",
        "train": "polyhead.train",
    }


def test_the_artifact_page_names_every_field_of_this_format():
    page = (ROOT / "docs" / "artifact-format.md").read_text(encoding="utf-8")
    assert f"version {FORMAT}\n" in page
    listed = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    for manifest in (Manifest, TaskManifest, BackboneInfo):
        assert set(manifest.model_fields) <= listed
