import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.adapters import LoraConfig
from polyhead.adapters.lora.config import PRESETS
from polyhead.contracts import PROJECTIONS, EncoderShape, validate_config
from polyhead.errors import ConfigError
from polyhead.registry import registry

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)


def configured(**fields):
    return validate_config(LoraConfig, fields, "adapter kind 'lora'")


def test_fields_default_as_in_the_adapters_library():
    assert LoraConfig().model_dump() == {
        "r": 8,
        "alpha": 8.0,
        "modules": ("q", "v"),
        "rank_pattern": {},
        "alpha_pattern": {},
        "use_rslora": False,
        "use_dora": False,
        "dropout": 0.0,
        "use_gating": False,
        "leave_out": (),
        "lora_bias": False,
        "init_weights": "lora",
        "init_weights_seed": None,
    }


def test_presets_are_the_three_of_the_papers():
    assert dict(PRESETS) == {
        "lora": LoraConfig(),
        "rslora": LoraConfig(use_rslora=True),
        "dora": LoraConfig(use_dora=True),
    }
    assert registry().adapter_config("dora[r=4]") == LoraConfig(r=4, use_dora=True)


def test_modules_are_in_the_encoders_order_and_each_is_named_once():
    config = registry().adapter_config("lora[modules=(lin2,v,q,v),leave_out=[2,0,2]]")
    assert config.modules == ("q", "v", "lin2")
    assert config.leave_out == (0, 2)


def test_every_field_survives_json_and_config_strings():
    config = configured(
        r=4,
        alpha=2,
        modules=PROJECTIONS,
        rank_pattern={"q": 2, "2.lin1": 16},
        alpha_pattern={"0.out": 1.5},
        use_rslora=True,
        dropout=0.1,
        leave_out=(1,),
        lora_bias=True,
        init_weights="bert",
        init_weights_seed=3,
    )
    assert LoraConfig.model_validate_json(config.model_dump_json()) == config
    fields = ",".join(f"{name}={value!r}" for name, value in config.model_dump().items())
    assert registry().adapter_config(f"lora[{fields}]") == config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"r": 0}, "r: Input should be greater than or equal to 1"),
        ({"r": 5_000}, "r: Input should be less than or equal to 4096"),
        ({"r": True}, "r: Input should be a valid integer"),
        ({"r": 2.5}, "r: Input should be a valid integer"),
        ({"alpha": 0}, "alpha: Input should be greater than 0"),
        ({"alpha": float("nan")}, "alpha: Input should be a finite number"),
        ({"alpha": float("inf")}, "alpha: Input should be a finite number"),
        ({"alpha": True}, "alpha: Input should be a valid number"),
        ({"modules": ()}, "modules: Tuple should have at least 1 item"),
        ({"modules": ("q", "query")}, "modules.1: Input should be 'q', 'k', 'v', 'out', 'lin1' or"),
        ({"modules": "q"}, "modules: Input should be a valid tuple"),
        ({"rank_pattern": {"q": 10**9}}, "rank_pattern.q: Input should be less than or equal to"),
        ({"rank_pattern": {"q": 0}}, "rank_pattern.q: Input should be greater than or equal to 1"),
        ({"rank_pattern": {"query": 2}}, "rank_pattern: 'query' is neither a site, such as 'q', "),
        ({"rank_pattern": {"01.q": 2}}, "rank_pattern: '01.q' is neither a site"),
        ({"rank_pattern": {"-1.q": 2}}, "rank_pattern: '-1.q' is neither a site"),
        ({"rank_pattern": {"q" * 99: 2}}, "rank_pattern: 'qqqqqqqqqq"),
        ({"rank_pattern": {"1" * 5000 + ".q": 2}}, "rank_pattern: '1111"),
        ({"rank_pattern": {"k": 2}}, "rank_pattern names 'k', and k is not among the modules"),
        (
            {"alpha_pattern": {"2.k": 2}},
            "alpha_pattern names '2.k', and k is not among the modules",
        ),
        (
            {"rank_pattern": {"1.q": 2}, "leave_out": (1,)},
            "rank_pattern names '1.q', a layer of leave_out",
        ),
        (
            {"alpha_pattern": {"q": float("nan")}},
            "alpha_pattern.q: Input should be a finite number",
        ),
        ({"dropout": 1.0}, "dropout: Input should be less than 1"),
        ({"dropout": float("nan")}, "dropout: Input should be a finite number"),
        ({"leave_out": (-1,)}, "leave_out.0: Input should be greater than or equal to 0"),
        ({"init_weights": "ia3"}, "init_weights: Input should be 'lora' or 'bert'"),
        ({"init_weights_seed": -1}, "init_weights_seed: Input should be greater than or equal to"),
        ({"use_dora": True, "use_gating": True}, "use_dora and use_gating do not go together: "),
        ({"use_dora": True, "lora_bias": True}, "use_dora and lora_bias do not go together: "),
        ({"use_gating": True, "use_rslora": True}, "use_gating and use_rslora do not go together"),
        (
            {"use_gating": True, "alpha_pattern": {"q": 2.0}},
            "use_gating and alpha_pattern do not go together",
        ),
        ({"rank": 4}, "unknown field 'rank'"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_in_one_line(fields, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        configured(**fields)
    assert "\n" not in str(caught.value)
    assert "Value error" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"leave_out": (1, 3)}, "leave_out names layer 3; the encoder has the layers 0 to 2."),
        ({"leave_out": (0, 1, 2)}, "leave_out names all 3 layers; leave at least one."),
        (
            {"rank_pattern": {"q": 2, "3.q": 4}},
            "rank_pattern names layer 3; the encoder has the layers 0 to 2.",
        ),
        (
            {"alpha_pattern": {"9.v": 4.0}},
            "alpha_pattern names layer 9; the encoder has the layers 0 to 2.",
        ),
    ],
)
def test_a_config_that_does_not_fit_the_encoder_is_refused(fields, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        configured(**fields).layers(SHAPE)


def test_layers_are_those_that_are_not_left_out():
    assert configured(leave_out=(1,)).layers(SHAPE) == [0, 2]


def test_the_more_specific_rank_and_alpha_win_and_each_for_itself():
    config = configured(
        r=8,
        alpha=16,
        rank_pattern={"q": 4, "1.q": 2},
        alpha_pattern={"1.q": 6.0, "v": 4.0},
    )
    assert [config.rank(layer, "q") for layer in range(3)] == [4, 2, 4]
    assert [config.rank(layer, "v") for layer in range(3)] == [8, 8, 8]
    assert [config.scale(layer, "q") for layer in range(3)] == [4.0, 3.0, 4.0]
    assert [config.scale(layer, "v") for layer in range(3)] == [0.5, 0.5, 0.5]


@given(rank=st.integers(1, 4096), alpha=st.floats(0.01, 1e4), of_site=st.booleans())
def test_the_factor_is_alpha_over_the_rank_or_its_root(rank, alpha, of_site):
    fields = {"rank_pattern": {"q": rank}} if of_site else {"r": rank}
    plain = configured(alpha=alpha, **fields)
    rooted = configured(alpha=alpha, use_rslora=True, **fields)
    assert plain.scale(0, "q") == pytest.approx(alpha / rank)
    assert rooted.scale(0, "q") == pytest.approx(alpha / rank**0.5)


def test_every_field_has_a_description_and_the_schema_can_be_printed():
    schema = LoraConfig.model_json_schema()
    assert json.dumps(schema)
    assert set(schema["properties"]) == set(LoraConfig.model_fields)
    assert all(field["description"] for field in schema["properties"].values())
