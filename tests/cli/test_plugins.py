"""`polyhead plugins`, `heads` and `adapters`."""

import json
from types import ModuleType

import pytest

from polyhead.heads import ClassificationHead
from polyhead.registry import PluginRecord, Provider, Registry


def test_built_in_plugins_are_listed_with_what_they_provide(run):
    records = {record["name"]: record for record in json.loads(run("plugins", "--json").stdout)}
    assert "head classification" in records["polyhead.heads.builtin"]["provides"]
    assert "backbone minilm" in records["polyhead.encoder.backbones"]["provides"]
    assert all(record["failure"] is None for record in records.values())
    assert "polyhead.heads.builtin" in run("plugins").stdout


def test_a_plugin_that_failed_is_shown_with_its_traceback(run, monkeypatch):
    record = PluginRecord("broken", Provider("broken-head", "1.2"), "broken_head.plugin")
    record.fail(ImportError("no module named 'nothing'"))
    monkeypatch.setattr(Registry, "plugins", lambda self: [record])
    shown = run("plugins").stdout
    assert "FAILED" in shown
    assert "ImportError: no module named 'nothing'" in shown
    assert json.loads(run("plugins", "--json").stdout)[0]["provider"] == "broken-head 1.2"


def test_heads_are_listed_and_explained(run):
    assert "classification" in run("heads").stdout
    [head] = json.loads(run("heads", "classification", "--json").stdout)
    assert head["example"] == ["text", "text_pair", "label"]
    assert "dropout" in head["config"]["properties"]
    assert head["recipe"]["epochs"] == ClassificationHead.recipe.epochs
    fields = run("heads", "classification").stdout
    assert "pooling" in fields
    assert "required" in fields


def test_heads_are_summed_up_by_what_they_are_for(run):
    told = {head["kind"]: head["summary"] for head in json.loads(run("heads", "--json").stdout)}
    assert told["tagging"] == "One tag for each word of a text."
    assert len(set(told.values())) == len(told)


def test_a_head_shows_its_columns_then_its_own_fields_then_its_training(run):
    lines = run("heads", "tagging").stdout.splitlines()
    names = [line.split()[0] for line in lines if line.startswith(" ") and line[1:2].isalpha()]
    expected = ["tokens", "tags", "entities", "labels", "scheme", "aggregation", "hidden"]
    assert [name for name in names if name in expected] == expected
    [scheme] = [line for line in lines if line.startswith(" scheme ")]
    assert "'auto'" in scheme
    assert "--epochs" in lines[-1]
    assert "--head-lr" in lines[-1]


def test_a_head_says_which_columns_it_needs(run):
    lines = run("heads", "question_answering").stdout.splitlines()
    needed = {line.split()[0]: line for line in lines if line[1:2].isalpha()}
    assert " always " in needed["context"]
    assert " to train " in needed["answers"]
    assert " no " in needed["id"]


def test_adapters_are_listed_and_explained(run):
    told = json.loads(run("adapters", "--json").stdout)
    assert [kind["kind"] for kind in told["kinds"]] == ["bottleneck"]
    assert told["presets"]["seq_bn"]["config"]["reduction_factor"] == 16
    assert "double_seq_bn" in run("adapters").stdout
    changed = json.loads(run("adapters", "seq_bn[reduction_factor=4]", "--json").stdout)
    assert changed["config"]["reduction_factor"] == 4
    assert "reduction_factor" in run("adapters", "seq_bn").stdout


@pytest.mark.parametrize(("command", "near"), [("heads", "clasification"), ("adapters", "seq_b")])
def test_an_unknown_kind_is_refused_with_what_exists(command, near, refused):
    assert "Did you mean" in refused(command, near)


def test_two_plugins_that_claim_one_kind_are_both_named(refused, monkeypatch):
    registry = Registry(entry_points=False)
    from polyhead.hookspecs import hookimpl  # noqa: PLC0415

    class Twice(ClassificationHead):
        """A head of a kind that two plugins claim."""

        kind = "twice"

    for name in ("one", "two"):
        plugin = ModuleType(name)
        plugin.polyhead_register_heads = hookimpl(lambda register: register(Twice))
        plugin.polyhead_register_heads.__name__ = "polyhead_register_heads"
        record = PluginRecord(name, Provider(f"{name}-dist", "1.0"), name)
        registry.plugins()
        registry._load(record, lambda plugin=plugin: plugin)
    monkeypatch.setattr("polyhead.registry.registry", lambda: registry)
    message = refused("heads", "twice")
    assert "one-dist 1.0" in message
    assert "two-dist 1.0" in message
