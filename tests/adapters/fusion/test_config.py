import re

import pytest

from polyhead.adapters import FusionConfig
from polyhead.contracts import EncoderShape, validate_config
from polyhead.errors import ConfigError
from polyhead.registry import registry

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)
DYNAMIC = {
    "key": True,
    "query": True,
    "value": True,
    "query_before_ln": False,
    "regularization": True,
    "residual_before": False,
    "temperature": False,
    "value_before_softmax": True,
    "value_initialized": True,
    "dropout_prob": None,
}
STATIC = DYNAMIC | {"value": False, "regularization": False, "value_initialized": False}


def configured(**fields):
    return validate_config(FusionConfig, {"adapters": ("a", "b")} | fields, "adapter kind 'fusion'")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (FusionConfig(adapters=("a", "b")), DYNAMIC),
        (FusionConfig.dynamic("a", "b"), DYNAMIC),
        (FusionConfig.static("a", "b"), STATIC),
        (FusionConfig.dynamic("a", "b", temperature=True), DYNAMIC | {"temperature": True}),
        (FusionConfig.static("a", "b", dropout_prob=0.2), STATIC | {"dropout_prob": 0.2}),
    ],
)
def test_the_two_forms_are_those_of_the_adapters_library(config, expected):
    assert config.model_dump(include=set(expected)) == expected
    assert config.adapters == ("a", "b")


def test_a_config_string_names_the_adapters():
    config = registry().adapter_config(
        "fusion[adapters=[a, b],sites=[ffn,attention],leave_out=[2,0]]"
    )
    assert config == configured(sites=("attention", "ffn"), leave_out=(0, 2))


def test_every_field_survives_json():
    config = configured(
        adapters=("b", "a", "c"),
        sites=("ffn", "attention"),
        leave_out=(1,),
        **DYNAMIC | {"key": False, "temperature": True, "dropout_prob": 0.0},
    )
    assert FusionConfig.model_validate_json(config.model_dump_json()) == config
    assert config.adapters == ("b", "a", "c")


@pytest.mark.parametrize(("given", "expected"), [(None, 0.1), (0.0, 0.0), (0.3, 0.3)])
def test_dropout_is_a_tenth_unless_it_is_given(given, expected):
    assert configured(dropout_prob=given).dropout == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"adapters": ()}, "adapters: name at least two adapters: of one there is nothing to"),
        ({"adapters": ("a",)}, "adapters: name at least two adapters"),
        ({"adapters": ("a", "b", "a")}, "adapters: name each adapter once"),
        ({"adapters": ("a", "")}, "adapters.1: String should have at least 1 character"),
        ({"adapters": "a,b"}, "adapters: Input should be a valid tuple"),
        ({"sites": ()}, "sites: Tuple should have at least 1 item"),
        ({"sites": ("q",)}, "sites.0: Input should be 'attention' or 'ffn'"),
        ({"leave_out": (-1,)}, "leave_out.0: Input should be greater than or equal to 0"),
        ({"dropout_prob": 1}, "dropout_prob: Input should be less than 1"),
        ({"value": False}, "regularization and value_initialized need value"),
        (
            STATIC | {"key": False, "query": False},
            "at least one of key, query and value must be true",
        ),
        ({"values": True}, "unknown field 'values'"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_in_one_line(fields, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        configured(**fields)
    assert "\n" not in str(caught.value)


def test_the_adapters_must_be_given():
    with pytest.raises(ConfigError, match="field 'adapters' is missing"):
        registry().adapter_config("fusion")


def test_layers_are_all_but_those_left_out():
    assert configured().layers(SHAPE) == [0, 1, 2]
    assert configured(leave_out=(1,)).layers(SHAPE) == [0, 2]


@pytest.mark.parametrize(
    ("leave_out", "message"),
    [
        ((1, 3), "leave_out names layer 3; the encoder has the layers 0 to 2."),
        ((0, 1, 2), "leave_out names all 3 layers; leave at least one."),
    ],
)
def test_layers_that_are_not_there_are_refused(leave_out, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        configured(leave_out=leave_out).layers(SHAPE)


def test_every_field_has_a_description():
    schema = FusionConfig.model_json_schema()
    assert set(schema["properties"]) == set(FusionConfig.model_fields)
    assert all(field["description"] for field in schema["properties"].values())
