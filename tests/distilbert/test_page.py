"""The page of the DistilBERT API: its blocks run and print what it shows, its tables are complete.

Its hub ids stand for tiny checkpoints here, which have the vocabulary and the numbers of layers and
attention heads of the real ones.
"""

import ast
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import polyhead
from polyhead.cli.app import app
from polyhead.distilbert.tokenization.arguments import Arguments
from polyhead.distilbert.tokenization.options import TokenizerOptions
from polyhead.encoder import finding
from polyhead.errors import PolyheadError
from polyhead.pipelines import PIPELINES

PAGE = Path(__file__).parents[2] / "docs" / "distilbert.md"
SECTION = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PIPED = re.compile(r"echo (.+) \| (polyhead run .+)")
VALUE = re.compile(r"[\['{]")
SIZES = {"dim": 24, "hidden_dim": 16, "n_layers": 6, "n_heads": 12}
SHOWN_WIDTH = (", 768])", ", 24])")
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
CHECKPOINTS = {
    "distilbert/distilbert-base-uncased": ("DistilBertForMaskedLM", {}),
    "distilbert/distilbert-base-uncased-finetuned-sst-2-english": (
        "DistilBertForSequenceClassification",
        {"id2label": {0: "NEGATIVE", 1: "POSITIVE"}},
    ),
    "distilbert/distilbert-base-cased-distilled-squad": ("DistilBertForQuestionAnswering", {}),
    "dslim/distilbert-NER": (
        "DistilBertForTokenClassification",
        {"id2label": dict(enumerate(TAGS))},
    ),
}
CLASSES = (
    "DistilBertModel",
    "DistilBertForMaskedLM",
    "DistilBertForSequenceClassification",
    "DistilBertForMultipleChoice",
    "DistilBertForTokenClassification",
    "DistilBertForQuestionAnswering",
)
FIELDS_OF_FILES = {"architectures", "name_or_path", "transformers_version", "layer_norm_eps"}
"""Of a configuration: what files say and nobody sets."""


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def sections() -> dict[str, str]:
    text = page()
    return {"": text.partition("\n## ")[0], **dict(SECTION.findall(text))}


def named(text: str) -> set[str]:
    """The names that stand in code marks."""
    return set(re.findall(r"`\"?(\w+)\"?`", text))


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> dict[str, Path]:
    """A folder for each hub id of the page."""
    try:
        tokenizer = polyhead.DistilBertTokenizer.from_pretrained("minilm")
    except PolyheadError as error:
        pytest.skip(str(error))
    torch.manual_seed(0)
    found = {}
    for name, (class_name, fields) in CHECKPOINTS.items():
        found[name] = tmp_path_factory.mktemp("hub") / name.replace("/", "--")
        config = polyhead.DistilBertConfig(**SIZES, **fields)
        getattr(polyhead, class_name)(config).save_pretrained(found[name])
        tokenizer.save_pretrained(found[name])
    return found


@pytest.fixture
def from_hub(hub, monkeypatch, tmp_path) -> None:
    """Puts the checkpoints in the place of the hub, and the test into a folder of its own."""
    monkeypatch.setattr(finding, "download_checkpoint", lambda name, _: hub[name])
    monkeypatch.setattr(finding, "download_tokenizer", lambda name, _: hub[name])
    monkeypatch.setattr(finding, "download_config", lambda name, _: hub[name] / "config.json")
    monkeypatch.chdir(tmp_path)


def statements(program: str) -> Iterator[tuple[ast.stmt, str]]:
    """The statements of a program, each with the comment behind it."""
    lines = program.splitlines()
    for statement in ast.parse(program).body:
        _, _, comment = lines[statement.end_lineno - 1].partition("  # ")
        yield statement, comment


def same_form(found: object, shown: object) -> bool:
    """Whether two answers have one structure; lists are compared by their first entry."""
    if isinstance(shown, dict) and isinstance(found, dict):
        return list(found) == list(shown) and all(
            same_form(found[key], shown[key]) for key in shown
        )
    if isinstance(shown, list) and isinstance(found, list):
        return bool(found) and same_form(found[0], shown[0])
    return type(found) is type(shown)


