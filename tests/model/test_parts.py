"""Adapters, heads and tasks come and go; what fails leaves nothing behind."""

import copy
import pickle
import sys

import pytest
import torch

from polyhead.adapters import BottleneckConfig
from polyhead.contracts import AdapterConfig, HeadConfig
from polyhead.errors import (
    BackboneMismatchError,
    ConfigError,
    InputError,
    InvalidNameError,
    NameTakenError,
    UnknownAdapterError,
    UnknownHeadError,
    UnknownKindError,
    UnknownTaskError,
)
from polyhead.model import Task
from polyhead.tokenizer import TextSettings

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 8, 3]])
NAMES = ("train", "keys", "type", "0", "A-b_c", "x" * 64)
NO_NAMES = (
    *("", "a.b", "../x", "a/b", "a\\b", "x" * 65, "-a", "_a", "a b", "a\n", "a\0", " a", "..", "."),
    *("naïve", "\u0430bc", "\uff41", "a\u200b", "٣", 3, None, b"a", ("a",)),
)


class OtherHeadConfig(HeadConfig):
    """Of no registered kind."""


class OtherAdapterConfig(AdapterConfig):
    """Of no registered kind."""


@pytest.fixture
def model(tiny_model, two_labels, three_labels):
    """An adapter legal, a head topic and a task mood."""
    tiny_model.add_adapter("legal", "double_seq_bn")
    tiny_model.add_head("topic", three_labels, adapter="legal")
    tiny_model.add_task("mood", head=two_labels)
    return tiny_model


def test_what_is_added_is_listed(model, two_labels):
    assert list(model.adapters) == ["legal", "mood"]
    assert list(model.heads) == ["topic", "mood"]
    assert model.tasks == {"mood": Task("mood", "mood", "mood", TextSettings())}
    assert model.adapters["legal"].config.mh_adapter
    assert model.heads["mood"].config == two_labels
    assert model.task("mood") is model.tasks["mood"]


def test_listings_are_live_and_read_only(model):
    adapters, tasks = model.adapters, model.tasks
    model.add_adapter("late")
    model.delete_task("mood")
    assert list(adapters) == ["legal", "late"]
    assert dict(tasks) == {}
    for listing in (adapters, model.heads, tasks):
        with pytest.raises(TypeError):
            listing["x"] = None


def test_an_adapter_is_configured_by_string_or_value(model):
    model.add_adapter("by_string", "seq_bn[reduction_factor=8,non_linearity=gelu]")
    value = BottleneckConfig(
        mh_adapter=False, output_adapter=True, reduction_factor=2, non_linearity="relu"
    )
    model.add_adapter("by_value", value)
    assert model.adapters["by_string"].config.reduction_factor == 8
    assert model.adapters["by_string"].config.non_linearity == "gelu"
    assert model.adapters["by_value"].config is value


def test_what_is_deleted_is_gone_and_its_name_free(model, two_labels):
    model.delete_head("topic")
    model.delete_adapter("legal")
    model.delete_task("mood")
    assert not {**model.adapters, **model.heads, **model.tasks}
    assert not model._own_adapters
    for name in ("legal", "topic", "mood"):
        model.add_task(name, head=two_labels, adapter="par_bn")
    assert list(model.tasks) == ["legal", "topic", "mood"]


def test_a_head_of_a_deleted_ones_name_does_not_inherit_its_adapter(model, three_labels):
    model.delete_head("topic")
    model.add_head("topic", three_labels)
    with pytest.raises(UnknownAdapterError, match="no adapter 'topic'"):
        model(input_ids=IDS, head="topic")


def test_parts_of_a_task_cannot_be_deleted_alone(model, state):
    before = state(model)
    with pytest.raises(
        InputError, match=r"used by the task 'mood'; .* model\.delete_task\('mood'\)"
    ):
        model.delete_adapter("mood")
    with pytest.raises(
        InputError, match=r"used by the task 'mood'; .* model\.delete_task\('mood'\)"
    ):
        model.delete_head("mood")
    assert state(model) == before


def test_unknown_parts_cannot_be_deleted(model, state):
    before = state(model)
    for delete, error in (
        (model.delete_adapter, UnknownAdapterError),
        (model.delete_head, UnknownHeadError),
        (model.delete_task, UnknownTaskError),
    ):
        for name in ("nil", "", 3, None):
            with pytest.raises(error, match="this model has: '"):
                delete(name)
    assert state(model) == before


def test_tasks_may_share_an_adapter(model, two_labels, three_labels):
    model.add_task("more", head=three_labels, share_adapter="mood")
    assert model.tasks["more"].adapter == "mood"
    assert torch.equal(
        model(input_ids=IDS, head="more").last_hidden_state,
        model(input_ids=IDS, head="mood").last_hidden_state,
    )
    model.delete_task("mood")
    assert "mood" in model.adapters
    model.delete_task("more")
    assert "mood" in model.adapters  # it was only shared
    model.delete_adapter("mood")
    assert "mood" not in model.adapters


