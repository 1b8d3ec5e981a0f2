"""What is asked of a figure, and whether it is met."""

import pytest

from benchmarks.speed import asked


@pytest.mark.parametrize(
    ("figure", "is_met"),
    [
        (asked.at_least("speed", 5, 5.0), True),
        (asked.at_least("speed", 5, 4.99), False),
        (asked.at_most("latency", 0.8, 0.8), True),
        (asked.at_most("latency", 0.8, 0.81), False),
        (asked.at_least("speed", 5, None), None),
    ],
)
def test_a_figure_is_met_up_to_its_bound(figure, is_met):
    assert figure.is_met is is_met


def test_a_miss_is_said_in_the_table():
    table = asked.as_table(
        [asked.at_least("of the peak", 0.88, 0.5, "%"), asked.at_most("latency", 0.8, None)]
    )
    assert "| of the peak | at least 88.0 % | 50.0 % | **missed** |" in table
    assert "| latency | at most 0.8 |  | not measured |" in table


def test_results_say_whether_a_figure_is_met():
    (entry,) = asked.as_results([asked.at_most("latency", 0.8, 0.9)])
    assert entry["is_met"] is False
    assert entry["measured"] == 0.9


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(3.0, 2.0, 1.5), (None, 2.0, None), (3.0, None, None)]
)
def test_a_ratio_needs_both_numbers(one, other, expected):
    assert asked.ratio(one, other) == expected
