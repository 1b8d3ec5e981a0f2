import json
import re

import pytest

from polyhead.adapters import Ia3Adapter, Ia3Config
from polyhead.adapters.ia3.config import PRESETS
from polyhead.contracts import EncoderShape, validate_config
from polyhead.errors import ConfigError
from polyhead.registry import registry

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=48, max_positions=64, vocab_size=100
)


def configured(**fields):
    return validate_config(Ia3Config, fields, "adapter kind 'ia3'")


def test_it_scales_keys_values_and_the_inner_activations_as_the_paper_does():
    assert PRESETS["ia3"] == Ia3Config()
    assert Ia3Config().model_dump() == {
        "outputs": ("k", "v"),
        "inputs": ("lin2",),
        "use_gating": False,
        "leave_out": (),
    }


def test_sites_are_in_the_encoders_order_and_each_is_named_once():
    config = registry().adapter_config("ia3[outputs=(lin1,v,k,v),inputs=[],leave_out=[2,0,2]]")
    assert config == configured(outputs=("k", "v", "lin1"), inputs=(), leave_out=(0, 2))
    assert Ia3Config.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"outputs": (), "inputs": ()}, "outputs and inputs are both empty; name at least one"),
        ({"outputs": ("key",)}, "outputs.0: Input should be 'q', 'k', 'v', 'out', 'lin1' or"),
        ({"inputs": ("inner",)}, "inputs.0: Input should be 'q', 'k', 'v', 'out', 'lin1' or"),
        ({"leave_out": (True,)}, "leave_out.0: Input should be a valid integer"),
        ({"leave_out": (-1,)}, "leave_out.0: Input should be greater than or equal to 0"),
        ({"r": 1}, "unknown field 'r'"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_in_one_line(fields, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        configured(**fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("leave_out", "message"),
    [
        ((3,), "leave_out names layer 3; the encoder has the layers 0 to 2."),
        ((0, 1, 2), "leave_out names all 3 layers; leave at least one."),
    ],
)
def test_a_config_that_does_not_fit_the_encoder_is_refused(leave_out, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        Ia3Adapter(configured(leave_out=leave_out), SHAPE)


def test_every_field_has_a_description_and_the_schema_can_be_printed():
    schema = Ia3Config.model_json_schema()
    assert json.dumps(schema)
    assert set(schema["properties"]) == set(Ia3Config.model_fields)
    assert all(field["description"] for field in schema["properties"].values())
