import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.adapters import BottleneckConfig
from polyhead.adapters.bottleneck.presets import PRESETS
from polyhead.contracts import ACTIVATIONS, EncoderShape, validate_config
from polyhead.errors import ConfigError
from polyhead.registry import registry

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)
LEAST = {
    "mh_adapter": False,
    "output_adapter": True,
    "reduction_factor": 16,
    "non_linearity": "relu",
}


def configured(**fields):
    return validate_config(BottleneckConfig, {**LEAST, **fields}, "adapter kind 'bottleneck'")


def test_the_four_fields_that_tell_adapters_apart_must_be_given():
    with pytest.raises(ConfigError) as caught:
        validate_config(BottleneckConfig, {}, "adapter kind 'bottleneck'")
    for field in LEAST:
        assert f"field {field!r} is missing" in str(caught.value)


def test_other_fields_default_as_in_the_adapters_library():
    config = configured()
    assert config.model_dump(exclude=set(LEAST)) == {
        "original_ln_before": False,
        "original_ln_after": True,
        "ln_before": False,
        "ln_after": False,
        "init_weights": "bert",
        "init_weights_seed": None,
        "is_parallel": False,
        "scaling": 1.0,
        "use_gating": False,
        "residual_before_ln": True,
        "adapter_residual_before_ln": False,
        "leave_out": (),
        "dropout": 0.0,
        "stochastic_depth": 0.0,
        "inv_adapter": None,
        "inv_adapter_reduction_factor": None,
        "phm_layer": False,
        "phm_dim": 4,
        "factorized_phm_W": True,
        "shared_W_phm": False,
        "shared_phm_rule": True,
        "factorized_phm_rule": False,
        "phm_c_init": "normal",
        "phm_init_range": 0.0001,
        "learn_phm": True,
        "hypercomplex_nonlinearity": "glorot-uniform",
        "phm_rank": 1,
        "phm_bias": True,
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "seq_bn",
            {"mh_adapter": False, "reduction_factor": 16, "non_linearity": "relu"}
            | {"original_ln_before": True, "is_parallel": False, "init_weights": "bert"},
        ),
        (
            "double_seq_bn",
            {"mh_adapter": True, "reduction_factor": 16, "non_linearity": "swish"}
            | {"original_ln_before": False, "is_parallel": False, "init_weights": "bert"},
        ),
        (
            "par_bn",
            {"mh_adapter": False, "reduction_factor": 2, "non_linearity": "relu"}
            | {"is_parallel": True, "init_weights": "mam_adapter", "scaling": 4.0},
        ),
        (
            "scaled_par_bn",
            {"mh_adapter": False, "reduction_factor": 2, "non_linearity": "relu"}
            | {"is_parallel": True, "init_weights": "mam_adapter", "scaling": "learned"},
        ),
        (
            "seq_bn_inv",
            {"mh_adapter": False, "reduction_factor": 16, "original_ln_before": True}
            | {"inv_adapter": "nice", "inv_adapter_reduction_factor": 2},
        ),
        (
            "double_seq_bn_inv",
            {"mh_adapter": True, "reduction_factor": 16, "original_ln_before": False}
            | {"inv_adapter": "nice", "inv_adapter_reduction_factor": 2},
        ),
        (
            "compacter",
            {"mh_adapter": True, "reduction_factor": 32, "non_linearity": "gelu"}
            | {"phm_layer": True, "phm_dim": 4, "original_ln_before": False},
        ),
        (
            "compacter++",
            {"mh_adapter": False, "reduction_factor": 32, "non_linearity": "gelu"}
            | {"phm_layer": True, "phm_dim": 4, "original_ln_before": True},
        ),
        (
            "adapter_plus",
            {"mh_adapter": False, "reduction_factor": 96, "non_linearity": "gelu"}
            | {"original_ln_before": True, "residual_before_ln": False, "scaling": "channel"}
            | {"init_weights": "houlsby", "stochastic_depth": 0.1},
        ),
    ],
)
def test_presets_are_those_of_the_adapters_library(name, expected):
    config = registry().adapter_config(name)
    assert config.model_dump(include=set(expected)) == expected
    assert config.output_adapter
    assert config.original_ln_after == (name != "adapter_plus")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pfeiffer", "seq_bn"),
        ("houlsby", "double_seq_bn"),
        ("parallel", "par_bn"),
        ("scaled_parallel", "scaled_par_bn"),
        ("pfeiffer+inv", "seq_bn_inv"),
        ("houlsby+inv", "double_seq_bn_inv"),
    ],
)
def test_old_names_mean_the_same_as_new_ones(old, new):
    assert registry().adapter_config(old) == registry().adapter_config(new)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name):
    config = PRESETS[name]
    assert BottleneckConfig.model_validate_json(config.model_dump_json()) == config
    assert BottleneckConfig.model_validate(json.loads(config.model_dump_json())) == config


