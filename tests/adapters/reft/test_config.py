import pytest

from polyhead.adapters import ReftConfig
from polyhead.adapters.reft.config import PRESETS
from polyhead.contracts import EncoderShape, validate_config
from polyhead.errors import ConfigError
from polyhead.registry import registry

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)


def test_fields_default_as_those_of_loreft_in_the_adapters_library():
    assert ReftConfig().model_dump() == {
        "layers": None,
        "prefix_positions": 3,
        "suffix_positions": 0,
        "r": 1,
        "orthogonality": True,
        "subtract_projection": True,
        "tied_weights": False,
        "dropout": 0.05,
        "non_linearity": None,
        "init_weights_seed": None,
    }


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("loreft", {}),
        ("noreft", {"orthogonality": False}),
        ("direft", {"orthogonality": False, "subtract_projection": False}),
    ],
)
def test_presets_are_those_of_the_adapters_library(name, fields):
    assert registry().adapter_config(name) == ReftConfig(**fields)


@pytest.mark.parametrize("config", [*PRESETS.values(), ReftConfig(layers=(2, 0), dropout=0)])
def test_a_config_survives_json(config):
    assert ReftConfig.model_validate_json(config.model_dump_json()) == config


def test_a_config_string_reads_every_field():
    text = (
        "reft[layers=[2,0,2],prefix_positions=1,suffix_positions=2,r=4,orthogonality=false,"
        "subtract_projection=false,tied_weights=true,dropout=0,non_linearity=GELU,"
        "init_weights_seed=3]"
    )
    assert registry().adapter_config(text) == ReftConfig(
        layers=(0, 2),
        prefix_positions=1,
        suffix_positions=2,
        r=4,
        orthogonality=False,
        subtract_projection=False,
        tied_weights=True,
        dropout=0.0,
        non_linearity="gelu",
        init_weights_seed=3,
    )


def test_all_layers_may_be_called_so():
    assert registry().adapter_config("loreft[layers=all]").layers is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("layers", ()),
        ("layers", (-1,)),
        ("layers", ("0",)),
        ("layers", "some"),
        ("layers", 2),
        ("prefix_positions", -1),
        ("prefix_positions", 10**9),
        ("prefix_positions", 0),
        ("suffix_positions", -1),
        ("suffix_positions", 10**9),
        ("suffix_positions", 0.5),
        ("r", 0),
        ("r", 10**9),
        ("r", True),
        ("orthogonality", "maybe"),
        ("subtract_projection", 3),
        ("tied_weights", None),
        ("dropout", 1.0),
        ("dropout", float("nan")),
        ("non_linearity", "rely"),
        ("init_weights_seed", -1),
        ("init_weights_seed", 2**63),
        ("no_such_field", 1),
    ],
)
def test_a_bad_value_is_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field) as caught:
        validate_config(ReftConfig, {field: value}, "adapter kind 'reft'")
    assert "\n" not in str(caught.value)


def test_layers_are_those_named_or_all():
    assert ReftConfig().layers_of(SHAPE) == (0, 1, 2)
    assert ReftConfig(layers=(1,)).layers_of(SHAPE) == (1,)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layers": (1, 7)}, "layers names layer 7; the encoder has the layers 0 to 2"),
        ({"r": 33}, "r=33 is more than the encoder's width; the most is 32"),
    ],
)
def test_what_does_not_fit_the_encoder_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        ReftConfig(**fields).layers_of(SHAPE)


@pytest.mark.parametrize(
    ("fields", "units"),
    [
        ({}, ("prefix",)),
        ({"suffix_positions": 1}, ("prefix", "suffix")),
        ({"prefix_positions": 0, "suffix_positions": 1}, ("suffix",)),
        ({"suffix_positions": 1, "tied_weights": True}, ("tied",)),
    ],
)
def test_there_are_networks_only_for_positions_that_are_changed(fields, units):
    assert ReftConfig(**fields).units == units
