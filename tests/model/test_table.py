"""Names to modules: any of our names, at the same cost whatever their number."""

import copy
import pickle

import pytest
from torch import nn

from polyhead.errors import InvalidNameError, NameTakenError, UnknownAdapterError
from polyhead.model.table import ModuleTable


@pytest.fixture
def table():
    return ModuleTable("adapter", UnknownAdapterError)


def test_modules_are_found_by_their_names(table):
    first, second = nn.Linear(1, 1), nn.Linear(1, 1)
    table.add("first", first)
    table.add("second", second)
    assert table.find("first") is first
    assert table.find("second") is second
    assert dict(table.view) == {"first": first, "second": second}


def test_the_view_is_live_and_read_only(table):
    view = table.view
    table.add("a", nn.Linear(1, 1))
    assert list(view) == ["a"]
    with pytest.raises(TypeError):
        view["b"] = nn.Linear(1, 1)


@pytest.mark.parametrize(
    "name", ["train", "keys", "type", "forward", "state_dict", "add_module", "0", "a-b_C", "x" * 64]
)
def test_a_name_may_be_that_of_a_method(table, name):
    module = nn.Linear(1, 1)
    table.add(table.check_new(name), module)
    assert table.find(name) is module
    assert list(table.state_dict()) == [f"{name}.weight", f"{name}.bias"]
    table.train()
    assert module.training
    assert table.remove(name) is module
    assert not table.view


def test_a_name_is_given_once(table):
    table.add("a", nn.Linear(1, 1))
    for add in (table.check_new, lambda name: table.add(name, nn.Linear(1, 1))):
        with pytest.raises(NameTakenError) as caught:
            add("a")
        assert str(caught.value) == (
            "this model already has the adapter 'a'; choose another name, or delete it first with "
            "model.delete_adapter('a')."
        )


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "_a", 3, None])
def test_what_cannot_be_a_name_is_refused(table, name):
    with pytest.raises(InvalidNameError, match="cannot name an adapter"):
        table.check_new(name)


@pytest.mark.parametrize("name", ["b", "", 3, None, ["a"]])
def test_an_unknown_name_is_refused_with_what_there_is(table, name):
    table.add("a", nn.Linear(1, 1))
    for look in (table.find, table.remove):
        with pytest.raises(UnknownAdapterError, match="this model has: 'a'"):
            look(name)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda table: pickle.loads(pickle.dumps(table))])  # noqa: S301 - our own bytes
def test_a_copy_has_its_own_modules_and_lock(table, how):
    table.add("a", nn.Linear(1, 1))
    other = how(table)
    other.add("b", nn.Linear(1, 1))
    assert list(table.view) == ["a"]
    assert other.find("a") is not table.find("a")
    assert other._lock is not table._lock
