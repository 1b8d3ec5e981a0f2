"""A setup under other names is the same setup."""

import pytest

from polyhead import Average, Fuse, Split, Stack
from polyhead.composition import names_of, parse_setup, renamed

NAMES = {"a": "x-1", "b": "x-2", "both": "x-3"}


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        (None, None),
        ("a", "x-1"),
        ("other", "other"),
        (Stack("a", "other", "b"), Stack("x-1", "other", "x-2")),
        (Fuse("a", "b"), Fuse("x-1", "x-2")),
        (Fuse("a", "b", name="both"), Fuse("x-1", "x-2", name="x-3")),
        (Average({"a": 0.7, "b": -0.2}), Average({"x-1": 0.7, "x-2": -0.2})),
        (Split("a", "b", splits=(3, None)), Split("x-1", "x-2", splits=(3, None))),
        (Stack("a", Fuse("b", Stack("a", "b"))), Stack("x-1", Fuse("x-2", Stack("x-1", "x-2")))),
    ],
    ids=str,
)
def test_names_are_changed_and_nothing_else(setup, expected):
    found = renamed(setup, NAMES)
    assert found == expected
    if found is not None:
        assert parse_setup(str(found)) == expected
        assert set(NAMES).isdisjoint(names_of(found))
    assert renamed(setup, {}) == setup
