"""Fixed position embeddings are those of the paper."""

import math

import pytest
import torch

from polyhead.encoder import sinusoids


@pytest.mark.parametrize("width", [6, 7])
def test_each_number_is_that_of_the_formula(width):
    table = sinusoids(5, width)
    for place in range(5):
        for column in range(width):
            angle = place / 10000 ** (2 * (column // 2) / width)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert abs(table[place, column].item() - expected) < 1e-6
    assert table.dtype is torch.float32


def test_a_longer_table_begins_with_the_shorter_one():
    assert torch.equal(sinusoids(9, 8)[:5], sinusoids(5, 8))
