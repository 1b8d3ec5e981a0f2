"""`polyhead bench`."""

import json
import re
from pathlib import Path

import pytest
import torch
from typer.main import get_command

from polyhead import machine
from polyhead.bench import BenchSettings
from polyhead.cli import bench
from polyhead.cli.app import app
from polyhead.encoder import DistilBertConfig, precision

PAGE = Path(__file__).parents[2] / "docs" / "bench.md"
SMALL = ("--adapters", 3, "--texts", 4, "--rounds", 1)


@pytest.fixture(scope="module")
def told(run, backbone) -> dict:
    result = run("bench", "--backbone", backbone, *SMALL, "--seed", 7, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def shown(run, backbone) -> str:
    result = run("bench", "--backbone", backbone, *SMALL)
    assert result.exit_code == 0, result.output
    return result.stdout


def headings(text: str) -> list[list[str]]:
    """The column names of the tables of `text`, which are above a line."""
    lines = text.splitlines()
    above = [number - 1 for number, line in enumerate(lines) if line.strip(" ─") != line.strip()]
    return [re.split(r"\s{2,}", lines[number].strip()) for number in above]


def test_json_tells_what_was_asked_and_found(told, backbone):
    assert told["backbone"] == str(backbone)
    assert told["settings"] == {
        "adapter": "seq_bn",
        "n_adapters": 3,
        "n_texts": 4,
        "n_rounds": 1,
        "seed": 7,
    }
    [found] = told["precisions"]
    assert found["precision"] == "float32"
    assert [each["n_tokens"] for each in found["latency"]] == [8, 32]
    assert found["peak"]["flops_per_s"] > 0
    assert told["surroundings"]["n_threads"] == torch.get_num_threads()


def test_tables_show_each_group_of_figures(shown):
    found = headings(shown)
    assert len(found) == 4
    assert all(names[0] == "precision" for names in found)
    for words in ("drawn at random", "mixed kinds", "GFLOP/s", "of GEMM peak"):
        assert words in shown


def test_progress_is_no_part_of_the_result(run, backbone):
    result = run("bench", "--backbone", backbone, *SMALL)
    assert "round 1 of 1" in result.stderr
    assert "round 1 of 1" not in result.stdout


def test_the_page_shows_the_tables_of_today(shown):
    [example] = re.findall(
        r"^```text\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert headings(example) == headings(shown)


def test_the_page_names_every_field_of_the_json(told):
    named = set(re.findall(r"`(\w+)`", PAGE.read_text("utf-8")))
    [found] = told["precisions"]
    fields = {*told, *told["surroundings"], *told["texts"], *told["settings"], *found}
    fields |= {*found["peak"], *found["residents"], *found["throughput"][0], *found["latency"][0]}
    assert fields - named == set()


@pytest.mark.parametrize(
    "block",
    re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL),
)
def test_the_pages_programs_run(block, capsys):
    exec(compile(block, str(PAGE), "exec"), {})  # noqa: S102 - our own document
    assert capsys.readouterr().out


def test_without_a_backbone_it_is_of_the_base_shape(run, monkeypatch, make_model):
    model, asked = make_model(), []

    def from_config(cls, config, tokenizer=None, **options):
        asked.append(config)
        return model

    monkeypatch.setattr(
        "polyhead.model.DistilBertModelWithHeads.from_config", classmethod(from_config)
    )
    result = run("bench", *SMALL, "--json")
    assert json.loads(result.stdout)["backbone"] == "distilbert-base"
    assert asked == [DistilBertConfig()]


def test_the_command_and_python_have_the_same_defaults():
    defaults = {p.name: p.default for p in get_command(app).commands["bench"].params}
    settings = BenchSettings()
    assert defaults["adapter"] == settings.adapter
    assert defaults["adapters"] == settings.n_adapters
    assert defaults["texts"] == settings.n_texts
    assert defaults["rounds"] == settings.n_rounds
    assert defaults["seed"] == settings.seed


def test_each_precision_is_measured_beside_products_of_its_own(run, backbone):
    words = ("--precision", "float32,int8", "--json")
    told = json.loads(run("bench", "--backbone", backbone, *SMALL, *words).stdout)
    assert [each["precision"] for each in told["precisions"]] == ["float32", "int8"]
    assert [each["peak"]["dtype"] for each in told["precisions"]] == ["float32", "int8"]


@pytest.mark.parametrize("option", ["--adapters", "--texts", "--rounds", "--threads"])
def test_less_than_one_is_refused(option, run, backbone):
    result = run("bench", "--backbone", backbone, option, 0)
    assert result.exit_code == 2
    assert option in result.stderr
    assert "greater than or equal to 1" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--precision", "float8"), "there is no precision 'float8'"),
        (("--adapter", "seq_bm"), "Did you mean 'seq_bn'?"),
        (("--adapter", "seq_bn[reduction_factor=0]"), "reduction_factor"),
        (("--adapters", 10**12), "of memory are free"),
        (("--backbone", "no-such-encoder"), "no backbone 'no-such-encoder'"),
    ],
)
def test_what_is_not_there_is_refused(words, sentence, refused, backbone):
    assert sentence in refused("bench", "--backbone", backbone, *SMALL, *words)


def test_more_threads_than_processors_are_refused(refused, monkeypatch):
    monkeypatch.setattr(machine, "usable_processors", lambda: 2)
    assert "give 1 to 2" in refused("bench", "--threads", 3)


def test_bfloat16_is_refused_where_the_processor_lacks_it(refused, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16_products", lambda: False)
    assert "does not multiply bfloat16" in refused("bench", "--precision", "bfloat16")


@pytest.mark.parametrize(("words", "n"), [((), None), (("--threads", 1), 1)])
def test_threads_are_set_before_anything_is_computed(words, n, run, backbone, monkeypatch):
    steps = []
    load = bench._model

    def model(*given):
        steps.append("loaded")
        return load(*given)

    monkeypatch.setattr(machine, "limit_threads", steps.append)
    monkeypatch.setattr(bench, "_model", model)
    assert run("bench", "--backbone", backbone, *SMALL, *words).exit_code == 0
    assert steps == [n, "loaded"]  # once: what was asked for stays
