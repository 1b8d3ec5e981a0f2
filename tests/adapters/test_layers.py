import pytest
from pydantic import TypeAdapter, ValidationError

from polyhead.adapters.layers import LayerNumbers, check_layers, layers_kept
from polyhead.contracts import EncoderShape
from polyhead.errors import ConfigError

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)


def test_numbers_of_layers_are_kept_ascending_and_once():
    assert TypeAdapter(LayerNumbers).validate_python([2, 0, 2]) == (0, 2)


@pytest.mark.parametrize("value", [[-1], [True], ["1"], [0.0], 1])
def test_what_is_no_number_of_a_layer_is_refused(value):
    with pytest.raises(ValidationError):
        TypeAdapter(LayerNumbers).validate_python(value)


def test_the_layers_that_are_kept_are_those_not_left_out():
    assert layers_kept((), SHAPE) == [0, 1, 2]
    assert layers_kept((1,), SHAPE) == [0, 2]


@pytest.mark.parametrize(
    ("leave_out", "match"),
    [
        ((0, 7, 3), "leave_out names layer 3; the encoder has the layers 0 to 2"),
        ((0, 1, 2), "leave_out names all 3 layers; leave at least one"),
    ],
)
def test_layers_that_leave_nothing_or_are_not_there_are_refused(leave_out, match):
    with pytest.raises(ConfigError, match=match):
        layers_kept(leave_out, SHAPE)


def test_a_refusal_names_the_field():
    check_layers((0, 2), "layers", SHAPE)
    with pytest.raises(ConfigError, match="layers names layer 9; the encoder has the layers 0 to"):
        check_layers((9,), "layers", SHAPE)
