"""The pages for authors: what they quote is what is written, and what they show works."""

import inspect
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from unittest import SkipTest

import pytest
from typer.testing import CliRunner

from polyhead.cli.app import app
from polyhead.contracts import Adapter, Head
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.scaffold import PluginNames, plugin_files, write_plugin
from polyhead.testing import AdapterConformance, HeadConformance
from polyhead.testing.registration import registered

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^(?:<!-- (\w+): (\S+) -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Page(NamedTuple):
    """A page and the plugin whose making it tells of."""

    path: Path
    names: PluginNames
    case: type
    further: tuple[str, ...]
    """Classes that the page shows beside."""

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def blocks(self, mark: str | None) -> Iterator[tuple[str, str, str]]:
        """The blocks with that mark, each with the file it names, its language and its text."""
        for marked, file, language, text in BLOCK.findall(self.text):
            if marked == (mark or ""):
                yield file, language, text


PAGES = [
    Page(
        DOCS / "writing-a-head.md",
        PluginNames.of("star-rating", "head"),
        HeadConformance,
        ("LongRatingHead",),
    ),
    Page(
        DOCS / "writing-an-adapter.md",
        PluginNames.of("low-rank", "adapter"),
        AdapterConformance,
        ("OffsetAdapter", "Blend"),
    ),
]
QUOTES = [
    pytest.param(page, file, text, id=f"{page.names.sort}: {text.splitlines()[0].strip()}")
    for page in PAGES
    for file, _, text in page.blocks("from")
]


@pytest.fixture(params=PAGES, ids=lambda page: page.names.sort)
def page(request) -> Page:
    return request.param


@pytest.fixture
def known(page, tmp_path, monkeypatch) -> Iterator[ExitStack]:
    """The page's plugin, written and registered; further classes can be entered."""
    write_plugin(tmp_path / "plugin", plugin_files(page.names))
    monkeypatch.syspath_prepend(tmp_path / "plugin" / "src")
    with ExitStack() as stack:
        module = import_module(page.names.package)
        stack.enter_context(registered(getattr(module, page.names.class_name)))
        yield stack
    for name in [name for name in sys.modules if name.partition(".")[0] == page.names.package]:
        del sys.modules[name]


@pytest.mark.parametrize(("page", "file", "text"), QUOTES)
def test_what_is_quoted_is_what_a_new_plugin_holds(page, file, text):
    assert text in plugin_files(page.names)[file]


def test_python_blocks_run(page, known):
    space: dict[str, object] = {}
    for _, language, text in page.blocks(None):
        if language == "python":
            exec(compile(text, str(page.path), "exec"), space)  # noqa: S102 - our own documents
            for name in page.further:
                cls = space.get(name)
                is_new = isinstance(cls, type) and cls.kind not in (
                    *registry().head_kinds(),
                    *registry().adapter_kinds(),
                )
                if is_new and issubclass(cls, Head | Adapter):
                    known.enter_context(registered(cls))
    assert set(page.further) <= set(space)


@pytest.mark.parametrize("name", ["OffsetAdapter", "Blend"])
def test_adapters_that_are_shown_pass_the_checks_of_the_kit(name, tmp_path):
    [page] = [page for page in PAGES if page.names.sort == "adapter"]
    space: dict[str, object] = {}
    for _, language, text in page.blocks(None):
        if language == "python" and "\nclass " in text:
            exec(compile(text, str(page.path), "exec"), space)  # noqa: S102 - our own documents
    config = space[name].Config()
    case = type("TestIt", (page.case,), {"adapter": space[name], "config": config})()
    slow = ("process", "threads", "training")
    for check in [check for check in dir(case) if check.startswith("test_")]:
        if not any(word in check for word in slow):
            case.setup_method()
            test = getattr(case, check)
            given = {"config": config, "tmp_path": tmp_path / check}
            with suppress(SkipTest):
                test(**{key: given[key] for key in inspect.signature(test).parameters})
            case.teardown_method()


def test_commands_work_on_the_data_that_is_shown(page, known, tmp_path, make_model, monkeypatch):
    def tiny(cls: type, name: str, **options: object) -> DistilBertModelWithHeads:
        return make_model(max_position_embeddings=256)

    monkeypatch.setattr(DistilBertModelWithHeads, "from_pretrained", classmethod(tiny))
    monkeypatch.chdir(tmp_path)
    for file, _, text in page.blocks("file"):
        (tmp_path / file).parent.mkdir()
        for path in (tmp_path / file, (tmp_path / file).with_stem("dev")):
            path.write_text(text, encoding="utf-8")
    lines = [
        line for _, kind, text in page.blocks(None) if kind == "sh" for line in text.split("\n")
    ]
    ours = [shlex.split(line)[1:] for line in lines if line.startswith("polyhead ")]
    made = [words for words in ours if words[:2] != ["plugin", "new"]]
    assert [words[0] for words in made] == [f"{page.names.sort}s", "train", "predict"]
    for words in made:
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, f"{words}\n{result.output}"


def test_every_check_of_the_kit_is_named(page):
    shown = " ".join(page.text.lower().split())
    for name in dir(page.case):
        if name.startswith("test_"):
            assert name.removeprefix("test_").replace("_", " ") in shown


def test_every_name_of_the_contract_is_explained(page):
    base = {"head": Head, "adapter": Adapter}[page.names.sort]
    public = [name for name in vars(base) if not name.startswith("_")]
    left_out = {"parse", "select", "keeps_layers", "depth"}  # nobody overrides them
    named = set(re.findall(r"`(?:\w+\.)*(\w+)", page.text)) | set(
        re.findall(r"^## (\w+)$", page.text, re.MULTILINE)
    )
    assert set(public) - left_out <= named | {"config"}
