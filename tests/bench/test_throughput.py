"""The same texts under several adapters."""

import pytest

from polyhead.bench import GemmPeak, flops_per_token, lengths, rows
from polyhead.bench.residents import Residents
from polyhead.bench.throughput import ThroughputRounds


@pytest.fixture
def model(tiny_model, two_labels):
    tiny_model.add_head("bench", two_labels, adapter=None)
    return tiny_model


@pytest.fixture
def bulk(model, monkeypatch):
    monkeypatch.setattr("polyhead.bench.throughput.BATCH_TOKENS", 1500)
    residents = Residents(model, "seq_bn", 3, seed=0)
    return ThroughputRounds(model, "bench", rows(lengths(100), 50), residents, seed=0)


@pytest.fixture
def computed(model, monkeypatch):
    """The calls that reach the model."""
    calls = []
    monkeypatch.setattr(model, "compute", calls.extend)
    return calls


def test_every_round_computes_all_texts_in_every_way(bulk, computed):
    bulk.round()
    texts = [row for call in computed for row in call.rows]
    assert len(texts) == 400
    assert set(texts) == set(rows(lengths(100), 50))
    names = [name for call in computed for name in call.adapters]
    assert names.count(None) == 100
    assert {name for name in names if name is not None and name.startswith("resident")} == {
        *("resident0", "resident1", "resident2")
    }


def test_32_adapters_meet_in_each_batch(bulk, computed):
    bulk.round()
    mixed = [call for call in computed if "mixed0" in call.adapters]
    assert len(mixed) > 1
    for call in mixed:
        assert len(set(call.adapters)) == min(32, len(call.rows))


def test_each_round_begins_with_another(bulk, computed):
    first = []
    for _ in range(4):
        computed.clear()
        bulk.round()
        first.append(computed[0].adapters[0])
    assert len(set(first)) == 4


def test_rates_are_of_the_median_round(model, bulk, times):
    times("throughput", [2.0] * 4 + [4.0] * 4 + [9.0] * 4)
    for _ in range(3):
        bulk.round()
    n_tokens = sum(lengths(100))
    peak = GemmPeak(flops_per_token(model.shape) * 1000.0, "linear", 256, "float32")
    found = bulk.results(peak)
    assert [each.case for each in found] == ["bare", "one", "mixed", "resident"]
    assert [each.n_adapters for each in found] == [0, 1, 32, 3]
    for each in found:
        assert each.median_s == 4.0
        assert each.texts_per_s == 25
        assert each.tokens_per_s == n_tokens / 4
        assert each.share_of_peak == pytest.approx(n_tokens / 4 / 1000)


def test_warming_up_is_not_counted(bulk, computed):
    bulk.warm_up()
    assert len(computed) == 4  # the last batch alone, in every way
    bulk.round()
    assert {len(seconds) for seconds in bulk._seconds.values()} == {1}
