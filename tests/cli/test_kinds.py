"""`polyhead heads` and `polyhead adapters`."""

import json

import pytest

from polyhead.heads import ClassificationHead

PLUGIN = """
    import polyhead as ph
    from polyhead.adapters import BottleneckAdapter
    from polyhead.heads import ClassificationHead

    SEQ_BN = BottleneckAdapter.presets["seq_bn"].model_dump()

    class HeadConfig(ClassificationHead.Config):
        "Its own."
        {field}

    class AdapterConfig(BottleneckAdapter.Config):
        "Its own."

    class MyHead(ClassificationHead):
        "A head of a plugin."
        kind = "{kind}"
        Config = HeadConfig

    class MyAdapter(BottleneckAdapter):
        "An adapter of a plugin."
        kind = "{kind}"
        Config = AdapterConfig
        presets = {{"{kind}_small": AdapterConfig(**SEQ_BN)}}

    @ph.hookimpl
    def polyhead_register_heads(register):
        register(MyHead)

    @ph.hookimpl
    def polyhead_register_adapters(register):
        register(MyAdapter)
"""


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
    expected = ["tokens", "tags", "entities", "labels", "aggregation", "scheme", "hidden"]
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
    kinds = [kind["kind"] for kind in told["kinds"]]
    assert kinds == sorted(kinds)
    assert {"bottleneck", "fusion", "ia3", "lora", "prefix", "reft", "union"} <= set(kinds)
    assert told["presets"]["mam"]["kind"] == "union"
    assert told["presets"]["seq_bn"]["config"]["reduction_factor"] == 16
    assert "double_seq_bn" in run("adapters").stdout
    changed = json.loads(run("adapters", "seq_bn[reduction_factor=4]", "--json").stdout)
    assert changed["config"]["reduction_factor"] == 4
    assert "reduction_factor" in run("adapters", "seq_bn").stdout


@pytest.mark.parametrize(("command", "near"), [("heads", "clasification"), ("adapters", "seq_b")])
def test_an_unknown_kind_is_refused_with_what_exists(command, near, refused):
    assert "Did you mean" in refused(command, near)


def test_kinds_of_plugins_are_listed_with_their_distribution(run, install_plugin):
    install_plugin("mine", PLUGIN.format(kind="mine", field=""), version="2.5")
    heads = {head["kind"]: head for head in json.loads(run("heads", "--json").stdout)}
    assert heads["mine"]["provider"] == "mine 2.5"
    told = json.loads(run("adapters", "--json").stdout)
    providers = {kind["kind"]: kind["provider"] for kind in told["kinds"]}
    assert providers["mine"] == "mine 2.5"
    assert providers["bottleneck"] == providers["union"] == "polyhead 0.1.0"
    assert told["presets"]["mine_small"]["kind"] == "mine"
    assert heads["mine"]["summary"] == "Its own."
    assert "mine 2.5" in run("heads").stdout
    assert "mine_small" in run("adapters").stdout


@pytest.mark.parametrize("command", ["heads", "adapters"])
def test_a_disputed_kind_is_left_out_of_the_list_with_a_remark(command, run, install_plugin):
    install_plugin("one", PLUGIN.format(kind="disputed", field=""))
    install_plugin("two", PLUGIN.format(kind="disputed", field=""))
    install_plugin("zone", PLUGIN.format(kind="zone", field=""))
    for words in ((command,), (command, "--json")):
        result = run(*words)
        assert result.exit_code == 0
        assert "zone" in result.stdout
        assert "disputed" not in result.stdout
        assert "Left out: " in result.stderr
        assert "is claimed by one 1.0 (main) and two 1.0 (main)" in result.stderr


@pytest.mark.parametrize("command", ["heads", "adapters"])
def test_a_disputed_kind_is_refused_with_both_plugins(command, refused, install_plugin):
    install_plugin("one", PLUGIN.format(kind="disputed", field=""))
    install_plugin("two", PLUGIN.format(kind="disputed", field=""))
    assert "is claimed by one 1.0 (main) and two 1.0 (main)" in refused(command, "disputed")


def test_a_kind_that_cannot_be_described_is_left_out_with_a_remark(run, install_plugin):
    field = "odd: object = object()"
    install_plugin("odd", PLUGIN.format(kind="odd", field=field))
    result = run("heads", "--json")
    assert result.exit_code == 0
    assert "odd" not in {head["kind"] for head in json.loads(result.stdout)}
    assert "Left out: 'odd' cannot be described: " in result.stderr


@pytest.mark.parametrize("command", ["heads", "adapters"])
def test_an_unknown_kind_names_the_plugins_that_may_provide_it(
    command, refused, install_plugin, monkeypatch
):
    install_plugin("broken", "import surely_not_installed", version="0.3")
    install_plugin("resting", PLUGIN.format(kind="mine", field=""))
    monkeypatch.setenv("POLYHEAD_DISABLE_PLUGINS", "resting")
    message = refused(command, "mine")
    assert "failed to load and may provide it: broken 0.3: ModuleNotFoundError" in message
    assert "switched off and may provide it: resting 1.0 by POLYHEAD_DISABLE_PLUGINS" in message
