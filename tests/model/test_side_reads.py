"""Rows are picked out of a pass without copying where they lie side by side."""

import pytest
import torch

from polyhead.batch import Packing
from polyhead.model.side_reads import PickedRows, unread

PACKING = Packing((2, 1, 3, 1))
LAYERS = (torch.arange(14.0).view(7, 2), torch.arange(14.0, 28.0).view(7, 2))


@pytest.mark.parametrize(
    ("places", "tokens"),
    [
        ((0, 1, 2, 3), [0, 1, 2, 3, 4, 5, 6]),
        ((1, 2), [2, 3, 4, 5]),
        ((0, 2), [0, 1, 3, 4, 5]),
        ((3,), [6]),
        ((), []),
    ],
)
def test_the_picked_tokens_are_those_of_the_rows(places, tokens):
    picked = PickedRows(LAYERS, PACKING, places)
    for number, layer in enumerate(LAYERS):
        assert torch.equal(picked.layer(number), layer[tokens])
    assert picked.packing.lengths == tuple(PACKING.lengths[place] for place in places)
    assert [picked.row_of[place] for place in places] == list(range(len(places)))


def test_neighbours_are_a_view_and_others_are_gathered_once():
    neighbours, others = PickedRows(LAYERS, PACKING, (1, 2)), PickedRows(LAYERS, PACKING, (0, 2))
    assert neighbours.layer(0).data_ptr() == LAYERS[0][2:].data_ptr()
    assert others.layer(0) is others.layer(0)


def test_what_nobody_reads_is_nan_and_takes_no_memory():
    stand_in = unread(LAYERS[0].half())
    assert stand_in.shape == (7, 2)
    assert stand_in.dtype == torch.float16
    assert stand_in.isnan().all()
    assert stand_in.untyped_storage().nbytes() == 2
