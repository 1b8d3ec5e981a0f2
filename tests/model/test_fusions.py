"""AdapterFusion by the names of AdapterHub's documents: added, used, trained, deleted."""

import pytest
import torch

from polyhead import Average, Fuse, Stack
from polyhead.adapters import FusionConfig, LoraConfig
from polyhead.errors import (
    ConfigError,
    InputError,
    InvalidNameError,
    NameTakenError,
    UnknownAdapterError,
)

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 8, 3]])


@pytest.fixture
def model(tiny_model, two_labels, shake):
    kinds = {"a": "seq_bn", "b": "par_bn", "both": "double_seq_bn", "low": "lora"}
    for number, (name, config) in enumerate(kinds.items()):
        tiny_model.add_adapter(name, config)
        shake(tiny_model.adapters[name], seed=number)
    tiny_model.add_head("mood", two_labels, adapter=None)
    return tiny_model


@pytest.mark.parametrize(
    "names", [["a", "b"], ("a", "b"), "a,b", "a, b", Fuse("a", "b"), Fuse(Stack("low", "a"), "b")]
)
def test_a_fusion_is_added_by_the_adapters_in_any_form(model, names):
    assert model.add_adapter_fusion(names) == "a_b"
    assert model.adapters["a_b"].config == FusionConfig.dynamic("a", "b")
    assert model.adapter_table.fusions == {"a_b": ("a", "b")}
    by_name = model(IDS, adapter_names="a_b", head=None).last_hidden_state
    by_block = model(IDS, adapter_names=Fuse("a", "b"), head=None).last_hidden_state
    assert torch.equal(by_block, by_name)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("dynamic", FusionConfig.dynamic("a", "b")),
        ("static", FusionConfig.static("a", "b")),
        ({}, FusionConfig.dynamic("a", "b")),
        ({"temperature": True}, FusionConfig.dynamic("a", "b", temperature=True)),
        ({"leave_out": [0]}, FusionConfig.dynamic("a", "b", leave_out=(0,))),
        (FusionConfig.static("a", "b", key=False), FusionConfig.static("a", "b", key=False)),
    ],
    ids=str,
)
def test_a_fusion_is_configured_in_any_form(model, config, expected):
    if expected.leave_out:
        model.add_adapter("c", "seq_bn[leave_out=(0,)]")
        model.add_adapter("d", "par_bn[leave_out=(0,)]")
        model.add_adapter_fusion(["c", "d"], config)
        assert model.adapters["c_d"].config.leave_out == (0,)
        return
    model.add_adapter_fusion(["a", "b"], config)
    assert model.adapters["a_b"].config == expected


@pytest.mark.parametrize(
    ("names", "sites"),
    [
        (["a", "b"], ("ffn",)),
        (["a", "both"], ("attention", "ffn")),
        (["both", "outer"], ("attention", "ffn")),
    ],
)
def test_adapters_are_fused_wherever_one_of_them_acts(model, names, sites):
    if "outer" in names:  # a fusion again
        model.add_adapter_fusion(["both", "a"], name="outer")
    assert model.adapters[model.add_adapter_fusion(names)].config.sites == sites


def test_several_fusions_of_the_same_adapters_have_names(model):
    for name in ("first", "second"):
        assert model.add_adapter_fusion(["a", "b"], name=name) == name
    with pytest.raises(NameTakenError):
        model.add_adapter_fusion(["a", "b"], name="first")
    with pytest.raises(ConfigError, match="several fusions of a, b: first, second"):
        model.delete_adapter_fusion(["a", "b"])
    model.delete_adapter_fusion("first")
    model.delete_adapter_fusion("a,b")
    assert list(model.adapters) == ["a", "b", "both", "low"]


def test_a_fusion_is_replaced_only_where_that_is_asked_for(model):
    model.add_adapter_fusion(["a", "b"])
    before = model.adapters["a_b"]
    with pytest.raises(NameTakenError):
        model.add_adapter_fusion(["a", "b"], "static")
    assert model.adapters["a_b"] is before
    model.add_adapter_fusion(["a", "b"], "static", overwrite_ok=True)
    assert model.adapters["a_b"].config == FusionConfig.static("a", "b")


