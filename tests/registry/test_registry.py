import sys
import threading

import pytest

from polyhead.adapters import BottleneckAdapter, BottleneckConfig
from polyhead.contracts import AdapterConfig, Head, HeadConfig
from polyhead.errors import (
    ConfigError,
    DuplicateKindError,
    UnknownBackboneError,
    UnknownKindError,
)
from polyhead.heads import ClassificationHead
from polyhead.host import Host
from polyhead.registry import DEFAULT_PLUGINS, Provider, Registry, registry

A_HEAD = """
    from polyhead.contracts import Example, Head, HeadConfig
    from polyhead.hookspecs import hookimpl

    class Config(HeadConfig):
        pass

    class MyExample(Example):
        text: str

    class MyHead(Head):
        kind = "{kind}"
        Config = Config
        Example = MyExample
        def encode(self, examples, tokenizer): return []
        def forward(self, hidden): return hidden.cls
        def loss(self, output, targets): return output.sum()
        def decode(self, output, encoded): return []
        def metrics(self): return None
"""
A_GOOD_PLUGIN = (
    A_HEAD
    + """
    @hookimpl
    def polyhead_register_heads(register):
        register(MyHead)
"""
)
AN_ADAPTER = """
    from polyhead.contracts import NO_TAPS, Adapter, AdapterConfig
    from polyhead.hookspecs import hookimpl

    class Config(AdapterConfig):
        size: int = 1

    class MyAdapter(Adapter):
        kind = "{kind}"
        Config = Config
        presets = {presets}
        def taps(self, layer): return NO_TAPS

    @hookimpl
    def polyhead_register_adapters(register):
        register(MyAdapter)
"""


@pytest.fixture
def install(install_plugin):
    return install_plugin


def record_of(kinds, distribution):
    return next(
        record for record in kinds.plugins() if record.provider.distribution == distribution
    )


def test_built_in_plugins_come_first_and_none_fails():
    records = Registry(entry_points=False).plugins()
    assert tuple(record.name for record in records) == DEFAULT_PLUGINS
    assert [record.failure for record in records] == [None] * len(records)
    assert all(record.provides for record in records)
    assert {record.provider.distribution for record in records} == {"polyhead"}


def test_kinds_presets_and_backbones_are_listed_sorted():
    kinds = Registry(entry_points=False)
    assert {"classification", "tagging"} <= set(kinds.head_kinds())
    assert kinds.head_kinds() == sorted(kinds.head_kinds())
    assert {"bottleneck", "lora", "union"} <= set(kinds.adapter_kinds())
    assert kinds.adapter_kinds() == sorted(kinds.adapter_kinds())
    assert {"houlsby", "seq_bn"} <= set(kinds.adapter_presets())
    assert list(kinds.adapter_presets()) == sorted(kinds.adapter_presets())
    assert "minilm" in [backbone.name for backbone in kinds.backbones()]


def test_a_good_plugin_is_found_with_its_distribution(install):
    install("good-heads", A_GOOD_PLUGIN.format(kind="good"), version="2.5")
    kinds = Registry()
    head = kinds.head("good")
    assert head.kind == "good"
    assert str(kinds.provider_of_head("good")) == "good-heads 2.5"
    assert kinds.head_for(head.Config()) is head
    record = record_of(kinds, "good-heads")
    assert (record.name, record.target) == ("main", "good_heads_plugin")
    assert record.provides == ["head good"]
    assert record.failure is record.traceback is None
    assert record.import_s > 0


def test_looking_up_a_built_in_kind_imports_no_plugin(install):
    install("good-heads", A_GOOD_PLUGIN.format(kind="good"))
    kinds = Registry()
    kinds.head("classification")
    kinds.adapter_config("seq_bn")
    kinds.backbone("minilm")
    assert "good_heads_plugin" not in sys.modules
    kinds.head("good")
    assert "good_heads_plugin" in sys.modules


