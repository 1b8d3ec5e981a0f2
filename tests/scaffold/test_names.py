"""What a new plugin and its parts are called."""

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.errors import InvalidNameError
from polyhead.scaffold import PluginNames


@pytest.mark.parametrize(
    ("name", "sort", "expected"),
    [
        ("my-head", "head", ("my-head", "my_head", "my_head", "My", "MyHead")),
        ("Star.Rating", "head", ("star-rating", "star_rating", "star_rating", "StarRating", None)),
        ("polyhead-crf", "head", ("polyhead-crf", "polyhead_crf", "crf", "Crf", "CrfHead")),
        ("low__rank", "adapter", ("low-rank", "low_rank", "low_rank", "LowRank", None)),
        ("my-adapter", "adapter", ("my-adapter", "my_adapter", "my_adapter", "My", "MyAdapter")),
        ("head", "head", ("head", "head", "head", "Head", "HeadHead")),
        ("a", "head", ("a", "a", "a", "A", "AHead")),
        ("x2-3d", "adapter", ("x2-3d", "x2_3d", "x2_3d", "X23d", "X23dAdapter")),
    ],
)
def test_names_follow_from_the_one_that_is_given(name, sort, expected):
    names = PluginNames.of(name, sort)
    *parts, class_name = expected
    assert [names.distribution, names.package, names.kind, names.stem] == parts
    assert names.class_name == (class_name or f"{names.stem}{sort.capitalize()}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "-a",
        "a-",
        "_a",
        "1a",
        "a b",
        "a/b",
        "../a",
        "a\n",
        "é",
        "٣a",
        "a" * 65,
        "a!",
        ".",
        "--help",
    ],
)
def test_what_cannot_be_a_distribution_and_a_package_is_refused(name):
    with pytest.raises(InvalidNameError, match="cannot name a plugin: use 1 to 64"):
        PluginNames.of(name, "head")


@pytest.mark.parametrize("name", ["class", "Lambda", "async", "not"])
def test_keywords_are_refused(name):
    with pytest.raises(InvalidNameError, match="is a keyword of Python; choose another name"):
        PluginNames.of(name, "head")


@pytest.mark.parametrize("name", ["json", "JSON", "typing"])
def test_modules_of_python_itself_are_refused(name):
    with pytest.raises(InvalidNameError, match=rf"module of Python itself.*'{name.lower()}-head'"):
        PluginNames.of(name, "head")


def test_a_kind_that_is_no_identifier_is_refused():
    with pytest.raises(InvalidNameError, match="its kind would be '3d'"):
        PluginNames.of("polyhead-3d", "head")


@given(st.from_regex(r"[A-Za-z]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True))
def test_names_that_are_taken_can_be_imported_and_normalised_names_stay(name):
    try:
        names = PluginNames.of(name, "head")
    except InvalidNameError:
        return
    assert names.package.isidentifier()
    assert not keyword.iskeyword(names.package)
    assert names.class_name.isidentifier()
    assert PluginNames.of(names.distribution, "head") == names
