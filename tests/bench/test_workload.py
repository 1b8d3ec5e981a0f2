"""The texts that are computed."""

import statistics

from polyhead.bench import lengths, rows


def test_lengths_are_spread_as_they_are_asked_for():
    found = lengths(20_000)
    assert 23 <= statistics.median(found) <= 25
    assert 29 <= statistics.mean(found) <= 31
    assert (min(found), max(found)) == (5, 128)


def test_the_default_is_256_texts_of_about_30_tokens():
    assert len(lengths()) == 256
    assert 29 <= statistics.mean(lengths()) <= 32


def test_lengths_and_rows_follow_from_the_seed():
    assert lengths(50, seed=3) == lengths(50, seed=3) != lengths(50, seed=4)
    assert rows((4, 5), 100, seed=3) == rows((4, 5), 100, seed=3) != rows((4, 5), 100, seed=4)


def test_bounds_hold_where_the_spread_is_wide():
    assert set(lengths(200, median=10, sigma=9, shortest=2, longest=7)) == {2, 3, 4, 5, 6, 7}


def test_rows_have_their_lengths_and_ids_of_the_vocabulary():
    found = rows((1, 60, 7), 12)
    assert [len(row) for row in found] == [1, 60, 7]
    assert {token for row in found for token in row.ids} == set(range(12))


def test_no_two_texts_are_equal():
    assert len(set(rows(lengths(), 30_522))) == 256