def test_a_registry_without_entry_points_knows_no_plugin(install):
    install("good-heads", A_GOOD_PLUGIN.format(kind="good"))
    with pytest.raises(UnknownKindError):
        Registry(entry_points=False).head("good")


BROKEN = {
    "raises at import": ("1 / 0", "ZeroDivisionError: division by zero"),
    "exits at import": ("raise SystemExit(3)", "SystemExit: 3"),
    "raises without a word": ("raise AssertionError", "AssertionError"),
    "raises at length": ("raise ValueError('so\\n' * 1000)", "ValueError: so so so"),
    "cannot be parsed": ("def", "SyntaxError: invalid syntax"),
    "its hook raises": (
        """
        from polyhead.hookspecs import hookimpl
        @hookimpl
        def polyhead_register_heads(register):
            raise OSError("no disk")
        """,
        "OSError: no disk",
    ),
    "its hook has another signature": (
        """
        from polyhead.hookspecs import hookimpl
        @hookimpl
        def polyhead_register_heads(registrar):
            pass
        """,
        "ContractError: polyhead_register_heads has the argument 'registrar': there is none",
    ),
    "has a hook that there is not": (
        """
        from polyhead.hookspecs import hookimpl
        @hookimpl
        def polyhead_register_head(register):
            pass
        """,
        "Did you mean 'polyhead_register_heads'?",
    ),
    "has no hook": ("something = 1", "implements none of the hooks"),
    "needs a newer API": (
        "POLYHEAD_API = 99\n" + A_GOOD_PLUGIN.format(kind="new").replace("\n    ", "\n"),
        "NewerPluginError: it needs version 99 of the plugin API",
    ),
    "registers something that is no head": (
        """
        from polyhead.hookspecs import hookimpl
        @hookimpl
        def polyhead_register_heads(register):
            register(dict)
        """,
        "ContractError: <class 'dict'> is not a subclass of polyhead.Head.",
    ),
    "registers an object": (
        """
        from polyhead.hookspecs import hookimpl
        @hookimpl
        def polyhead_register_heads(register):
            register("classification")
        """,
        "ContractError: 'classification' is not a subclass of polyhead.Head.",
    ),
    "registers an abstract class": (
        """
        from polyhead.contracts import Head
        from polyhead.hookspecs import hookimpl
        class Half(Head):
            kind = "half"
        @hookimpl
        def polyhead_register_heads(register):
            register(Half)
        """,
        "ContractError: Half is abstract; it lacks: decode, encode, forward, loss, metrics.",
    ),
    "registers an adapter as a head": (
        """
        from polyhead.adapters import BottleneckAdapter
        from polyhead.hookspecs import hookimpl
        @hookimpl
        def polyhead_register_heads(register):
            register(BottleneckAdapter)
        """,
        "is not a subclass of polyhead.Head.",
    ),
    "registers a config as an adapter": (
        """
        from polyhead.adapters import BottleneckConfig
        from polyhead.hookspecs import hookimpl
        @hookimpl
        def polyhead_register_adapters(register):
            register(BottleneckConfig)
        """,
        "is not a subclass of polyhead.Adapter.",
    ),
    "registers no backbone": (
        """
        from polyhead.hookspecs import hookimpl
        @hookimpl
        def polyhead_register_backbones(register):
            register("minilm2")
        """,
        "ContractError: 'minilm2' is not a polyhead.NamedBackbone.",
    ),
    "claims a built-in head": (
        A_GOOD_PLUGIN.format(kind="classification"),
        "head 'classification' is claimed by polyhead",
    ),
    "claims a built-in adapter": (
        AN_ADAPTER.format(kind="bottleneck", presets="{}"),
        "adapter 'bottleneck' is claimed by polyhead",
    ),
    "claims a built-in preset": (
        AN_ADAPTER.format(kind="mine", presets='{"seq_bn": Config()}'),
        "preset 'seq_bn' is claimed by polyhead",
    ),
    "hides a built-in preset behind a kind": (
        AN_ADAPTER.format(kind="seq_bn", presets="{}"),
        "uses 'seq_bn', the name of the preset of polyhead",
    ),
    "hides a built-in kind behind a preset": (
        AN_ADAPTER.format(kind="mine", presets='{"bottleneck": Config()}'),
        "uses 'bottleneck', the name of the adapter of polyhead",
    ),
    "has a preset that is no config": (
        AN_ADAPTER.format(kind="mine", presets='{"small": dict(size=1)}'),
        "ContractError: the preset 'small' of MyAdapter is not its Config.",
    ),
    "has a preset that no string can name": (
        AN_ADAPTER.format(kind="mine", presets='{"a b": Config()}'),
        "ContractError: a preset of MyAdapter cannot be 'a b': use letters",
    ),
    "has a kind that no string can name": (
        A_GOOD_PLUGIN.format(kind="my[kind]"),
        "ContractError: the kind of MyHead cannot be 'my[kind]': use letters",
    ),
    "shares the config of another kind": (
        """
        from polyhead.heads import ClassificationHead
        from polyhead.hookspecs import hookimpl
        class Mine(ClassificationHead):
            kind = "mine"
        @hookimpl
        def polyhead_register_heads(register):
            register(Mine)
        """,
        "ContractError: the Config of Mine is that of the head kind 'classification'",
    ),
    "has a backbone of a name that is a path": (
        """
        import polyhead as ph
        @ph.hookimpl
        def polyhead_register_backbones(register):
            register(ph.NamedBackbone("a/b", "", lambda: None))
        """,
        "ContractError: the name of a backbone cannot be 'a/b': use letters",
    ),
    "lacks what its contract asks for": (
        A_GOOD_PLUGIN.format(kind=""),
        "ContractError: MyHead must set `kind`",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_reported_and_stops_no_other(name, install):
    source, failure = BROKEN[name]
    install("a-good-one", A_GOOD_PLUGIN.format(kind="first"))
    install("broken", source)
    install("the-good-one", A_GOOD_PLUGIN.format(kind="last"))
    kinds = Registry()
    assert {"classification", "first", "last"} <= set(kinds.head_kinds())
    assert kinds.head("classification") is ClassificationHead
    assert kinds.adapter("bottleneck") is BottleneckAdapter
    assert isinstance(kinds.adapter_config("seq_bn"), BottleneckConfig)
    record = record_of(kinds, "broken")
    assert failure in record.failure
    assert "\n" not in record.failure
    assert len(record.failure) < 400
    assert "Traceback" in record.traceback or "SyntaxError" in record.traceback
    assert record_of(kinds, "a-good-one").failure is None
    assert record_of(kinds, "the-good-one").failure is None


@pytest.mark.parametrize(
    ("target", "source", "failure"),
    [
        ("broken_plugin_not_there", "", "ModuleNotFoundError"),
        ("broken_plugin:missing", "", "AttributeError"),
        ("broken_plugin:nothing", "nothing = None", "broken_plugin:nothing is None"),
        ("broken_plugin:listed", "listed = []", "unhashable"),
        ("a:b:c", "", "Error"),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_reported_and_stops_no_other(
    install, target, source, failure
):
    install("broken", source, target=target)
    install("the-good-one", A_GOOD_PLUGIN.format(kind="last"))
    kinds = Registry()
    assert "last" in kinds.head_kinds()
    assert failure in record_of(kinds, "broken").failure


@pytest.mark.parametrize(
    "content", [b"[polyhead]\nno equals sign\n", b"[polyhead]\nx = \xff\xfe\n"]
)
def test_an_unreadable_list_of_entry_points_is_reported_and_stops_no_other(install, content):
    info = install("broken", "")
    (info / "entry_points.txt").write_bytes(content)
    install("the-good-one", A_GOOD_PLUGIN.format(kind="last"))
    kinds = Registry()
    assert "last" in kinds.head_kinds()
    record = record_of(kinds, "broken")
    assert record.name == "entry_points.txt"
    assert record.failure


def test_a_distribution_without_metadata_has_no_name_and_still_works(install):
    info = install("nameless", A_GOOD_PLUGIN.format(kind="nameless"))
    (info / "METADATA").unlink()
    install("the-good-one", A_GOOD_PLUGIN.format(kind="last"))
    kinds = Registry()
    assert {"nameless", "last"} <= set(kinds.head_kinds())
    assert kinds.provider_of_head("nameless").distribution == "unknown"


def test_distributions_without_metadata_are_not_one(install):
    for name in ("nameless", "nobody"):
        (install(name, A_GOOD_PLUGIN.format(kind=name)) / "METADATA").unlink()
    assert {"nameless", "nobody"} <= set(Registry().head_kinds())


def test_an_unknown_backbone_names_the_plugins_that_may_have_it(install):
    install("broken", "1 / 0", version="0.3")
    error = Registry().unknown_backbone("house", "Give a folder.")
    assert "Give a folder. These plugins failed to load and may provide it: broken 0.3:" in str(
        error
    )


def test_what_a_plugin_registered_before_it_failed_stays(install):
    install(
        "half",
        A_HEAD.format(kind="before")
        + """
    @hookimpl
    def polyhead_register_heads(register):
        register(MyHead)
        raise ValueError("too late")
    """,
    )
    kinds = Registry()
    assert kinds.head("before").kind == "before"
    record = record_of(kinds, "half")
    assert record.provides == ["head before"]
    assert record.failure == "ValueError: too late"


def test_two_plugins_that_claim_one_kind_are_both_named(install):
    install("one", A_GOOD_PLUGIN.format(kind="ner"), version="1.1")
    install("two", A_GOOD_PLUGIN.format(kind="ner"), version="2.2")
    kinds = Registry()
    with pytest.raises(DuplicateKindError) as caught:
        kinds.head("ner")
    assert "one 1.1 (main)" in str(caught.value)
    assert "two 2.2 (main)" in str(caught.value)
    assert [record.failure for record in kinds.plugins()] == [None] * len(kinds.plugins())


def test_a_disputed_kind_stops_nothing_that_is_not_disputed(install):
    install("one", A_GOOD_PLUGIN.format(kind="ner"))
    install("two", A_GOOD_PLUGIN.format(kind="ner"))
    install("zone", A_GOOD_PLUGIN.format(kind="zone"))
    presets = '{"ours": Config()}'
    install("three", AN_ADAPTER.format(kind="three", presets=presets))
    install("four", AN_ADAPTER.format(kind="four", presets=presets))
    kinds = Registry()
    zone = kinds.head("zone")
    assert kinds.head_for(zone.Config()) is zone
    assert "ours" not in kinds.adapter_presets()
    assert "seq_bn" in kinds.adapter_presets()
    assert kinds.backbones()
    with pytest.raises(DuplicateKindError, match="preset 'ours'"):
        kinds.adapter_config("ours")
    disputed = sys.modules["one_plugin"].Config()
    with pytest.raises(DuplicateKindError, match="head 'ner'"):
        kinds.head_for(disputed)


def test_two_entry_points_of_one_distribution_are_two_plugins(install):
    info = install("pair", A_GOOD_PLUGIN.format(kind="one"))
    install("quite-another", A_GOOD_PLUGIN.format(kind="two"))
    (info / "entry_points.txt").write_text(
        "[polyhead]\na = pair_plugin\nb = quite_another_plugin\n"
    )
    kinds = Registry()
    found = [record for record in kinds.plugins() if record.provider.distribution == "pair"]
    assert [record.name for record in found] == ["a", "b"]
    assert kinds.provider_of_head("two").distribution == "pair"
    # the second one's module is loaded already; that is said and harms nothing
    assert "registered by another entry point already" in record_of(kinds, "quite-another").failure


def test_an_unknown_kind_is_answered_with_the_known_ones():
    kinds = Registry(entry_points=False)
    with pytest.raises(UnknownKindError) as caught:
        kinds.head("clasification")
    message = str(caught.value)
    assert message.startswith("no head kind 'clasification'; installed: 'classification', ")
    assert "Did you mean 'classification'? Install the plugin that provides it." in message
    with pytest.raises(UnknownKindError, match="no adapter kind 'vera'; installed: 'bottleneck'"):
        kinds.adapter("vera")


def test_an_unknown_adapter_config_is_answered_with_presets_and_kinds():
    with pytest.raises(UnknownKindError, match=r"Did you mean 'seq_bn'\?") as caught:
        Registry(entry_points=False).adapter_config("seqbn[reduction_factor=8]")
    assert {"bottleneck", "par_bn", "houlsby"} <= set(caught.value.known)


def test_a_broken_plugin_is_quoted_when_a_kind_is_missing(install):
    install("broken", "import surely_not_installed", version="0.3")
    with pytest.raises(UnknownKindError) as caught:
        Registry().head("ner")
    assert "broken 0.3: ModuleNotFoundError: No module named 'surely_not_installed'" in str(
        caught.value
    )


def test_an_unknown_backbone_is_answered_with_the_named_ones():
    kinds = Registry(entry_points=False)
    assert kinds.backbone("minilmm") is None
    error = kinds.unknown_backbone("minilmm", "Give a folder.")
    assert isinstance(error, UnknownBackboneError)
    assert "Did you mean 'minilm'? Give a folder." in str(error)


def test_a_config_stands_for_itself():
    config = Registry(entry_points=False).adapter_config("par_bn")
    assert Registry(entry_points=False).adapter_config(config) is config


@pytest.mark.parametrize("spec", [None, 3, {"kind": "seq_bn"}])
def test_what_is_no_config_is_refused(spec):
    with pytest.raises(ConfigError, match="an adapter config is a config string or"):
        Registry(entry_points=False).adapter_config(spec)


def test_a_config_of_no_registered_class_is_refused():
    class Stray(HeadConfig):
        pass

    class StrayAdapter(AdapterConfig):
        pass

    kinds = Registry(entry_points=False)
    with pytest.raises(ConfigError, match=r"Stray configures no registered head.*register_heads"):
        kinds.head_for(Stray())
    with pytest.raises(ConfigError, match=r"no registered adapter.*polyhead_register_adapters"):
        kinds.adapter_for(StrayAdapter())


def test_head_strings_give_a_class_and_options():
    kinds = Registry(entry_points=False)
    found, options = kinds.head_spec("classification[layers=1]")
    assert issubclass(found, Head)
    assert options == {"layers": 1}


def test_a_plugin_may_ask_a_registry_while_it_is_loaded(install):
    install(
        "a-curious",
        A_HEAD.format(kind="curious")
        + """
    REGISTRIES = []
    @hookimpl
    def polyhead_register_heads(register):
        register(MyHead)
        for kinds in REGISTRIES:
            assert kinds.head("classification")
            kinds.head_kinds()
    """,
    )
    install("the-good-one", A_GOOD_PLUGIN.format(kind="last"))
    kinds = Registry()
    import a_curious_plugin  # noqa: PLC0415 - it was written a line above

    a_curious_plugin.REGISTRIES.append(kinds)
    assert {"curious", "last"} <= set(kinds.head_kinds())
    records = kinds.plugins()
    assert [record.failure for record in records] == [None] * len(records)
    names = [(record.provider.distribution, record.name) for record in records]
    assert len(names) == len(set(names))


def test_many_threads_load_plugins_once(install):
    install(
        "counted",
        A_GOOD_PLUGIN.format(kind="counted")
        + """
    import builtins
    builtins.polyhead_test_count = getattr(builtins, "polyhead_test_count", 0) + 1
    """,
    )
    kinds = Registry()
    found = []
    start = threading.Barrier(8)

    def ask():
        start.wait()
        found.append(kinds.head("counted"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 8
    assert len([record for record in kinds.plugins() if record.name == "main"]) == 1


def test_the_process_has_one_registry():
    assert registry() is registry()


def test_all_that_plugins_provide_is_in_their_records(install):
    install(
        "everything",
        A_GOOD_PLUGIN.format(kind="every")
        + """
    @hookimpl
    def polyhead_register_commands(register):
        register("every", print)

    @hookimpl
    def polyhead_train_event(event):
        pass
""",
    )
    record = record_of(Registry(), "everything")
    assert record.provides == ["observer train_event", "head every", "command every"]
    assert record.status == "ok"


def test_plugins_whose_commands_were_asked_for_first_are_still_after_the_built_in_ones(install):
    install("greedy", A_GOOD_PLUGIN.format(kind="classification"))
    install("zone", A_GOOD_PLUGIN.format(kind="zone"))
    host = Host()
    assert host.command_names() == []
    kinds = Registry(host=host)
    assert kinds.head("classification") is ClassificationHead
    assert kinds.head("zone").kind == "zone"
    assert kinds.plugins()[0].name == DEFAULT_PLUGINS[0]
    assert "claimed by polyhead" in record_of(kinds, "greedy").failure


def test_a_plugin_that_is_switched_off_is_named_when_a_kind_is_missing(install, monkeypatch):
    install("resting", A_GOOD_PLUGIN.format(kind="resting"), version="0.3")
    monkeypatch.setenv("POLYHEAD_DISABLE_PLUGINS", "resting,nobody")
    kinds = Registry()
    with pytest.raises(UnknownKindError, match=r"switched off and may provide it: resting 0\.3 by"):
        kinds.head("resting")
    assert kinds.unknown_switches() == ["nobody"]
    assert "resting_plugin" not in sys.modules
    assert kinds.head("classification") is ClassificationHead


def test_an_artifacts_distribution_is_told_with_what_helps(install):
    install("broken", "1 / 0", version="0.3")
    kinds = Registry()
    assert kinds.how_to_have(Provider("other", "1.2")) == (
        "it is missing; pip install 'other==1.2'"
    )
    assert "broken 0.3 is installed and failed to load" in kinds.how_to_have(
        Provider("Broken", "0.2")
    )


def test_a_class_may_be_tried_out_and_is_forgotten_without_a_trace(install):
    install("good", A_GOOD_PLUGIN.format(kind="good"))
    kinds = Registry()
    good = kinds.head("good")

    class Mine(good):
        kind = "mine"

        class Config(good.Config):
            pass

    record = kinds.try_out(Mine)
    assert kinds.head("mine") is kinds.head_for(Mine.Config()) is Mine
    kinds.forget(record)
    assert "mine" not in kinds.head_kinds()
    assert record not in kinds.plugins()


def test_a_class_that_cannot_be_registered_is_not_tried_out():
    class Mine(BottleneckAdapter):
        kind = "seq_bn"

        class Config(BottleneckConfig):
            pass

    kinds = Registry(entry_points=False)
    before = kinds.adapter_kinds()
    with pytest.raises(DuplicateKindError, match="uses 'seq_bn', the name of the preset"):
        kinds.try_out(Mine)
    assert kinds.adapter_kinds() == before


def test_ctrl_c_while_plugins_load_leaves_the_rest_for_the_next_look_up(install):
    install(
        "a-slow-one",
        A_HEAD.format(kind="slow")
        + """
    CALLS = []
    @hookimpl
    def polyhead_register_heads(register):
        CALLS.append(1)
        register(MyHead)
        if len(CALLS) == 1:
            raise KeyboardInterrupt
    """,
    )
    install("zone", A_GOOD_PLUGIN.format(kind="zone"))
    kinds = Registry()
    with pytest.raises(KeyboardInterrupt):
        kinds.head("zone")
    assert kinds.head("zone").kind == "zone"
    assert kinds.head("slow").kind == "slow"
    assert [record.failure for record in kinds.plugins()] == [None] * len(kinds.plugins())
