"""UNSET is one object, told from None."""

import copy
import pickle

import pytest

from polyhead.model import UNSET, Unset


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])  # noqa: S301 - our own bytes
def test_there_is_one_of_it_however_it_travels(how):
    assert how(UNSET) is UNSET
    assert list(Unset) == [UNSET]


def test_it_says_what_it_is():
    assert repr(UNSET) == "UNSET"
    assert UNSET is not None
