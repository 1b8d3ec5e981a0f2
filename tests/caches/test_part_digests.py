"""A part's digest follows its content, and is computed once for as long as that stays."""

import gc
import weakref

import pytest
import torch
from torch import nn

from polyhead.caches import part_digests
from polyhead.caches.part_digests import PartDigests, digest_of


@pytest.fixture
def digests():
    return PartDigests()


@pytest.fixture
def n_computed(monkeypatch):
    """How often a part's content was digested."""
    computed = []
    digest = part_digests._part_digest
    monkeypatch.setattr(
        part_digests, "_part_digest", lambda part: computed.append(part) or digest(part)
    )
    return computed


@pytest.fixture
def adapter(tiny_model, shake):
    tiny_model.add_adapter("a")
    return shake(tiny_model.adapters["a"])


def test_lists_that_run_together_have_digests_of_their_own():
    found = [digest_of("ab", "c"), digest_of("a", "bc"), digest_of("abc"), digest_of("abc", "")]
    assert len(set(found)) == 4
    assert digest_of("ä") == digest_of("ä".encode())


def test_equal_content_has_equal_digests(tiny_model, digests, shake):
    for name, config in (("a", "seq_bn"), ("b", "seq_bn"), ("c", "par_bn"), ("d", "seq_bn")):
        tiny_model.add_adapter(name, config)
        shake(tiny_model.adapters[name], seed=int(name == "d"))
    a, b, c, d = map(digests.of, tiny_model.adapters.values())
    assert a == b
    assert len({a, c, d}) == 3


def test_a_digest_is_computed_once(adapter, digests, n_computed):
    assert len({digests.of(adapter) for _ in range(3)}) == 1
    assert len(n_computed) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: weight.detach().mul_(2),
        nn.init.normal_,
        lambda weight: setattr(weight, "data", weight.data * 2),
        lambda weight: torch.autograd.graph.increment_version(weight) or weight.data.mul_(2),
    ],
)
def test_a_changed_weight_is_seen(adapter, digests, change):
    before = digests.of(adapter)
    change(next(adapter.parameters()))
    assert digests.of(adapter) != before
    assert digests.of(adapter) == PartDigests().of(adapter)


def test_a_part_that_goes_through_another_type_is_seen(adapter, digests):
    before = digests.of(adapter)
    for _ in range(5):  # memory that is freed may be used again, at the same place
        adapter.bfloat16()
        adapter.float()
    assert digests.of(adapter) != before


def test_weights_with_gradients_are_digested_each_time(adapter, digests, n_computed):
    """A fused optimizer writes them uncounted."""
    weight = next(adapter.parameters())
    weight.grad = torch.ones_like(weight)
    optimizer = torch.optim.AdamW([weight], lr=0.1, fused=True)
    found = [digests.of(adapter)]
    for _ in range(2):
        optimizer.step()
        found.append(digests.of(adapter))
    optimizer.step()
    optimizer.zero_grad()
    found += [digests.of(adapter) for _ in range(3)]
    assert len(set(found)) == 4
    assert len(n_computed) == 4


def test_weights_of_inference_mode_are_digested_each_time(tiny_model, digests, n_computed):
    with torch.inference_mode():
        tiny_model.add_adapter("i")
        adapter = tiny_model.adapters["i"]
        before = digests.of(adapter)
        next(adapter.parameters()).add_(1)
        assert digests.of(adapter) != before
    assert len(n_computed) == 2


def test_what_is_written_uncounted_is_seen_after_forget(adapter, digests):
    before = digests.of(adapter)
    next(adapter.parameters()).data.mul_(2)
    assert digests.of(adapter) == before
    digests.forget()
    assert digests.of(adapter) != before


def test_parts_are_remembered_weakly(tiny_model, digests):
    tiny_model.add_adapter("a")
    found = weakref.ref(tiny_model.adapters["a"])
    digests.of(tiny_model.adapters["a"])
    tiny_model.delete_adapter("a")
    gc.collect()
    assert found() is None
    assert len(digests._known) == 0


def test_an_encoder_is_its_weights_and_its_precision(make_model, digests):
    one, same, other = make_model(0), make_model(0), make_model(1)
    found = [digests.of_encoder(model.encoder) for model in (one, same, other)]
    assert found[0] == found[1] != found[2]
    one.half()
    assert digests.of_encoder(one.encoder) != found[0]


def test_a_tokenizer_is_its_vocabulary(tiny_model, digests):
    found = digests.of_tokenizer(tiny_model.tokenizer)
    assert found == PartDigests().of_tokenizer(tiny_model.tokenizer)
    assert found != digests.of_tokenizer(None)
