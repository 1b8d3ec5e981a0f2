"""Regular expressions of unknown origin mean what Python's mean, and take no time."""

import re

import pytest

from polyhead.convert.peft.patterns import Pattern

NAMES = [
    f"{prefix}transformer.layer.{layer}.{module}"
    for prefix in ("", "distilbert.")
    for layer in (0, 2, 10)
    for module in ("attention.q_lin", "attention.out_lin", "ffn.lin1", "ffn.lin2")
] + ["", "classifier", "a", "aa", "q_lin", "x.q_lin", "layer.0"]


@pytest.mark.parametrize(
    "text",
    [
        "q_lin",
        ".*q_lin",
        r".*\.q_lin",
        r".*\.(q|out)_lin",
        r".*\.(?:q|out)_lin",
        r".*\.(?P<site>q|out)_lin",
        r".*layer\.[0-2]\..*",
        r".*layer\.[^0]\..*",
        r".*layer\.\d+\.ffn\.lin\d",
        r".*layer\.\d{2}\..*",
        r".*layer\.\d{1,2}\..*",
        r".*layer\.\d{2,}\..*",
        r"(distilbert\.)?transformer.*",
        r"[\w.]*lin[12]",
        r"[a-z\d_.]+",
        r"^.*lin1$",
        "(a|aa)+",
        "(a*)*",
        "(a|b)?",
        ".+?q_lin",
        "",
        "|a",
        r"\S*",
        r"[]a]*",
        r"[a\-.]*",
    ],
)
def test_it_means_what_python_means(text):
    tail = re.compile(rf"(.*\.)?({text})$")
    for name in NAMES:
        assert Pattern(text).is_whole(name) is (re.fullmatch(text, name) is not None), name
        assert Pattern(text).is_tail(name) is (tail.match(name) is not None), name


@pytest.mark.parametrize(
    "text",
    [
        "(a",
        "a)",
        "[a",
        "*a",
        "a**",
        "a+*",
        "a{x}",
        "a{2",
        "a{3,2}",
        "a{1000}",
        "(a?){9}" * 3,
        "a*" * 25,
        "\\",
        r"\1",
        r"(a)\1",
        "(?=a)",
        "(?i)a",
        "(?P<a",
        "a" * 2000,
        "(" * 100 + "a" + ")" * 100,
    ],
)
def test_what_is_damaged_or_not_understood_is_refused(text):
    with pytest.raises(ValueError, match=r"[a-z]"):
        Pattern(text)


@pytest.mark.parametrize(
    "text",
    ["((((.*)*)*)*)*x", "(a|a)" * 90, "(.|.)*" * 24 + "x", "(a?){7}" * 3 + "x", ".*" * 24 + "x"],
)
def test_expressions_that_would_take_years_do_not(text):
    assert not Pattern(text).is_whole("a" * 60)
    assert not Pattern(text).is_tail("a." * 30)
