"""What is told of many times."""

import pytest

from polyhead.bench.timing import p95, seconds_of


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0], 3.0), ([2.0, 1.0], 2.0), (range(1, 21), 19), (range(100, 0, -1), 95)],
)
def test_95_percent_are_not_above_it(values, expected):
    assert p95(values) == expected


def test_work_is_done_once():
    done = []
    assert seconds_of(lambda: done.append(1)) >= 0
    assert done == [1]
