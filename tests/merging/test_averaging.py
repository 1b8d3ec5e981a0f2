"""Adapters and heads added up: what the sum is, and where it is none."""

import pytest
import torch

from polyhead.contracts import Adapter, AdapterConfig, LayerTaps
from polyhead.errors import (
    ConfigError,
    InputError,
    NameTakenError,
    UnknownAdapterError,
    UnknownHeadError,
)
from polyhead.heads import ClassificationHeadConfig, TaggingHeadConfig
from polyhead.merging import weighted_sum

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 8, 3]])
SUMMABLE = [
    "seq_bn",
    "double_seq_bn[ln_before=true]",
    "compacter[reduction_factor=4]",
    "lora",
    "ia3",
    "noreft",
]
WHOLE = [
    "prefix_tuning",
    "prompt_tuning",
    "dora",
    "prefix_tuning_flat",
    "ia3[use_gating=true]",
    "seq_bn[residual_before_ln=post_add]",
]


@pytest.fixture
def with_adapters(tiny_model, shake):
    """The model with adapters of one config, or of several, called a, b, c."""

    def make(*configs, n=2):
        names = "abc"[: max(n, len(configs))]
        for number, name in enumerate(names):
            tiny_model.add_adapter(name, configs[number % len(configs)])
            shake(tiny_model.adapters[name], seed=number)
        return tiny_model

    return make


def states(model, *names):
    return [model.adapters[name].state_dict() for name in names]


@pytest.mark.parametrize("config", [*SUMMABLE, *WHOLE, "mam", "unipelt"])
def test_the_average_has_the_average_of_each_weight(with_adapters, config):
    model = with_adapters(config)
    model.average_adapters("new", {"a": 0.25, "b": 0.75})
    for name, weight in model.adapters["new"].state_dict().items():
        one, other = (state[name] for state in states(model, "a", "b"))
        torch.testing.assert_close(weight, 0.25 * one + 0.75 * other)
    assert model.adapters["new"].config == model.adapters["a"].config


@pytest.mark.parametrize("config", [*SUMMABLE, *WHOLE, "loreft", "mam"])
def test_one_adapter_alone_is_copied_bit_by_bit(with_adapters, config):
    model = with_adapters(config, n=1)
    model.average_adapters("new", {"a": 1.0})
    for name, weight in model.adapters["new"].state_dict().items():
        assert torch.equal(weight, model.adapters["a"].state_dict()[name]), name


@pytest.mark.parametrize("config", SUMMABLE)
def test_the_average_of_two_equal_adapters_answers_as_they_do(with_adapters, config):
    model = with_adapters(config)
    model.adapters["b"].load_state_dict(model.adapters["a"].state_dict())
    model.average_adapters("new", {"a": 0.5, "b": 0.5})
    found, expected = (
        model(input_ids=IDS, adapter_names=name, head=None).last_hidden_state
        for name in ("new", "a")
    )
    torch.testing.assert_close(found, expected)


def test_the_merged_ones_stay_as_they_are(with_adapters):
    model = with_adapters("lora")
    before = [
        {key: value.clone() for key, value in each.items()} for each in states(model, "a", "b")
    ]
    model.average_adapters("new", {"a": 0.5, "b": 0.5})
    with torch.no_grad():
        for weight in model.adapters["new"].parameters():
            weight.zero_()
    for now, then in zip(states(model, "a", "b"), before, strict=True):
        assert all(torch.equal(now[key], then[key]) for key in then)


def test_taking_all_of_it_away_leaves_the_bare_encoder(with_adapters):
    model = with_adapters("seq_bn")
    model.adapters["b"].load_state_dict(model.adapters["a"].state_dict())
    model.average_adapters("nothing", {"a": 1.0, "b": -1.0})
    assert not any(weight.any() for weight in model.adapters["nothing"].parameters())


@pytest.mark.parametrize("config", ["ia3", "seq_bn[scaling=learned]"])
def test_shares_of_factors_are_shares_of_their_distance_from_1(with_adapters, config):
    model = with_adapters(config)
    model.average_adapters("new", {"a": 0.5, "b": -1.5})
    for name, weight in model.adapters["new"].state_dict().items():
        one, other = (state[name] for state in states(model, "a", "b"))
        neutral = 1.0 if name.endswith(".scale") else 0.0
        expected = neutral + 0.5 * (one - neutral) - 1.5 * (other - neutral)
        torch.testing.assert_close(weight, expected)


def test_ia3_taken_away_from_itself_changes_nothing(with_adapters):
    model = with_adapters("ia3")
    model.adapters["b"].load_state_dict(model.adapters["a"].state_dict())
    model.average_adapters("nothing", {"a": 1.0, "b": -1.0})
    found, bare = (
        model(input_ids=IDS, adapter_names=name, head=None).last_hidden_state
        for name in ("nothing", None)
    )
    torch.testing.assert_close(found, bare)


