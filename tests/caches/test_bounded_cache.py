"""A cache keeps what was used last, never more than its bound, and counts what it keeps."""

import threading
import tracemalloc
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyhead as ph
from polyhead.caches.result_cache import WrittenAnswer

BOUND = 2_000
KEYS = st.integers(0, 6).map(lambda number: bytes([number]) * 32)
LENGTHS = st.sampled_from([0, 1, 100, 700, 1_500, BOUND, 10 * BOUND])
STEPS = st.one_of(
    st.tuples(st.just("find"), KEYS),
    st.tuples(st.just("keep"), KEYS, LENGTHS),
    st.tuples(st.just("clear")),
)


def value(length):
    return WrittenAnswer(ph.ClassificationPrediction, b"x" * length)


@given(st.lists(STEPS, max_size=40))
def test_it_keeps_what_was_used_last_within_its_bound(steps):
    cache = ph.ResultCache(BOUND)
    known: OrderedDict[bytes, WrittenAnswer] = OrderedDict()
    hits = misses = 0
    for action, *given_ in steps:
        if action == "clear":
            cache.clear()
            known.clear()
            hits = misses = 0
        elif action == "find":
            [key] = given_
            assert cache.find(key) == known.get(key)
            hits += key in known
            misses += key not in known
            if key in known:
                known.move_to_end(key)
        else:
            key, length = given_
            cache.keep(key, value(length))
            if key not in known and cache.bytes_of(value(length)) <= BOUND:
                known[key] = value(length)
            while sum(map(cache.bytes_of, known.values())) > BOUND:
                known.popitem(last=False)
        assert len(cache) == len(known)
        assert cache.n_bytes == sum(map(cache.bytes_of, known.values())) <= BOUND
        assert (cache.hits, cache.misses) == (hits, misses)
    assert list(cache._values) == list(known)


@pytest.mark.parametrize("n_values", [100, 3_000])
def test_the_bytes_it_tells_are_those_that_it_takes(n_values):
    pairs = ((number.to_bytes(32, "big"), value(number % 300)) for number in range(n_values))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        cache = ph.ResultCache(10**9)
        for key, kept in pairs:
            cache.keep(key, kept)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(cache) == n_values
    assert 0.6 * cache.n_bytes < after - before < 1.05 * cache.n_bytes


def test_many_threads_use_one_cache():
    cache = ph.ResultCache(BOUND)

    def use(start):
        for number in range(start, start + 3_000):
            key = (number % 50).to_bytes(32, "big")
            if cache.find(key) is None:
                cache.keep(key, value(number % 200))
            assert cache.n_bytes <= BOUND

    threads = [threading.Thread(target=use, args=(7 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.n_bytes == sum(map(cache.bytes_of, cache._values.values())) <= BOUND
    assert cache.hits + cache.misses == 4 * 3_000


def test_it_tells_what_it_holds():
    cache = ph.ResultCache(BOUND)
    cache.keep(b"k", value(100))
    cache.find(b"k")
    cache.find(b"other")
    told = repr(cache)
    assert told == f"<ResultCache: 1 kept in {cache.n_bytes} of 2,000 bytes, 1 hits, 1 misses>"
