"""When requests are due, and what is counted of them."""

import math

import pytest

from benchmarks.serve.schedule import (
    BROKEN,
    NO_ANSWER,
    Record,
    due_times,
    percentile,
    percentiles,
    slope,
    summarise,
)


def answered(due_s, latency_s, status=200):
    return Record(due_s, due_s, latency_s, status)


def counted(records, **changes):
    return summarise(records, **{"per_s": 1.0, "seconds": 10.0, "warmup_s": 0.0, **changes})


def test_requests_are_due_at_equal_distances():
    assert due_times(4, 1.5) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_nothing_is_due_in_no_time():
    assert due_times(100, 0) == []


def test_a_percentile_is_one_of_the_values():
    assert percentile([4, 1, 3, 2], 50) == 2
    assert percentile([4, 1, 3, 2], 51) == 3
    assert percentile([4, 1, 3, 2], 100) == 4
    assert percentile([4, 1, 3, 2], 0) == 1


def test_the_99th_of_a_hundred_leaves_one_out():
    assert percentile(range(1, 101), 99) == 99


def test_of_nothing_there_is_no_percentile():
    assert math.isnan(percentile([], 50))
    assert percentiles([]) == {}


def test_percentiles_are_told_in_milliseconds():
    found = percentiles([0.001, 0.002])
    assert (found["p50"], found["p99.9"], found["p100"]) == (1.0, 2.0, 2.0)


def test_latency_counts_from_when_a_request_was_due():
    outcome = counted([Record(due_s=1.0, sent_s=3.0, latency_s=2.5, status=200)])
    assert outcome.latency_ms["p50"] == 2500.0
    assert outcome.lag_ms["p50"] == 2000.0


def test_goodput_counts_what_came_between_warm_up_and_end():
    records = [
        answered(0.0, 0.5),  # before the warm-up was over
        answered(0.9, 0.2),
        answered(5.0, 1.0),
        answered(9.5, 1.0),  # after the end
        answered(6.0, 0.1, status=429),
    ]
    assert counted(records, warmup_s=1.0).goodput_per_s == pytest.approx(2 / 9)


def test_what_was_due_in_the_warm_up_is_not_counted_otherwise():
    records = [answered(0.5, 9.0), answered(2.0, 0.1), answered(3.0, 0.1, status=500)]
    outcome = counted(records, warmup_s=1.0)
    assert outcome.n == 2
    assert outcome.statuses == {"200": 1, "500": 1}
    assert outcome.latency_ms["p100"] == pytest.approx(100.0)


def test_refusals_are_no_errors_and_have_their_own_latency():
    outcome = counted([answered(1, 0.3), answered(2, 0.002, 429), answered(3, 0.004, 429)])
    assert outcome.share_refused == pytest.approx(2 / 3)
    assert outcome.n_errors == 0
    assert outcome.refused_ms["p100"] == pytest.approx(4.0)


def test_what_got_no_answer_is_an_error():
    outcome = counted([answered(1, 10, NO_ANSWER), answered(2, 0, BROKEN), answered(3, 1, 503)])
    assert outcome.n_errors == 3
    assert outcome.goodput_per_s == 0
    assert outcome.latency_ms == {}


def test_an_entry_has_what_is_computed_of_it():
    entry = counted([answered(1, 0.3, 429)]).entry()
    assert (entry["share_refused"], entry["n_errors"]) == (1.0, 0)


def test_the_generators_time_is_told_for_each_second():
    assert counted([], cpu_s=0.5).generator_cpu == 0.05


def test_a_line_has_its_slope():
    assert slope([0, 10, 20], [5.0, 6.0, 7.0]) == pytest.approx(0.1)


def test_noise_around_a_level_has_no_slope():
    assert slope([0, 1, 2, 3], [1.0, 3.0, 3.0, 1.0]) == pytest.approx(0.0)


@pytest.mark.parametrize("places", [[], [3], [2, 2]])
def test_a_line_needs_two_places(places):
    with pytest.raises(ValueError, match="two different places"):
        slope(places, [1.0] * len(places))
