import pytest
from pydantic import ValidationError

from polyhead.contracts import Head, Recipe
from polyhead.registry import registry


def test_every_built_in_kind_recommends_an_adapter_that_exists():
    for kind in registry().head_kinds():
        adapter = registry().head(kind).recipe.adapter
        if adapter is not None:
            assert registry().adapter_config(adapter) is not None


def test_a_kind_of_head_recommends_something_without_saying_so():
    assert Head.recipe == Recipe()


@pytest.mark.parametrize("fields", [{"epochs": 0}, {"lr": 0}, {"head_lr": -1}, {"rl": 1}])
def test_a_recipe_that_makes_no_sense_is_refused(fields):
    with pytest.raises(ValidationError):
        Recipe(**fields)
