import pytest

from polyhead.adapters import PrefixConfig
from polyhead.adapters.prefix.config import PRESETS
from polyhead.contracts import EncoderShape, validate_config
from polyhead.errors import ConfigError
from polyhead.registry import registry

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)


def test_fields_default_as_in_the_adapters_library():
    assert PrefixConfig().model_dump() == {
        "prefix_length": 30,
        "bottleneck_size": 512,
        "non_linearity": "tanh",
        "flat": False,
        "dropout": 0.0,
        "use_gating": False,
        "shared_gating": True,
        "leave_out": (),
        "init_weights_seed": None,
    }


def test_presets_are_those_of_the_adapters_library():
    assert registry().adapter_config("prefix_tuning") == PrefixConfig()
    assert registry().adapter_config("prefix_tuning_flat") == PrefixConfig(flat=True)


@pytest.mark.parametrize("config", [*PRESETS.values(), PrefixConfig(leave_out=(2, 0), dropout=0.5)])
def test_a_config_survives_json(config):
    assert PrefixConfig.model_validate_json(config.model_dump_json()) == config


def test_a_config_string_reads_every_field():
    text = (
        "prefix[prefix_length=5,bottleneck_size=8,non_linearity=relu,flat=false,dropout=0.1,"
        "use_gating=true,shared_gating=false,leave_out=[2,0,2],init_weights_seed=3]"
    )
    assert registry().adapter_config(text) == PrefixConfig(
        prefix_length=5,
        bottleneck_size=8,
        non_linearity="relu",
        dropout=0.1,
        use_gating=True,
        shared_gating=False,
        leave_out=(0, 2),
        init_weights_seed=3,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prefix_length", 0),
        ("prefix_length", 10**9),
        ("prefix_length", 2.5),
        ("prefix_length", True),
        ("prefix_length", "3"),
        ("bottleneck_size", 0),
        ("bottleneck_size", 10**9),
        ("non_linearity", "tan"),
        ("flat", "perhaps"),
        ("dropout", -0.1),
        ("dropout", 1.0),
        ("dropout", float("nan")),
        ("use_gating", None),
        ("shared_gating", 7),
        ("leave_out", (-1,)),
        ("leave_out", ("1",)),
        ("leave_out", 3),
        ("init_weights_seed", -1),
        ("init_weights_seed", 2**63),
        ("no_such_field", 1),
    ],
)
def test_a_bad_value_is_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field) as caught:
        validate_config(PrefixConfig, {field: value}, "adapter kind 'prefix'")
    assert "\n" not in str(caught.value)


def test_gates_of_their_own_need_gates():
    with pytest.raises(ConfigError, match="shared_gating=False needs use_gating"):
        validate_config(PrefixConfig, {"shared_gating": False}, "adapter kind 'prefix'")


def test_layers_are_those_that_are_not_left_out():
    assert PrefixConfig(leave_out=(1,)).layers(SHAPE) == [0, 2]


@pytest.mark.parametrize(
    ("leave_out", "message"), [((3,), "leave_out names layer 3"), ((0, 1, 2), "all 3 layers")]
)
def test_layers_that_do_not_fit_the_encoder_are_refused(leave_out, message):
    with pytest.raises(ConfigError, match=message):
        PrefixConfig(leave_out=leave_out).layers(SHAPE)
