from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from polyhead.contracts import (
    AdapterConfig,
    HeadConfig,
    explain,
    field_names,
    parse_config_string,
    validate_config,
)
from polyhead.errors import ConfigError


class Sample(HeadConfig):
    size: int = Field(gt=0)
    mode: Literal["a", "b"] = "a"


@pytest.mark.parametrize("base", [HeadConfig, AdapterConfig])
def test_configs_are_immutable_and_refuse_unknown_fields(base):
    class Config(base):
        size: int = 1

    config = Config()
    with pytest.raises(ValidationError, match="frozen"):
        config.size = 2
    with pytest.raises(ValidationError, match="extra"):
        Config(sise=2)


@pytest.mark.parametrize("base", [HeadConfig, AdapterConfig])
def test_numbers_must_be_finite_and_defaults_are_checked(base):
    class Config(base):
        rate: float = float("nan")

    with pytest.raises(ValidationError, match="finite"):
        Config()


def test_valid_fields_make_a_config():
    assert validate_config(Sample, {"size": 3}, "head kind 'sample'") == Sample(size=3)


def test_every_problem_is_named_in_one_line():
    with pytest.raises(ConfigError) as caught:
        validate_config(Sample, {"size": 0, "mode": "c", "sise": 3}, "head kind 'sample'")
    message = str(caught.value)
    assert message == (
        "head kind 'sample': size: Input should be greater than 0 (got 0); "
        "mode: Input should be 'a' or 'b' (got 'c'); unknown field 'sise'. "
        "The fields of head kind 'sample' are: size, mode, hidden."
    )


def test_a_missing_field_is_named_without_the_list_of_fields():
    with pytest.raises(ConfigError, match=r"^it: field 'size' is missing\.$"):
        validate_config(Sample, {}, "it")


def test_a_long_value_is_cut_short_in_the_message():
    with pytest.raises(ValidationError) as caught:
        Sample(size="x" * 1000)
    assert len(explain(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "name", "fields"),
    [
        ("seq_bn", "seq_bn", {}),
        (" seq_bn ", "seq_bn", {}),
        ("seq_bn[]", "seq_bn", {}),
        ("seq_bn[ ]", "seq_bn", {}),
        ("seq_bn[reduction_factor=8]", "seq_bn", {"reduction_factor": 8}),
        ("a[b=1,c=2.5]", "a", {"b": 1, "c": 2.5}),
        ("a[ b = 1 , c = x , ]", "a", {"b": 1, "c": "x"}),
        ("a[b=-1e-3]", "a", {"b": -1e-3}),
        ("a[b=True,c=false,d=none,e=Null]", "a", {"b": True, "c": False, "d": None, "e": None}),
        ("a[b='x,y]z']", "a", {"b": "x,y]z"}),
        ('a[b="true"]', "a", {"b": "true"}),
        (
            "a[b=[1,2],c=(3,),d={'x': 1, 2: 'y'}]",
            "a",
            {"b": [1, 2], "c": (3,), "d": {"x": 1, 2: "y"}},
        ),
        ("a[b=two words]", "a", {"b": "two words"}),
        ("a[b=(no,yes),c=[O, B-x , 3,]]", "a", {"b": ("no", "yes"), "c": ("O", "B-x", 3)}),
        ("a[b=]", "a", {"b": ""}),
        ("a[b=x=y]", "a", {"b": "x=y"}),
        ("a\n[b=1,\n c=2]\n", "a", {"b": 1, "c": 2}),
        ("ph-lora.v2[r=4]", "ph-lora.v2", {"r": 4}),
    ],
)
def test_config_strings_give_a_name_and_fields(text, name, fields):
    assert parse_config_string(text) == (name, fields)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a config string; write a name"),
        ("   ", "is not a config string"),
        ("[a=1]", "is not a config string"),
        ("two words", "is not a config string"),
        ("a[b=1", "is not a config string"),
        ("a]b=1[", "is not a config string"),
        ("a[b=1]c", "is not a config string"),
        ("a[b]", "'b' is not of the form field=value"),
        ("a[=1]", "'=1' is not of the form field=value"),
        ("a[b=1,,c=2]", "'' is not of the form field=value"),
        ("a[b=1,b=2]", "the field 'b' is given twice"),
    ],
)
def test_other_strings_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_config_string(text)


def test_a_class_names_its_required_fields_then_its_own_before_those_it_inherits():
    class Further(Sample):
        hidden: Literal["last"] = "last"  # given anew, and inherited all the same
        extra: int = 0

    assert field_names(Sample) == ["size", "mode", "hidden"]
    assert field_names(Further) == ["size", "extra", "mode", "hidden"]


@pytest.mark.parametrize("value", ["{[1]: 2}", "{{}}", "(" * 500, "-" * 100_000 + "1", "a.b()"])
def test_a_value_that_is_no_literal_is_a_word(value):
    assert parse_config_string(f"a[b={value}]")[1] == {"b": value}


@given(st.text())
def test_no_string_does_more_than_parse_or_be_refused(text):
    try:
        name, fields = parse_config_string(text)
    except ConfigError:
        return
    assert name.strip()
    assert all(field.isidentifier() for field in fields)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True),
        st.one_of(
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.booleans(),
            st.none(),
            st.lists(st.integers(), max_size=3),
            st.text(st.characters(codec="ascii", exclude_characters="\\'\"\n\r\0"), max_size=8),
        ),
        max_size=4,
    )
)
def test_fields_written_as_python_come_back(fields):
    text = ",".join(f"{name}={value!r}" for name, value in fields.items())
    assert parse_config_string(f"kind[{text}]") == ("kind", fields)
