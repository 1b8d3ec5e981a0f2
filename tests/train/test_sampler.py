import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.train.sampler import shuffled_batches


def drawn(sizes, batch_size, seed=0):
    return shuffled_batches(sizes, batch_size, torch.Generator().manual_seed(seed))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=3), st.integers(1, 9))
def test_every_example_of_every_task_is_drawn_once(sizes, batch_size):
    batches = drawn(sizes, batch_size)
    pairs = [(task, place) for batch in batches for task, places in batch for place in places]
    assert sorted(pairs) == [
        (task, place) for task, size in enumerate(sizes) for place in range(size)
    ]


def test_batches_are_full_but_for_the_last():
    batches = drawn([7, 6], 4)
    assert [sum(len(places) for _, places in batch) for batch in batches] == [4, 4, 4, 1]


def test_rows_of_several_tasks_share_batches():
    assert any(len(batch) == 2 for batch in drawn([8, 8], 8))


def test_same_seed_draws_the_same_order_and_another_seed_another():
    assert drawn([32], 8) == drawn([32], 8)
    assert drawn([32], 8) != drawn([32], 8, seed=1)


def test_each_epoch_has_an_order_of_its_own():
    generator = torch.Generator().manual_seed(0)
    assert shuffled_batches([32], 8, generator) != shuffled_batches([32], 8, generator)
