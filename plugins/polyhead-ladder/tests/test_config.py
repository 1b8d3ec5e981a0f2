import pytest
from polyhead_ladder import LadderAdapter, LadderConfig

import polyhead as ph

SHAPE = ph.EncoderShape(
    width=384, n_layers=6, n_heads=12, ffn_width=1536, max_positions=512, vocab_size=30522
)


def test_by_default_every_second_layer_is_a_rung_down_from_the_last():
    assert LadderConfig().rungs(SHAPE) == (2, 4, 6)
    assert LadderConfig().rungs(SHAPE.model_copy(update={"n_layers": 3})) == (1, 3)
    assert LadderConfig().rungs(SHAPE.model_copy(update={"n_layers": 1})) == (1,)


def test_all_layers_are_the_embeddings_too():
    assert LadderConfig(layers="all").rungs(SHAPE) == (0, 1, 2, 3, 4, 5, 6)


def test_layers_may_be_named_in_any_order():
    assert LadderConfig(layers=[5, 0, 3, 5]).rungs(SHAPE) == (0, 3, 5)


@pytest.mark.parametrize("layers", [[], "every", [-1], [1.5], [True], 3, None, ["2"]])
def test_what_names_no_layers_is_refused_in_one_sentence(layers):
    with pytest.raises(ValueError, match="give 'alternate', 'all' or the layers' numbers"):
        LadderConfig(layers=layers)


def test_a_layer_that_the_encoder_lacks_is_refused():
    with pytest.raises(ph.ConfigError, match="layers names 7; the encoder has the layers 1 to 6"):
        LadderAdapter(LadderConfig(layers=(0, 7)), SHAPE)


@pytest.mark.parametrize(
    ("fields", "width"),
    [
        ({}, 48),
        ({"reduction_factor": 1}, 384),
        ({"reduction_factor": 7}, 54),
        ({"reduction_factor": 7, "heads": 4}, 52),
        ({"reduction_factor": 10_000}, 2),
        ({"reduction_factor": 10_000, "heads": 3}, 3),
    ],
)
def test_the_width_is_that_of_the_encoder_divided(fields, width):
    config = LadderConfig(**fields)
    assert config.width(SHAPE) == width
    assert LadderAdapter(config, SHAPE).up.shape == (width, 384)


def test_a_side_network_wider_than_the_encoder_is_refused():
    with pytest.raises(ph.ConfigError, match=r"reduction_factor 0.5 .* of width 768"):
        LadderAdapter(LadderConfig(reduction_factor=0.5), SHAPE)
    with pytest.raises(ph.ConfigError, match=r"500 attention heads make .* of width 500"):
        LadderAdapter(LadderConfig(heads=500), SHAPE)


@pytest.mark.parametrize(
    "fields",
    [
        {"reduction_factor": 0},
        {"heads": 0},
        {"ffn_factor": -1},
        {"gate_temperature": 0},
        {"dropout": 1},
        {"non_linearity": "sine"},
        {"rungs": 3},
    ],
)
def test_a_field_out_of_range_is_refused(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        LadderConfig(**fields)
