"""The page of hooks: every plugin on it is installed, and does what the page says."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from polyhead import hookspecs
from polyhead.cli.app import app
from polyhead.contracts import ServeEvent, TrainEvent
from polyhead.heads import ClassificationHeadConfig
from polyhead.host.checks import HOOKS
from polyhead.model import DistilBertModelWithHeads

PAGE = Path(__file__).parents[1] / "docs" / "hooks.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
PLUGIN = re.compile(r"^<!-- plugin: (\S+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (?:(\w+)=(\S+) )?polyhead (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@pytest.fixture
def folder(tmp_path, make_model, monkeypatch) -> Path:
    """A working folder with what the page's commands read, and a tiny encoder for every other."""

    def tiny(cls: type, name: str, **options: object) -> DistilBertModelWithHeads:
        return make_model()

    monkeypatch.setattr(DistilBertModelWithHeads, "from_pretrained", classmethod(tiny))
    work = tmp_path / "work"
    work.mkdir()
    model = make_model()
    labels = ClassificationHeadConfig(labels=("billing", "delivery"))
    model.add_task("topic", head=labels, adapter="seq_bn")
    model.save_task("topic", work / "tasks" / "topic")
    (work / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n", encoding="utf-8")
    monkeypatch.chdir(work)
    return work


def run_console(text: str, monkeypatch) -> None:
    """Runs each command of a block; the lines below it are found in what it prints."""
    for name, value, words, output in COMMAND.findall(text):
        with monkeypatch.context() as patched:
            if name:
                patched.setenv(name, value)
            result = CliRunner().invoke(app, shlex.split(words), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        for line in output.splitlines():
            assert line in result.stdout


@pytest.mark.parametrize("name", [name for name, text in SECTIONS.items() if BLOCK.search(text)])
def test_what_a_section_shows_works(name, folder, install_plugin, monkeypatch):
    text = SECTIONS[name]
    for distribution, source in PLUGIN.findall(text):
        install_plugin(distribution, source)
    for language, block in BLOCK.findall(PLUGIN.sub("", text)):
        if language == "console":
            run_console(block, monkeypatch)
        else:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block, str(PAGE), "exec"), {})  # noqa: S102 - our own page


def test_every_hook_has_a_section_with_its_arguments_and_a_row():
    for name, arguments in HOOKS.items():
        text = SECTIONS[f"{name}({', '.join(arguments)})"]
        assert f"def {name}({', '.join(arguments)}):" in text
        assert f"| `{name}` |" in TEXT
    assert sum(heading.startswith("polyhead_") for heading in SECTIONS) == len(HOOKS)


@pytest.mark.parametrize(
    ("hook", "event_class"),
    [("polyhead_train_event", TrainEvent), ("polyhead_serve_event", ServeEvent)],
)
def test_every_field_of_an_event_is_in_its_table(hook, event_class):
    rows = re.findall(r"^\| (`.*?`) \|", SECTIONS[f"{hook}(event)"], re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == list(event_class.model_fields)


def test_the_page_says_which_version_of_the_api_this_is():
    assert f"It is {hookspecs.API_VERSION}, and" in SECTIONS["Which polyhead a plugin needs"]


def test_a_plugin_that_is_switched_off_is_shown_so(folder, install_plugin, monkeypatch):
    for distribution, source in PLUGIN.findall(TEXT):
        install_plugin(distribution, source)
    monkeypatch.setenv("POLYHEAD_DISABLE_PLUGINS", "my-stance,my-losses")
    shown = CliRunner().invoke(app, ["plugins"]).stdout
    assert shown.count("\ndisabled  main, of my-") == 2
    assert "FAILED    main, of my-later-plugin" in shown
    assert shown.count("\nok        main, of my-") == 4
