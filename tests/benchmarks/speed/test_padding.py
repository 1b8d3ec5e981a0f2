"""Batches as the peers take them."""

from benchmarks.speed import padding

ROWS = [[1, 2], [3], [4, 5, 6], [7]]


def test_batches_keep_the_order_of_arrival():
    assert padding.places_of(ROWS, 3, is_sorted=False) == [[0, 1, 2], [3]]


def test_sorted_batches_begin_with_the_longest():
    assert padding.places_of(ROWS, 3, is_sorted=True) == [[2, 0, 1], [3]]


def test_rows_are_filled_up_and_masked():
    ids, masks = padding.padded(ROWS[:2])
    assert ids == [[1, 2], [3, 0]]
    assert masks == [[1, 1], [1, 0]]


def test_answers_come_back_in_the_order_of_the_rows():
    batches = padding.places_of(ROWS, 3, is_sorted=True)
    found = padding.answered(ROWS, batches, lambda rows, _: [[float(sum(row))] for row in rows])
    assert found == [[3.0], [3.0], [15.0], [7.0]]


def test_a_batch_knows_the_places_of_its_rows():
    seen = []

    def compute(rows, places):
        seen.extend(places)
        return [[0.0]] * len(rows)

    padding.answered(ROWS, [[2, 0], [1, 3]], compute)
    assert seen == [2, 0, 1, 3]