def test_every_field_set_survives_json():
    config = configured(
        mh_adapter=True,
        reduction_factor={"0": 4, "2": 0.5, "default": 16},
        original_ln_before=True,
        ln_before=True,
        ln_after=True,
        init_weights="houlsby",
        init_weights_seed=0,
        scaling="channel",
        use_gating=True,
        residual_before_ln="post_add",
        adapter_residual_before_ln=True,
        leave_out=(1,),
        dropout=0.25,
        stochastic_depth=0.5,
        inv_adapter="glow",
        inv_adapter_reduction_factor=1.5,
    )
    again = BottleneckConfig.model_validate_json(config.model_dump_json())
    assert again == config
    assert again.residual_before_ln == "post_add"
    assert again.scaling == "channel"


def test_a_config_string_changes_the_fields_it_names_and_no_other():
    config = registry().adapter_config("seq_bn[reduction_factor=8, dropout=0.1]")
    changed = {"reduction_factor": 8.0, "dropout": 0.1}
    assert config.model_dump() == {**PRESETS["seq_bn"].model_dump(), **changed}


def test_a_name_with_a_plus_can_be_configured_by_a_string():
    config = registry().adapter_config("compacter++[phm_dim=2, hypercomplex_nonlinearity=normal]")
    changed = {"phm_dim": 2, "hypercomplex_nonlinearity": "normal"}
    assert config == PRESETS["compacter++"].model_copy(update=changed)


def test_a_config_string_takes_lists_maps_words_and_none():
    config = registry().adapter_config(
        "double_seq_bn[leave_out=[2, 0], reduction_factor={0: 4, 'default': 16}, scaling=learned,"
        "residual_before_ln=true, init_weights_seed=none]"
    )
    assert config.leave_out == (0, 2)
    assert config.reduction_factor == {"0": 4.0, "default": 16.0}
    assert config.scaling == "learned"
    assert config.residual_before_ln is True
    assert config.init_weights_seed is None


def test_the_kind_itself_can_be_configured_by_a_string():
    config = registry().adapter_config(
        "bottleneck[mh_adapter=true,output_adapter=false,reduction_factor=4,non_linearity=gelu]"
    )
    assert config == configured(
        mh_adapter=True, output_adapter=False, reduction_factor=4, non_linearity="gelu"
    )