def run(program: str, names: dict[str, object], capsys) -> None:
    """Runs a block: what is printed is what the comment says, other values are of its form."""
    for statement, comment in statements(program):
        code = ast.unparse(statement)
        if isinstance(statement, ast.Expr) and VALUE.match(comment) and "print(" not in code:
            value = eval(code, names)  # noqa: S307 - our own documents
            assert same_form(value, ast.literal_eval(comment)), f"{code}: {value}"
        else:
            exec(code, names)  # noqa: S102 - our own documents
            shown = comment.replace(*SHOWN_WIDTH)
            assert set(capsys.readouterr().out.splitlines()) <= {shown}, code


def ask(line: str) -> None:
    """Runs a command that reads a pipe."""
    text, command = PIPED.fullmatch(line).groups()
    [text] = shlex.split(text)
    _, *arguments = shlex.split(command)
    done = CliRunner().invoke(app, arguments, input=f"{text}\n", catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", [name for name, text in sections().items() if "\n```" in text])
@pytest.mark.usefixtures("from_hub")
def test_what_a_section_shows_runs_and_prints_what_it_says(name, capsys):
    names: dict[str, object] = {}
    for language, block in FENCE.findall(sections()[name]):
        if language == "python":
            run(block, names, capsys)
        else:
            for line in block.splitlines():
                ask(line)


def test_every_class_is_in_the_table_of_imports():
    public = {name for name in polyhead.__all__ if name.startswith(("DistilBert", "Auto"))}
    rows = re.findall(r"^\|.*\|$", sections()["What to import"], re.MULTILINE)
    cells = named("\n".join(row.split(" | ")[0] for row in rows))
    assert cells == {*public, "polyhead", "pipeline", "load_transformers_head"}


@pytest.mark.parametrize("name", CLASSES)
def test_every_argument_of_a_call_is_on_the_page(name):
    parameters = set(inspect.signature(getattr(polyhead, name).forward).parameters) - {"self"}
    assert parameters <= named(sections()["Models and their arguments"])


def test_every_argument_of_from_pretrained_is_on_the_page():
    parameters = inspect.signature(polyhead.DistilBertModel.from_pretrained).parameters
    own = set(parameters) - {"pretrained_model_name_or_path", "changes"}
    assert own <= named(sections()["Checkpoints"])


def test_every_field_of_a_configuration_is_on_the_page():
    fields = (
        set(polyhead.DistilBertConfig.model_fields) | polyhead.DistilBertConfig.attribute_map.keys()
    )
    kept_for_others = {"bos_token_id", "eos_token_id", "attn_implementation"}
    assert fields - FIELDS_OF_FILES - kept_for_others <= named(sections()["Configuration"])


def test_every_argument_and_option_of_the_tokenizer_is_on_the_page():
    arguments = set(Arguments.__dataclass_fields__)
    options = set(TokenizerOptions.model_fields) - {"name_or_path"}
    assert arguments | options <= named(sections()["Tokenizer"])


@pytest.mark.parametrize("task", PIPELINES)
def test_every_option_of_a_pipeline_is_on_the_page(task):
    [row] = [
        line
        for line in sections()["Pipelines"].splitlines()
        if line.startswith("|") and f"`{task}`" in line.split(" | ")[0]
    ]
    assert set(PIPELINES[task].Options.model_fields) <= named(row)


def test_every_head_of_adapterhub_is_on_the_page():
    methods = {
        name
        for name in dir(polyhead.DistilBertModelWithHeads)
        if name.startswith("add_") and name.endswith("_head")
    }
    assert methods <= named(sections()["AdapterHub's names"])


def test_links_within_the_page_lead_to_a_heading():
    headings = re.findall(r"^#+ (.+)$", page(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", page())) <= anchors
