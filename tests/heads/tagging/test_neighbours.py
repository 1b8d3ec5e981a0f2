import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.batch import Packing
from polyhead.heads.tagging.neighbours import with_neighbours


def test_states_stand_between_their_neighbours_and_rows_apart():
    values = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    found = with_neighbours(values, Packing((3, 1)), 1)
    assert found.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 0], [0, 4, 0]]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 3))
def test_a_row_has_the_same_neighbours_in_every_batch(lengths, reach):
    packing = Packing(tuple(lengths))
    values = torch.arange(packing.n_tokens * 2.0).view(-1, 2)
    found = with_neighbours(values, packing, reach)
    alone = [with_neighbours(row, Packing((len(row),)), reach) for row in values.split(lengths)]
    assert torch.equal(found, torch.cat(alone))


def test_no_tokens_have_no_neighbours():
    assert with_neighbours(torch.empty(0, 3), Packing(()), 2).shape == (0, 15)


def test_gradients_reach_every_state_as_often_as_it_is_read():
    values = torch.zeros(3, 1, requires_grad=True)
    with_neighbours(values, Packing((3,)), 1).sum().backward()
    assert values.grad.flatten().tolist() == [2, 3, 2]
