"""What the bare encoder computed of a row is kept, found again, and never exceeds its bound."""

import pytest
import torch

from polyhead.batch import Row
from polyhead.heads import ClassificationHeadConfig
from polyhead.model import ActivationCache, HeadCall, layers_read

ROWS = (Row((2, 7, 9, 3)), Row((2, 11, 3)), Row((2, 7, 9, 3), positions=(0, 1, 4, 5)))
OTHER = Row((2, 12, 13, 14, 3))
EXACT = {"atol": 1e-6, "rtol": 0}
ROW_BYTES = 4 * 32 * 4  # of the first row's last layer: tokens, width, float32


def labels(hidden="last"):
    return ClassificationHeadConfig(labels=("bad", "good"), hidden=hidden)


@pytest.fixture
def model(tiny_model, shake):
    tiny_model.add_adapter("tapped", "seq_bn[reduction_factor=4]")
    for hidden in ("last", 1, "mix"):
        tiny_model.add_head(f"h{hidden}", labels(hidden), adapter=None)
    for number, part in enumerate((*tiny_model.adapters.values(), *tiny_model.heads.values())):
        shake(part, seed=number)
    return tiny_model


@pytest.fixture
def passes(model):
    """The rows of each pass through the encoder."""
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].packing.lengths))
    return seen


def call(head, rows, adapter=None):
    return HeadCall(head, tuple(rows), (adapter,) * len(rows))


def cache_for(model, *heads, max_bytes=10**6, **options):
    layers = {layer for head in heads for layer in layers_read(model.heads[head], None)}
    return ActivationCache(layers, max_bytes, **options)


@pytest.mark.parametrize("head", ["hlast", "h1", "hmix"])
def test_a_row_is_computed_once_and_answered_the_same_again(model, passes, head):
    cache = cache_for(model, head)
    [expected] = model.compute([call(head, ROWS)])
    [first] = model.compute([call(head, ROWS)], cache)
    assert torch.equal(first, expected)
    passes.clear()
    [second] = model.compute([call(head, ROWS)], cache)
    torch.testing.assert_close(second, expected, **EXACT)
    assert passes == []
    assert len(cache) == 3


def test_rows_that_are_not_kept_are_computed_beside_those_that_are(model, passes):
    cache = cache_for(model, "hlast")
    model.compute([call("hlast", ROWS[:1])], cache)
    passes.clear()
    [found] = model.compute([call("hlast", (OTHER, *ROWS))], cache)
    assert passes == [(3, 4, 5)]
    torch.testing.assert_close(found, model.compute([call("hlast", (OTHER, *ROWS))])[0], **EXACT)


def test_only_the_layers_that_are_read_are_kept(model):
    assert cache_for(model, "hlast").layers == (3,)
    assert cache_for(model, "hlast", "h1").layers == (1, 3)
    assert cache_for(model, "hmix").layers == (0, 1, 2, 3)
    cache = cache_for(model, "hlast")
    model.compute([call("hlast", ROWS[:1])], cache)
    assert cache.n_bytes == cache.find(ROWS[0]).nbytes == ROW_BYTES


def test_heads_on_several_layers_find_what_each_of_them_reads(model, passes):
    cache = cache_for(model, "hlast", "h1")
    calls = [call("hlast", ROWS), call("h1", ROWS)]
    expected = model.compute(calls)
    model.compute(calls, cache)
    passes.clear()
    for found, want in zip(model.compute(calls, cache), expected, strict=True):
        torch.testing.assert_close(found, want, **EXACT)
    [found] = model.compute([call("h1", ROWS)], cache)
    torch.testing.assert_close(found, expected[1], **EXACT)
    assert passes == []


def test_what_is_kept_may_lie_above_what_a_batch_reads(model, passes):
    cache = cache_for(model, "hlast", "h1")
    for head in ("h1", "hlast", "h1"):
        [expected] = model.compute([call(head, ROWS)])
        passes.clear()
        [found] = model.compute([call(head, ROWS)], cache)
        torch.testing.assert_close(found, expected, **EXACT)
    assert passes == []


def test_rows_under_taps_are_computed_each_time_and_never_kept(model, passes):
    cache = cache_for(model, "hlast")
    calls = [call("hlast", ROWS, "tapped"), call("hlast", ROWS)]
    expected = model.compute(calls)
    for _ in range(2):
        passes.clear()
        found = model.compute(calls, cache)
        assert len(passes[0]) == len(ROWS)  # at first, they enter once for both adapters
        for answer, want in zip(found, expected, strict=True):
            torch.testing.assert_close(answer, want, **EXACT)
    assert len(cache) == 3
    found[0].sum().backward()
    assert all(weight.grad is not None for weight in model.adapters["tapped"].parameters())


def test_the_bound_is_kept_and_the_rest_is_computed_anew(model, passes):
    cache = cache_for(model, "hlast", max_bytes=2 * ROW_BYTES)
    [expected] = model.compute([call("hlast", (*ROWS, OTHER))])
    for _ in range(3):
        passes.clear()
        [found] = model.compute([call("hlast", (*ROWS, OTHER))], cache)
        torch.testing.assert_close(found, expected, **EXACT)
    assert len(cache) == 2
    assert cache.n_bytes <= 2 * ROW_BYTES
    assert len(passes[0]) == 2


def test_a_row_is_its_ids_and_its_positions(model):
    cache = cache_for(model, "hlast")
    model.compute([call("hlast", ROWS[:1])], cache)
    assert cache.find(Row(ROWS[0].ids, n_dropped=3)) is not None
    assert cache.find(ROWS[2]) is None


def test_only_rows_that_are_wanted_are_kept(model):
    cache = cache_for(model, "hlast", rows=ROWS[:2])
    model.compute([call("hlast", (*ROWS, OTHER))], cache)
    assert [cache.find(row) is not None for row in (*ROWS, OTHER)] == [True, True, False, False]


def test_what_inference_keeps_can_be_trained_on(model):
    cache = cache_for(model, "hlast")
    with torch.inference_mode():
        model.compute([call("hlast", ROWS)], cache)
    [output] = model.compute([call("hlast", ROWS)], cache)
    output.sum().backward()
    assert model.heads["hlast"].out.weight.grad is not None


def test_what_is_kept_does_not_keep_a_batch_alive(model):
    cache = cache_for(model, "hlast")
    model.compute([call("hlast", ROWS)], cache)
    kept = cache.find(ROWS[0])
    assert kept.untyped_storage().nbytes() == kept.nbytes


def test_no_rows_are_no_rows(model):
    cache = cache_for(model, "hlast")
    [found] = model.compute([call("hlast", ())], cache)
    assert found.shape == (0, 2)