def test_an_adapter_that_a_head_uses_outlives_a_task(model, two_labels, three_labels):
    model.add_task("first", head=two_labels, share_adapter="legal")
    model.delete_task("first")
    assert "legal" in model.adapters  # topic's own
    model.add_adapter("plain")
    model.add_head("plain", three_labels)  # uses the adapter of its name
    model.add_task("second", head=two_labels, share_adapter="plain")
    model.delete_task("second")
    assert "plain" in model.adapters


def test_a_task_may_do_without_adapter(model, two_labels):
    task = model.add_task("bare", head=two_labels, adapter=None)
    assert task.adapter is None
    assert "bare" not in model.adapters
    assert torch.equal(
        model(input_ids=IDS, head="bare").last_hidden_state,
        model(input_ids=IDS, head=None).last_hidden_state,
    )
    model.add_adapter("bare")
    assert torch.equal(
        model(input_ids=IDS, head="bare").last_hidden_state,
        model(input_ids=IDS, head=None).last_hidden_state,
    )


@pytest.mark.parametrize("name", NAMES)
def test_any_of_our_names_works(tiny_model, two_labels, name):
    tiny_model.add_task(name, head=two_labels)
    model = copy.deepcopy(tiny_model.train().eval().double().float())
    assert model(input_ids=IDS, head=name, adapter_names=name).logits.shape == (2, 2)
    model.load_state_dict(tiny_model.state_dict())
    assert model.predict("good", task=name) == tiny_model.predict("good", task=name)
    model.delete_task(name)
    assert not model.tasks


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_cannot_be_a_name_is_refused(model, two_labels, state, name):
    before = state(model)
    for add in (
        lambda: model.add_adapter(name, "seq_bn"),
        lambda: model.add_head(name, two_labels),
        lambda: model.add_task(name, head=two_labels),
    ):
        with pytest.raises(InvalidNameError, match="use 1 to 64 of the letters a-z, A-Z, digits"):
            add()
    assert state(model) == before


def test_a_taken_name_is_refused(model, two_labels, state):
    before = state(model)
    for add in (
        lambda: model.add_adapter("legal", "seq_bn"),
        lambda: model.add_head("topic", two_labels),
        lambda: model.add_task("mood", head=two_labels),
        lambda: model.add_task("mood", head=two_labels, adapter=None),
        lambda: model.add_task("topic", head=two_labels),  # the head's name is taken
        lambda: model.add_task("legal", head=two_labels),  # the adapter's name is taken
    ):
        with pytest.raises(NameTakenError, match="choose another name, or delete it first with"):
            add()
        assert state(model) == before


@pytest.mark.parametrize(
    ("config", "error", "part"),
    [
        ("seq_bm", UnknownKindError, "Did you mean 'seq_bn'?"),
        ("seq_bn[reduction=8]", ConfigError, "unknown field 'reduction'"),
        ("seq_bn[reduction_factor=0]", ConfigError, "greater than 0"),
        ("seq_bn[reduction_factor=0.00001]", ConfigError, "the most is 65,536"),
        ("seq_bn[leave_out=[0,1,2]]", ConfigError, "leave at least one"),
        ("seq_bn[leave_out=[3]]", ConfigError, "the encoder has the layers 0 to 2"),
        ("seq_bn[", ConfigError, "is not a config string"),
        ("", ConfigError, "is not a config string"),
        (OtherAdapterConfig(), ConfigError, "configures no registered adapter"),
        (3, ConfigError, "not int"),
        ({"reduction_factor": 8}, ConfigError, "not dict"),
    ],
    ids=str,
)
def test_adapters_that_cannot_be_built_leave_nothing(
    model, two_labels, state, *, config, error, part
):
    before = state(model)
    for add in (
        lambda: model.add_adapter("new", config),
        lambda: model.add_task("new", head=two_labels, adapter=config),
    ):
        with pytest.raises(error) as caught:
            add()
        assert part in str(caught.value)
        assert state(model) == before


@pytest.mark.parametrize(
    ("config", "part"),
    [
        (OtherHeadConfig(), "configures no registered head"),
        ("classification", "not by str"),
        ({"labels": ["a", "b"]}, "not by dict"),
        (None, "not by NoneType"),
    ],
    ids=str,
)
def test_heads_that_cannot_be_built_leave_nothing(model, state, config, part):
    before = state(model)
    for add in (
        lambda: model.add_head("new", config),
        lambda: model.add_task("new", head=config),
    ):
        with pytest.raises(ConfigError, match=part):
            add()
        assert state(model) == before


@pytest.mark.parametrize("adapter", ["nil", "", 3, ["legal"]])
def test_an_unknown_own_adapter_leaves_nothing(model, two_labels, state, adapter):
    before = state(model)
    for add in (
        lambda: model.add_head("new", two_labels, adapter=adapter),
        lambda: model.add_task("new", head=two_labels, share_adapter=adapter),
    ):
        with pytest.raises(UnknownAdapterError):
            add()
        assert state(model) == before


