import pytest

from polyhead.errors import InputError
from polyhead.heads import MaskedLMExample, MaskedLMHead


def test_a_text_alone_is_an_example_and_its_own_target():
    assert MaskedLMHead.parse("the cat") == MaskedLMExample(text="the cat")
    assert MaskedLMExample.target_fields == ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "text: Input should be a valid string"),
        ({"text": "a", "label": "b"}, "unknown field 'label'"),
        ({}, "field 'text' is missing"),
        (("a", "b"), r"takes at most 1 value\.$"),
    ],
)
def test_anything_else_is_refused(value, message):
    with pytest.raises(InputError, match=message):
        MaskedLMHead.parse(value)
