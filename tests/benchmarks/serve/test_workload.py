"""Texts as long as they should be, of tasks that are drawn as they should be."""

from collections import Counter

import pytest

from benchmarks.serve import material, workload
from polyhead.bench import lengths
from polyhead.encoder import load_encoder
from polyhead.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    shape = {"n_layers": 1, "n_heads": 2, "dim": 4, "hidden_dim": 4}
    material.write_model(folder, shape, n_labels=3)
    return folder


def test_there_are_as_many_tokens_as_bert_has_and_none_twice():
    assert len(workload.vocabulary()) == len(set(workload.vocabulary())) == 30_522


def test_the_tokenizer_finds_the_lengths_that_were_drawn(checkpoint):
    tokenizer = Tokenizer.from_folder(checkpoint)
    asks = workload.asks(50, 10, seed=3)
    found = [len(row) for row in tokenizer.rows([ask.text for ask in asks])]
    assert found == [ask.n_tokens for ask in asks] == list(lengths(50, 3))


def test_a_lone_text_has_30_tokens(checkpoint):
    (ask,) = workload.lone_asks([7])
    assert ask.task == 7
    (row,) = Tokenizer.from_folder(checkpoint).rows([ask.text])
    assert len(row) == 30


def test_no_text_comes_twice():
    texts = [ask.text for seed in (0, 1) for ask in workload.asks(300, 100, seed)]
    assert len(texts) - len(set(texts)) <= 1  # the shortest have three words


def test_equal_seeds_make_equal_asks():
    assert workload.asks(20, 5, seed=1) == workload.asks(20, 5, seed=1)
    assert workload.asks(20, 5, seed=1) != workload.asks(20, 5, seed=2)


def test_the_first_task_is_asked_twice_as_often_as_the_second():
    counts = Counter(workload.zipf(100, 50_000))
    assert counts[0] / counts[1] == pytest.approx(2, rel=0.1)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.2)
    assert set(counts) <= set(range(100))


def test_the_checkpoint_is_one_that_polyhead_loads(checkpoint):
    encoder = load_encoder(checkpoint)
    assert encoder.config.dim == 4
    assert encoder.config.vocab_size == 30_522
