"""Tasks that share weights are found, and agree on one epoch."""

import math
from types import SimpleNamespace

import pytest

from polyhead.train.sharing import groups_of, is_best_of_all


class Learning:
    """Stands for a learner: a name and some weights."""

    def __init__(self, name, *weights):
        self.name, self.parameters = name, weights


def test_tasks_are_together_that_share_weights_also_by_way_of_others():
    first, second, third, fourth = (SimpleNamespace() for _ in range(4))
    learners = [
        Learning("a", first),
        Learning("b", second),
        Learning("c", third),
        Learning("d", second, fourth),
        Learning("e", first, third),
    ]
    groups = [[one.name for one in group] for group in groups_of(learners)]
    assert groups == [["a", "c", "e"], ["b", "d"]]
    assert groups_of([]) == []


@pytest.mark.parametrize(
    ("gains", "is_best"),
    [
        ([0.1], True),
        ([0.0], False),
        ([-0.1], False),
        ([0.3, -0.2], True),
        ([0.2, -0.2], False),
        ([None], True),
        ([None, None], True),
        ([None, -0.1], False),
        ([math.inf, math.inf], True),  # the first epoch
        ([math.inf, -math.inf], False),  # a figure for one, and none any more for another
        ([-math.inf, 0.5], False),
    ],
    ids=str,
)
def test_an_epoch_is_better_where_the_relative_gains_add_up_to_more_than_nothing(gains, is_best):
    assert is_best_of_all(gains) is is_best
