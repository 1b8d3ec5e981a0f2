"""LoRA adapters added up by what they do, and not by their weights."""

import pytest
import torch

from polyhead.contracts import PROJECTIONS
from polyhead.errors import ConfigError

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 8, 3]])
SVD = "lora_delta_w_svd"
NEGATE = "lora_linear_only_negate_b"


@pytest.fixture
def with_loras(tiny_model, shake):
    def make(*configs):
        for number, config in enumerate(configs):
            tiny_model.add_adapter("abc"[number], config)
            shake(tiny_model.adapters["abc"[number]], seed=number)
        return tiny_model

    return make


def hidden(model, name):
    with torch.no_grad():
        return model(input_ids=IDS, adapter_names=name, head=None).last_hidden_state


def delta(model, name, layer, site):
    return model.adapters[name].delta(layer, site)


@pytest.mark.parametrize(
    "config",
    [
        "lora[r=4,alpha=16.0]",
        "rslora[r=4]",
        "lora[r=4,rank_pattern={'q':2,'1.v':6},alpha_pattern={'v':3.0}]",
        "lora[r=4,lora_bias=true,modules=(out,lin1,lin2)]",
        "lora[r=4,leave_out=(1,)]",
    ],
)
@pytest.mark.parametrize("rank", [None, 6, 16, 40])
def test_one_adapter_merged_alone_is_reproduced(with_loras, config, rank):
    model = with_loras(config)
    model.average_adapters("new", {"a": 1.0}, strategy=SVD, rank=rank)
    torch.testing.assert_close(hidden(model, "new"), hidden(model, "a"), atol=1e-5, rtol=1e-5)


def test_without_a_rank_the_whole_sum_is_kept(with_loras):
    model = with_loras("lora[r=2,alpha=3.0]", "rslora[r=3,modules=(k,v)]")
    model.average_adapters("new", {"a": 0.7, "b": -1.3}, strategy=SVD)
    for layer in range(3):
        for site in PROJECTIONS:
            expected = 0.7 * delta(model, "a", layer, site) - 1.3 * delta(model, "b", layer, site)
            torch.testing.assert_close(
                delta(model, "new", layer, site), expected, atol=1e-5, rtol=1e-5
            )
    config = model.adapters["new"].config
    assert (config.r, config.alpha, config.modules) == (5, 5.0, ("q", "k", "v"))


def test_a_lower_rank_gives_the_nearest_of_that_rank(with_loras):
    model = with_loras("lora[r=4]", "lora[r=4]")
    model.average_adapters("new", {"a": 0.5, "b": 0.5}, strategy=SVD, rank=3)
    whole = 0.5 * delta(model, "a", 0, "q") + 0.5 * delta(model, "b", 0, "q")
    left, values, right = torch.linalg.svd(whole)
    nearest = left[:, :3] * values[:3] @ right[:3]
    torch.testing.assert_close(delta(model, "new", 0, "q"), nearest, atol=1e-5, rtol=1e-4)


def test_an_adapter_taken_away_from_itself_leaves_the_bare_encoder(with_loras):
    model = with_loras("lora", "lora")
    model.adapters["b"].load_state_dict(model.adapters["a"].state_dict())
    model.average_adapters("nothing", {"a": 1.0, "b": -1.0}, strategy=SVD)
    torch.testing.assert_close(hidden(model, "nothing"), hidden(model, None), atol=1e-5, rtol=1e-5)


def test_only_b_changes_its_sign(with_loras):
    model = with_loras("lora[lora_bias=true]", "lora[lora_bias=true]")
    model.average_adapters("new", {"a": 1.0, "b": -0.5}, strategy=NEGATE)
    one, other, found = (model.adapters[name].state_dict() for name in ("a", "b", "new"))
    for name, weight in found.items():
        sign = 1 if name.endswith(".down") else -1
        torch.testing.assert_close(weight, one[name] + sign * 0.5 * other[name])


def test_a_negative_share_alone_negates_what_it_does(with_loras):
    model = with_loras("lora")
    model.average_adapters("minus", {"a": -1.0}, strategy=NEGATE)
    model.average_adapters("too", {"a": -1.0}, strategy=SVD)
    for name in ("minus", "too"):
        torch.testing.assert_close(
            delta(model, name, 0, "q"), -delta(model, "a", 0, "q"), atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize(
    ("config", "strategy", "told"),
    [
        ("seq_bn", SVD, "kind 'bottleneck'"),
        ("seq_bn", NEGATE, "kind 'bottleneck'"),
        ("ia3", SVD, "kind 'ia3'"),
        ("dora", SVD, "DoRA"),
        ("lora[use_gating=true]", SVD, "gates"),
    ],
)
def test_other_adapters_have_no_low_rank_sum(with_loras, config, strategy, told):
    model = with_loras(config)
    with pytest.raises(ConfigError, match=told):
        model.average_adapters("new", {"a": 1.0}, strategy=strategy)
    assert "new" not in model.adapters


@pytest.mark.parametrize("rank", [0, -1, 10**9])
def test_ranks_out_of_range_are_refused(with_loras, rank):
    with pytest.raises(ConfigError, match=r"rank|r:"):
        with_loras("lora").average_adapters("new", {"a": 1.0}, strategy=SVD, rank=rank)


def test_the_documented_name_takes_a_rank(with_loras):
    model = with_loras("lora[r=4]", "lora[r=4]")
    model.average_adapter("new", ["a", "b"], [0.5, 0.5], SVD, svd_rank=8)
    assert model.adapters["new"].config.r == 8
    expected = 0.5 * delta(model, "a", 2, "v") + 0.5 * delta(model, "b", 2, "v")
    torch.testing.assert_close(delta(model, "new", 2, "v"), expected, atol=1e-5, rtol=1e-5)