def test_shares_are_divided_by_their_sum_where_asked_for(with_adapters):
    model = with_adapters("seq_bn")
    model.average_adapters("new", {"a": 3.0, "b": 1.0}, normalize_weights=True)
    model.average_adapters("same", {"a": 0.75, "b": 0.25})
    for found, expected in zip(
        *(each.values() for each in states(model, "new", "same")), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_what_matters_in_training_alone_may_differ(with_adapters):
    model = with_adapters("lora[dropout=0.1,init_weights_seed=1]", "lora[init_weights=bert]")
    model.average_adapters("new", {"a": 0.5, "b": 0.5})
    assert model.adapters["new"].config.dropout == 0.1


@pytest.mark.parametrize(
    ("configs", "told"),
    [
        (("seq_bn", "lora"), "'bottleneck' and 'b' of kind 'lora'"),
        (("seq_bn", "seq_bn[reduction_factor=8]"), "reduction_factor is 16"),
        (("lora", "lora[alpha=4.0]"), "alpha is 8.0 in one and 4.0"),
        (("lora", "rslora"), "use_rslora"),
        (("mam", "unipelt"), "parts"),
    ],
)
def test_adapters_that_are_not_alike_are_refused(with_adapters, configs, told):
    model = with_adapters(*configs)
    with pytest.raises(ConfigError, match=told):
        model.average_adapters("new", {"a": 0.5, "b": 0.5})
    assert "new" not in model.adapters


@pytest.mark.parametrize(
    ("config", "shares", "told"),
    [
        ("lora", {"a": 1.5, "b": -0.5}, "negate_b"),
        ("dora", {"a": 0.5, "b": 0.6}, "add up to 1, not 1.1"),
        ("prefix_tuning", {"a": 1.0, "b": 1.0}, "add up to 1, not 2"),
        ("prompt_tuning", {"a": 1.0, "b": -1.0}, "add up to 1, not 0"),
        ("loreft", {"a": 0.5, "b": 0.5}, "right angles"),
        ("noreft", {"a": 1.5, "b": -0.5}, "sign"),
        ("mam", {"a": 1.0, "b": 1.0}, "add up to 1"),
    ],
)
def test_sums_without_meaning_are_refused_with_the_reason(with_adapters, config, shares, told):
    model = with_adapters(config)
    with pytest.raises(ConfigError, match=told):
        model.average_adapters("new", shares)
    assert "new" not in model.adapters


@pytest.mark.parametrize(
    "shares",
    [
        {},
        None,
        ["a"],
        "a",
        {"a": "1"},
        {"a": True},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": 1e30},
    ],
)
def test_shares_that_are_no_numbers_are_refused(with_adapters, shares):
    with pytest.raises(ConfigError, match="share"):
        with_adapters("seq_bn").average_adapters("new", shares)


def test_shares_that_cancel_cannot_be_normalised(with_adapters):
    with pytest.raises(ConfigError, match="add up to 0"):
        with_adapters("seq_bn").average_adapters(
            "new", {"a": 0.1 + 0.2, "b": -0.3}, normalize_weights=True
        )


def test_names_are_checked_before_anything_is_computed(with_adapters):
    model = with_adapters("seq_bn")
    with pytest.raises(UnknownAdapterError):
        model.average_adapters("new", {"a": 0.5, "missing": 0.5})
    with pytest.raises(NameTakenError):
        model.average_adapters("a", {"a": 0.5, "b": 0.5})
    with pytest.raises(ConfigError, match="no way to merge"):
        model.average_adapters("new", {"a": 0.5, "b": 0.5}, strategy="ties")
    with pytest.raises(ConfigError, match="rank"):
        model.average_adapters("new", {"a": 0.5, "b": 0.5}, rank=4)
    assert set(model.adapters) == {"a", "b"}


def test_weights_that_become_infinite_are_refused(with_adapters):
    model = with_adapters("seq_bn")
    with torch.no_grad():
        for weight in model.adapters["a"].parameters():
            weight.fill_(3e38)
    with pytest.raises(ConfigError, match="not finite"):
        model.average_adapters("new", {"a": 2.0, "b": 1.0})
    assert "new" not in model.adapters


def test_random_numbers_are_left_as_they_are(with_adapters):
    model = with_adapters("seq_bn")
    state = torch.random.get_rng_state()
    model.average_adapters("new", {"a": 0.5, "b": 0.5})
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.fixture
def with_heads(tiny_model, shake):
    def make(*configs):
        for number, config in enumerate(configs):
            tiny_model.add_head("abc"[number], config, adapter=None)
            shake(tiny_model.heads["abc"[number]], seed=number)
        return tiny_model

    return make


def test_heads_are_added_up_too(with_heads, three_labels):
    model = with_heads(three_labels, three_labels)
    model.average_heads("new", {"a": 0.5, "b": 0.5})
    found, one, other = (
        model(input_ids=IDS, head=name, adapter_names=None).logits for name in ("new", "a", "b")
    )
    torch.testing.assert_close(found, (one + other) / 2)  # it has one linear layer


def test_heads_with_other_labels_or_another_order_are_refused(with_heads):
    model = with_heads(
        ClassificationHeadConfig(labels=("bad", "good")),
        ClassificationHeadConfig(labels=("good", "bad")),
        TaggingHeadConfig(labels=("O", "B")),
    )
    with pytest.raises(ConfigError, match="same order"):
        model.average_heads("new", {"a": 0.5, "b": 0.5})
    with pytest.raises(ConfigError, match="kind 'tagging'"):
        model.average_heads("new", {"a": 0.5, "c": 0.5})
    with pytest.raises(UnknownHeadError):
        model.average_heads("new", {"a": 0.5, "missing": 0.5})
    assert set(model.heads) == {"a", "b", "c"}


def test_the_documented_names_take_lists_and_mappings(with_adapters, with_heads, two_labels):
    model = with_adapters("seq_bn")
    with_heads(two_labels, two_labels)
    model.average_adapter("x", ["a", "b"])
    model.average_adapter("y", ["a", "b"], weights=[2, 2])
    model.average_adapter("z", {"a": 1, "b": 1})
    model.average_head("x", ["a", "b"], weights=[3.0, 3.0])
    model.average_head("y", {"a": 0.5, "b": 0.5}, normalize_weights=False)
    for name in ("y", "z"):
        for found, expected in zip(
            *(each.values() for each in states(model, "x", name)), strict=True
        ):
            torch.testing.assert_close(found, expected)
    for found, expected in zip(
        model.heads["x"].parameters(), model.heads["y"].parameters(), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_the_documented_name_replaces_where_asked_for(with_adapters):
    model = with_adapters("seq_bn")
    expected = {key: value.clone() for key, value in states(model, "b")[0].items()}
    model.average_adapter("a", ["b"], overwrite_ok=True)
    assert all(torch.equal(value, expected[key]) for key, value in states(model, "a")[0].items())
    with pytest.raises(NameTakenError):
        model.average_adapter("a", ["b"])


def test_a_failed_replacement_leaves_the_old_one(with_adapters):
    model = with_adapters("seq_bn", "lora")
    with pytest.raises(ConfigError, match="kind"):
        model.average_adapter("a", ["a", "b"], overwrite_ok=True)
    assert set(model.adapters) == {"a", "b"}


@pytest.mark.parametrize(
    ("listed", "weights"),
    [
        ("ab", None),
        ([], None),
        (["a", "a"], None),
        (["a", "b"], [1.0]),
        ({"a": 1.0}, [1.0]),
        ([1], None),
    ],
)
def test_lists_that_do_not_go_together_are_refused(with_adapters, listed, weights):
    with pytest.raises(ConfigError):
        with_adapters("seq_bn").average_adapter("new", listed, weights)


def test_no_adapter_is_made_active(with_adapters):
    with pytest.raises(ConfigError, match="adapter_names='new'"):
        with_adapters("seq_bn").average_adapter("new", ["a", "b"], set_active=True)


def test_an_adapter_in_use_by_a_task_is_not_replaced(with_adapters, two_labels):
    model = with_adapters("seq_bn")
    model.add_task("mood", head=two_labels)
    with pytest.raises(InputError, match="used by the task"):
        model.average_adapter("mood", ["a", "b"], overwrite_ok=True)


class _CountConfig(AdapterConfig):
    """Of an adapter with a number that is no weight."""


class _Counting(Adapter):
    kind = "counting"
    Config = _CountConfig

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.register_buffer("steps", torch.zeros(1, dtype=torch.int64))

    def taps(self, layer):
        del layer
        return LayerTaps()


def test_whole_numbers_are_kept_where_they_are_equal_and_never_added_up(tiny_model):
    parts = {name: _Counting(_CountConfig(), tiny_model.shape) for name in "ab"}
    assert weighted_sum(parts, {"a": 0.5, "b": 0.5}, "adapter")["steps"] == 0
    parts["b"].steps += 1
    with pytest.raises(ConfigError, match="steps differs"):
        weighted_sum(parts, {"a": 0.5, "b": 0.5}, "adapter")
