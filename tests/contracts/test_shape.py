import pytest
from pydantic import ValidationError

from polyhead.contracts import EncoderShape

FIELDS = {
    "width": 384,
    "n_layers": 6,
    "n_heads": 12,
    "ffn_width": 1536,
    "max_positions": 512,
    "vocab_size": 30522,
}


def test_a_shape_survives_json_and_can_be_a_key():
    shape = EncoderShape(**FIELDS)
    again = EncoderShape.model_validate_json(shape.model_dump_json())
    assert again == shape
    assert {shape: 1}[again] == 1


@pytest.mark.parametrize("field", FIELDS)
def test_sizes_are_above_zero(field):
    with pytest.raises(ValidationError, match=field):
        EncoderShape(**{**FIELDS, field: 0})


def test_it_reads_well_in_a_message():
    assert str(EncoderShape(**FIELDS)) == "6 layers of width 384"
