"""The precisions that can be measured."""

import pytest

from polyhead.bench import DTYPES, checked_precisions
from polyhead.encoder import precision as module
from polyhead.errors import ConfigError


def test_lists_and_repeats_become_one_list(monkeypatch):
    monkeypatch.setattr(module, "has_bfloat16_products", lambda: True)
    asked = ["int8, float32", "bfloat16", "int8"]
    assert checked_precisions(asked) == ("int8", "float32", "bfloat16")
    assert set(checked_precisions(asked)) == set(DTYPES)


@pytest.mark.parametrize("name", ["float8", "", "float32,,int8", "INT8"])
def test_an_unknown_one_is_refused(name):
    with pytest.raises(ConfigError, match="there is no precision"):
        checked_precisions([name])


def test_those_of_other_machines_are_refused(monkeypatch):
    monkeypatch.setattr(module, "has_bfloat16_products", lambda: False)
    with pytest.raises(ConfigError, match="does not multiply bfloat16"):
        checked_precisions(["float32", "bfloat16"])
    with pytest.raises(ConfigError, match="'float16' is for GPUs"):
        checked_precisions(["float16"])
