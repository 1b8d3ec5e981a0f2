"""Many adapters in one model."""

import pytest

from polyhead.adapters import LoraConfig
from polyhead.bench import residents as module
from polyhead.bench.residents import MIXED_KINDS, Residents
from polyhead.errors import InputError


def test_the_many_and_the_mixed_are_in_the_model(tiny_model):
    found = Residents(tiny_model, "par_bn", 5, seed=0)
    assert set(tiny_model.adapters) == {*found.names, *found.mixed}
    assert (len(found.names), len(found.mixed), found.cost.n_adapters) == (5, 32, 5)
    assert all(not adapter.training for adapter in tiny_model.adapters.values())


def test_mixed_ones_are_of_all_kinds_in_turns(tiny_model):
    found = Residents(tiny_model, "par_bn", 1, seed=0)
    adapters = [tiny_model.adapters[name] for name in found.mixed]
    is_lora = [isinstance(adapter.config, LoraConfig) for adapter in adapters]
    place = 1 + MIXED_KINDS.index("lora")
    assert is_lora == [number % (1 + len(MIXED_KINDS)) == place for number in range(32)]


def test_the_first_and_the_last_are_told(tiny_model, times):
    seconds = [float(number) for number in range(1, 31)]
    times("residents", [*seconds, *(0.1, 0.3, 0.2, 0.5, 0.4)])
    cost = Residents(tiny_model, "seq_bn", 30, seed=0).cost
    assert (cost.add_first_s, cost.add_last_s) == (5.5, 25.5)
    assert cost.choose_s == pytest.approx(0.3 / 1000)


def test_bytes_are_those_of_the_weights(tiny_model):
    found = Residents(tiny_model, "seq_bn[reduction_factor=2]", 2, seed=0)
    # down, up and their biases, in each of three layers, four bytes a number
    assert found.cost.adapter_bytes == 3 * (32 * 16 + 16 + 16 * 32 + 32) * 4


def test_more_than_memory_holds_are_refused(tiny_model, monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda: 10_000_000)
    with pytest.raises(InputError, match=r"^9000 adapters take .* 0\.0 GB .* would fit\.$"):
        Residents(tiny_model, "seq_bn", 9000, seed=0)


def test_adapters_are_drawn_from_all(tiny_model):
    found = Residents(tiny_model, "seq_bn", 3, seed=0)
    assert set(found.drawn(50, seed=1)) == set(found.names)
    assert found.drawn(50, seed=1) == found.drawn(50, seed=1) != found.drawn(50, seed=2)