@pytest.mark.parametrize("name", ["gelu", "GELU", "Swish", "leakyrelu"])
def test_activations_are_known_by_name_in_any_case(name):
    assert configured(non_linearity=name).non_linearity in ACTIVATIONS


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"output_adapter": False}, "at least one of mh_adapter and output_adapter"),
        ({"reduction_factor": 0}, "reduction_factor: give a number greater than 0"),
        ({"reduction_factor": -2}, "reduction_factor: give a number greater than 0"),
        ({"reduction_factor": True}, "reduction_factor: give a number greater than 0"),
        ({"reduction_factor": "16"}, "reduction_factor: give a number greater than 0"),
        ({"reduction_factor": float("nan")}, "reduction_factor: give a number greater than 0"),
        ({"reduction_factor": {}}, "reduction_factor: keys are layer numbers"),
        ({"reduction_factor": {"one": 2}}, "reduction_factor: keys are layer numbers"),
        ({"reduction_factor": {"-1": 2}}, "reduction_factor: keys are layer numbers"),
        ({"reduction_factor": {"01": 2}}, "reduction_factor: keys are layer numbers"),
        ({"reduction_factor": {"1": 0}}, "reduction_factor: every factor is a number greater"),
        ({"reduction_factor": {"1": "2"}}, "reduction_factor: every factor is a number greater"),
        ({"non_linearity": "reluu"}, "non_linearity: unknown activation; known: gelu"),
        ({"init_weights": "xavier"}, "init_weights: Input should be 'bert', 'mam_adapter' or"),
        (
            {"init_weights_seed": -1},
            "init_weights_seed: Input should be greater than or equal to 0",
        ),
        ({"scaling": "chanel"}, "scaling: give a number, 'learned' or 'channel'"),
        ({"scaling": float("inf")}, "scaling: give a number, 'learned' or 'channel'"),
        ({"scaling": True}, "scaling: give a number, 'learned' or 'channel'"),
        ({"residual_before_ln": "post"}, "residual_before_ln: give true, false or 'post_add'"),
        ({"leave_out": [-1]}, "leave_out.0: Input should be greater than or equal to 0"),
        ({"leave_out": [True]}, "leave_out.0: Input should be a valid integer"),
        ({"dropout": 1.0}, "dropout: Input should be less than 1"),
        ({"dropout": -0.1}, "dropout: Input should be greater than or equal to 0"),
        ({"residual_before_ln": "post_add"}, "residual_before_ln='post_add' needs original_ln_bef"),
        ({"adapter_residual_before_ln": True}, "adapter_residual_before_ln needs ln_after"),
        (
            {"is_parallel": True, "original_ln_before": True},
            "original_ln_before cannot be changed where is_parallel is true",
        ),
        (
            {"is_parallel": True, "residual_before_ln": False},
            "residual_before_ln cannot be changed where is_parallel is true",
        ),
        (
            {"is_parallel": True, "ln_after": True, "adapter_residual_before_ln": True},
            "adapter_residual_before_ln cannot be changed where is_parallel is true",
        ),
        ({"reduction_facto": 8}, "unknown field 'reduction_facto'"),
        ({"stochastic_depth": 1.0}, "stochastic_depth: Input should be less than 1"),
        ({"inv_adapter": "realnvp"}, "inv_adapter: Input should be 'nice' or 'glow'"),
        (
            {"inv_adapter": "nice"},
            "inv_adapter needs inv_adapter_reduction_factor",
        ),
        (
            {"inv_adapter_reduction_factor": 2},
            "inv_adapter_reduction_factor needs inv_adapter, 'nice' or 'glow'",
        ),
        (
            {"inv_adapter": "nice", "inv_adapter_reduction_factor": 0},
            "inv_adapter_reduction_factor: Input should be greater than 0",
        ),
        ({"phm_dim": 2}, "phm_dim cannot be changed without phm_layer"),
        (
            {"shared_W_phm": True, "phm_bias": False},
            "shared_W_phm and phm_bias cannot be changed without phm_layer",
        ),
        ({"phm_layer": True, "phm_dim": 0}, "phm_dim: Input should be greater than or equal to 1"),
        ({"phm_layer": True, "phm_dim": 10**9}, "phm_dim: Input should be less than or equal to"),
        ({"phm_layer": True, "phm_rank": 10**9}, "phm_rank: Input should be less than or equal to"),
        (
            {"phm_layer": True, "phm_rank": 2, "factorized_phm_W": False},
            "phm_rank cannot be changed without factorized_phm_W",
        ),
        (
            {"phm_layer": True, "hypercomplex_nonlinearity": "phm"},
            "hypercomplex_nonlinearity: Input should be 'glorot-uniform', 'glorot-normal' or",
        ),
        (
            {"phm_layer": True, "init_weights": "houlsby"},
            "init_weights='houlsby' has no meaning where phm_layer is true",
        ),
        ({"cross_adapter": True}, "unknown field 'cross_adapter'"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_in_one_line(fields, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        configured(**fields)
    assert "\n" not in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_an_unknown_field_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"fields of adapter preset 'seq_bn' are: mh_adapter, "):
        registry().adapter_config("seq_bn[reduction=8]")


@pytest.mark.parametrize(
    ("width", "factor", "expected"),
    [(768, 16, 48), (768, 7, 109), (768, 0.5, 1536), (768, 1000, 1), (32, 3, 10), (384, 16, 24)],
)
def test_the_bottleneck_is_the_width_divided_by_the_factor_and_at_least_one(
    width, factor, expected
):
    shape = SHAPE.model_copy(update={"width": width})
    assert configured(reduction_factor=factor).widths(shape) == dict.fromkeys(range(3), expected)


@given(
    factors=st.dictionaries(st.integers(0, 2), st.floats(0.5, 64), max_size=3),
    left_out=st.sets(st.integers(0, 2), max_size=2),
)
def test_each_layer_has_the_factor_of_its_number_or_the_default(factors, left_out):
    config = configured(
        reduction_factor={**factors, "default": 2},
        leave_out=tuple(left_out),
    )
    assert config.widths(SHAPE) == {
        layer: max(1, int(32 // factors.get(layer, 2))) for layer in {0, 1, 2} - left_out
    }


@pytest.mark.parametrize(("factor", "expected"), [(2, 8), (3, 5), (0.5, 32), (1000, 1)])
def test_the_networks_of_an_invertible_adapter_are_half_the_width_divided(factor, expected):
    config = configured(inv_adapter="nice", inv_adapter_reduction_factor=factor)
    assert config.inverse_width(16) == expected


def test_an_absurd_invertible_adapter_is_refused():
    config = configured(inv_adapter="nice", inv_adapter_reduction_factor=1e-9)
    with pytest.raises(ConfigError, match=r"makes a network of width 16,000,000,000; the most is"):
        config.inverse_width(16)


def test_a_layer_left_out_needs_no_factor():
    config = configured(reduction_factor={"0": 4, "1": 8}, leave_out=(2,))
    assert config.widths(SHAPE) == {0: 8, 1: 4}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"leave_out": (1, 3)}, "leave_out names layer 3; the encoder has the layers 0 to 2."),
        (
            {"reduction_factor": {"7": 2, "default": 4}},
            "reduction_factor names layer 7; the encoder has the layers 0 to 2.",
        ),
        (
            {"reduction_factor": {"0": 2, "2": 4}},
            "reduction_factor has no entry for layer 1; add one, or a 'default'.",
        ),
        ({"leave_out": (0, 1, 2)}, "leave_out names all 3 layers; leave at least one."),
        (
            {"reduction_factor": 1e-6},
            "makes a bottleneck of width 32,000,000; the most is 65,536.",
        ),
        ({"reduction_factor": 5e-324}, "reduction_factor 5e-324 makes a bottleneck of width inf"),
        (
            {"phm_layer": True, "reduction_factor": 2, "phm_dim": 5},
            "phm_dim 5 must divide all widths, and the encoder has the width 32;",
        ),
        (
            {"phm_layer": True, "reduction_factor": {"1": 5, "default": 2}},
            "phm_dim 4 must divide all widths, and the bottleneck of layer 1 has 6;",
        ),
        (
            {"phm_layer": True, "shared_W_phm": True, "reduction_factor": {"1": 4, "default": 2}},
            "shared_W_phm needs bottlenecks of one width",
        ),
    ],
)
def test_a_config_that_does_not_fit_the_encoder_is_refused(fields, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        configured(**fields).widths(SHAPE)


def test_every_field_has_a_description_and_the_schema_can_be_printed():
    schema = BottleneckConfig.model_json_schema()
    assert set(schema["properties"]) == set(BottleneckConfig.model_fields)
    assert all(field["description"] for field in schema["properties"].values())


def test_presets_differ_from_each_other():
    distinct = {config.model_dump_json() for config in PRESETS.values()}
    assert len(distinct) == 9
    for one, other in itertools.combinations(distinct, 2):
        assert one != other
