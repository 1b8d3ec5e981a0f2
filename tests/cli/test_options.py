import pytest

from polyhead.cli.options import columns_of
from polyhead.errors import InputError


def test_columns_are_named_by_field_or_by_a_short_option():
    found = columns_of(["context=passage", "id=key"], text="body", label=None)
    assert found == {"context": "passage", "id": "key", "text": "body"}
    assert columns_of(None) == {}


def test_a_columns_name_may_hold_an_equals_sign():
    assert columns_of(["text=a=b"]) == {"text": "a=b"}


@pytest.mark.parametrize("given", ["text", "text=", "=body", ""])
def test_what_names_no_column_is_refused(given):
    with pytest.raises(InputError, match="is not of the form FIELD=NAME"):
        columns_of([given])


@pytest.mark.parametrize(
    ("given", "short"), [(["text=a", "text=b"], {}), (["text=a"], {"text": "b"})]
)
def test_two_columns_for_one_field_are_refused(given, short):
    with pytest.raises(InputError, match="two columns are named for the field 'text'"):
        columns_of(given, **short)