BAD = {
    "one adapter": ({"adapter_names": ["a"]}, ConfigError, "at least two"),
    "the same twice": ({"adapter_names": ["a", "a"]}, ConfigError, "each adapter once"),
    "none": ({"adapter_names": []}, ConfigError, "needs at least one"),
    "an unknown one": ({"adapter_names": ["a", "nil"]}, UnknownAdapterError, "no adapter 'nil'"),
    "a number": ({"adapter_names": 3}, ConfigError, "a list of them, not 3"),
    "None": ({"adapter_names": [None, "a"]}, ConfigError, "None cannot name an adapter"),
    "an adapter that cannot be fused": (
        {"adapter_names": ["a", "low"]},
        ConfigError,
        "acts at 'q'",
    ),
    "an unknown form": ({"config": "Dynamic"}, ConfigError, "'dynamic', 'static' or"),
    "an unknown field": ({"config": {"keys": True}}, ConfigError, "unknown field 'keys'"),
    "a bad value": ({"config": {"dropout_prob": 2}}, ConfigError, "dropout_prob"),
    "a number for a form": ({"config": 3}, ConfigError, "some of its fields, not 3"),
    "None for a form": ({"config": None}, ConfigError, "some of its fields, not None"),
    "fields of others": (
        {"config": {"adapters": ("b", "a")}},
        ConfigError,
        r"adapters=\('a', 'b'\)",
    ),
    "a config of others": (
        {"config": FusionConfig.dynamic("b", "a")},
        ConfigError,
        "of a fusion of a",
    ),
    "a config of another kind": (
        {"config": LoraConfig()},
        ConfigError,
        "LoraConfig is no configuration of a fusion",
    ),
    "too few sites": (
        {"adapter_names": ["a", "both"], "config": {"sites": ("ffn",)}},
        ConfigError,
        "acts at 'attention' in layer 0, where this fusion does not",
    ),
    "a path for a name": ({"name": "../x"}, InvalidNameError, "cannot name an adapter"),
    "a taken name": ({"name": "low"}, NameTakenError, "already has the adapter 'low'"),
    "a name among the fused": ({"name": "a", "overwrite_ok": True}, ConfigError, "another name"),
    "what is active": ({"set_active": True}, ConfigError, "adapter_names='a_b'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_fusion_that_cannot_be_leaves_all_as_it_was(model, state, name):
    options, error, reason = BAD[name]
    model.add_adapter_fusion(["b", "a"], name="there")
    for replaced in (False, True):  # what would have been replaced is still there
        before = state(model)
        if replaced and "name" not in options:
            options = {**options, "name": "there", "overwrite_ok": True}
            reason = "adapter_names='there'" if "set_active" in options else reason
        with pytest.raises(error, match=reason) as caught:
            model.add_adapter_fusion(**{"adapter_names": ["a", "b"], **options})
        assert "\n" not in str(caught.value)
        assert state(model) == before


def test_a_fusion_that_is_used_is_neither_replaced_nor_deleted(model, two_labels, state):
    model.add_adapter_fusion(["a", "b"])
    model.add_task("fused", head=two_labels, share_adapter=Fuse("a", "b"))
    before = state(model)
    with pytest.raises(InputError, match="used by the task 'fused'"):
        model.add_adapter_fusion(["a", "b"], "static", overwrite_ok=True)
    for names in (Fuse("a", "b"), ["a", "b"], "a,b", "a_b"):
        with pytest.raises(InputError, match="used by the task 'fused'"):
            model.delete_adapter_fusion(names)
    assert state(model) == before
    model.delete_task("fused")
    model.delete_adapter_fusion("a_b")


@pytest.mark.parametrize("names", [["b", "a"], "b,a", Fuse("b", "a"), "a", "nil", Fuse("a", "nil")])
def test_a_fusion_that_is_not_there_is_neither_deleted_nor_trained(model, state, names):
    model.add_adapter_fusion(["a", "b"])
    before = state(model)
    for method in (model.delete_adapter_fusion, model.train_adapter_fusion):
        with pytest.raises(UnknownAdapterError):
            method(names)
    assert state(model) == before
    assert not model.training


@pytest.mark.parametrize("names", ["a_b", "a,b", ["a", "b"], Fuse("a", "b")])
def test_training_a_fusion_leaves_the_adapters_that_it_fuses(model, names):
    model.add_adapter_fusion(["a", "b"])
    model.train_adapter_fusion(names)
    assert model.training
    out = model(IDS, adapter_names=Fuse("a", "b"), head="mood", labels=torch.tensor([0, 1]))
    out.loss.backward()
    taught = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert {name.split(".")[1] for name in taught} == {"a_b", "mood"}
    assert not any(weight.requires_grad for weight in model.adapters["a"].parameters())


@pytest.mark.parametrize(
    ("setup", "trained"),
    [
        (Stack("low", "a"), ["a"]),
        (Average("low", "a"), ["low", "a"]),
        (Stack("low", Fuse("a", "b")), ["a_b"]),
        (["low", "b"], ["low", "b"]),
    ],
    ids=str,
)
def test_of_a_block_those_are_prepared_that_learn(model, setup, trained):
    model.add_adapter_fusion(["a", "b"])
    model.train_adapter(setup)
    for name, adapter in model.adapters.items():
        flags = {weight.requires_grad for weight in adapter.parameters()}
        assert flags == {name in trained}


def test_the_penalty_is_in_the_loss_and_in_the_gradient(model):
    """0.01 times the squared distance of the values from the identity, once for all rows."""
    name = model.add_adapter_fusion(["a", "b"])
    fusion = model.adapters[name]
    with torch.no_grad():
        for site in fusion.ffn.values():
            site.value.mul_(1.5)
    off = [site.value.detach() - torch.eye(32) for site in fusion.ffn.values()]
    expected = 0.01 * sum(float(one.square().sum()) for one in off)
    labels = torch.tensor([0, 1])
    rows = [name, Fuse("a", "b")]
    out = model(IDS, adapter_names=rows, head="mood", labels=labels)
    assert float((out.loss - out.losses["mood"]).detach()) == pytest.approx(expected, rel=1e-4)
    assert expected > 0.1
    value = fusion.ffn["0"].value
    [whole] = torch.autograd.grad(out.loss, value, retain_graph=True)
    [alone] = torch.autograd.grad(out.losses["mood"], value)
    torch.testing.assert_close(whole - alone, 0.02 * off[0])
    plain = model(IDS, adapter_names="a", head="mood", labels=labels)
    assert plain.penalties == ()
    assert plain.loss == plain.losses["mood"]
    assert model(IDS, adapter_names=name, head="mood").loss is None