def test_a_name_taken_at_the_last_moment_leaves_nothing(model, two_labels, state, monkeypatch):
    """As when another thread adds a head of that name while the task is being built."""
    before = state(model)
    monkeypatch.setattr(model, "_check_new_task", lambda name: None)
    with pytest.raises(NameTakenError, match="already has the head 'topic'"):
        model.add_task("topic", head=two_labels)
    assert state(model) == before


def test_a_part_that_does_not_fit_in_memory_leaves_nothing(model, two_labels, state, monkeypatch):
    before = state(model)

    def full(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(type(model.heads["mood"]), "to", full)
    with pytest.raises(RuntimeError, match="out of memory"):
        model.add_task("new", head=two_labels)
    assert state(model) == before


def test_unknown_keyword_arguments_are_type_errors(model, two_labels):
    for add in (
        lambda: model.add_adapter("new", "seq_bn", reduction_factor=8),
        lambda: model.add_head("new", two_labels, adapters="legal"),
        lambda: model.add_task("new", head=two_labels, labels=("a", "b")),
        lambda: model.add_task("new", two_labels),
    ):
        with pytest.raises(TypeError):
            add()


def test_training_mode_reaches_all_but_the_encoder(model):
    model.train()
    assert not any(part.training for part in model.encoder.modules())
    assert all(part.training for part in (*model.adapters.values(), *model.heads.values()))
    model.add_adapter("late")
    assert model.adapters["late"].training
    model.eval()
    assert not any(part.training for part in model.modules())


@pytest.mark.parametrize("how", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])  # noqa: S301 - our own bytes
def test_a_copy_answers_alike_and_stands_alone(model, two_labels, how, shake):
    for part in (*model.adapters.values(), *model.heads.values()):
        shake(part)
    known = model(input_ids=IDS, head="topic").logits
    other = how(model)
    assert torch.equal(other(input_ids=IDS, head="topic").logits, known)
    assert other.predict("good", task="mood") == model.predict("good", task="mood")
    assert other.tasks == model.tasks
    assert other.backbone == model.backbone
    shake(other.adapters["legal"], seed=9)
    assert not torch.equal(other(input_ids=IDS, head="topic").logits, known)
    assert torch.equal(model(input_ids=IDS, head="topic").logits, known)
    other.add_task("late", head=two_labels)
    assert "late" not in model.tasks
    assert not any(weight.requires_grad for weight in other.encoder.parameters())


def test_a_state_dict_goes_round(model, make_model, two_labels, three_labels, shake):
    for part in (*model.adapters.values(), *model.heads.values()):
        shake(part)
    other = make_model()
    other.add_adapter("legal", "double_seq_bn")
    other.add_head("topic", three_labels, adapter="legal")
    other.add_task("mood", head=two_labels)
    assert list(other.state_dict()) == list(model.state_dict())
    other.load_state_dict(model.state_dict())
    for head in ("topic", "mood"):
        found = other(input_ids=IDS, head=head).logits
        assert torch.equal(found, model(input_ids=IDS, head=head).logits)


def test_a_state_dict_with_another_encoder_is_refused_and_nothing_changes(model, make_model):
    other = make_model(seed=5)
    before = {name: weight.clone() for name, weight in other.state_dict().items()}
    with pytest.raises(BackboneMismatchError, match="the encoder is never written"):
        other.load_state_dict(model.state_dict(), strict=False)
    assert all(torch.equal(weight, before[name]) for name, weight in other.state_dict().items())


def calls_of(function):
    """How many functions, ours and C's, `function` calls."""
    n_calls = 0

    def count(frame, event, argument):
        nonlocal n_calls
        n_calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return n_calls


def test_a_thousand_adapters_cost_a_call_what_one_costs(make_model, two_labels):
    model = make_model()
    model.add_task("mood", head=two_labels)
    works = {
        "call": lambda: model(input_ids=IDS, head="mood"),
        "rows": lambda: model(input_ids=IDS, head="mood", adapter_names=["mood", None]),
        "predict": lambda: model.predict("good", task="mood"),
        "add": lambda: model.add_adapter("new", "seq_bn[reduction_factor=16]"),
        "delete": lambda: model.delete_adapter("new"),
    }
    for work in works.values():
        work()  # what is made at the first call is no part of the cost
    few = {name: calls_of(work) for name, work in works.items()}
    for number in range(1000):
        model.add_adapter(f"a{number}", "seq_bn[reduction_factor=16]")
    many = {name: calls_of(work) for name, work in works.items()}
    # a look through all of them would make a thousand calls more; the collector makes a few
    assert all(many[name] - few[name] < 100 for name in works)
    assert type(model._adapters._modules) is dict
    assert model(input_ids=IDS, head="mood", adapter_names="a999").logits.shape == (2, 2)


def test_a_message_about_a_thousand_adapters_is_short(make_model):
    model = make_model()
    for number in range(40):
        model.add_adapter(f"a{number}", "seq_bn[reduction_factor=32]")
    with pytest.raises(UnknownAdapterError, match="and 28 more") as caught:
        model(input_ids=IDS, adapter_names="nil")
    assert len(str(caught.value)) < 300
