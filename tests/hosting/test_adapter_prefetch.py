"""Adapters from the host's memory: none is read before it is there, or overwritten while read.

A device is faked whose copies happen when something waits for them, and not before: until then
what they write to is full of NaN.
"""

import copy
import random
import threading

import pytest
import torch

import polyhead as ph
from polyhead.batch import Row
from polyhead.errors import ConfigError, UnknownAdapterError
from polyhead.hosting.adapter_prefetch import AdapterPrefetch
from polyhead.model import HeadCall

CPU = torch.device("cpu")
ROWS = (Row((1, 2, 3)), Row((4,)), Row((5, 6)))


class Event:
    def __init__(self, name, happen=lambda: None):
        self.name = name
        self.happen = happen

    def __repr__(self):
        return self.name


class LateLanes:
    """Copies that are late.

    Attributes:
        copied: For each copy the events that it waits for.
        settled: The events that later copies wait for.
        n_taken: How often memory of the device was taken.
    """

    def __init__(self):
        self.copied = []
        self.settled = []
        self.n_taken = 0
        self.n_marks = 0

    def pinned(self, n_bytes):
        return torch.empty(n_bytes, dtype=torch.uint8)

    def memory(self, n_bytes):
        self.n_taken += 1
        return torch.full((n_bytes,), 255, dtype=torch.uint8)  # NaN, read as any kind of number

    def copy(self, target, source, after):
        after = list(after)
        self.copied.append(after)
        target.fill_(255)
        return Event(f"copy {len(self.copied)}", lambda: target.copy_(source))

    def wait(self, event):
        event.happen()

    def mark(self):
        self.n_marks += 1
        return 7, Event(f"use {self.n_marks}")

    def settle(self, events):
        self.settled += events


@pytest.fixture
def lanes():
    return LateLanes()


@pytest.fixture
def model(make_model, shake, two_labels):
    model = make_model(n_layers=2, dim=16, n_heads=2, hidden_dim=24)
    for number, name in enumerate("abcd"):
        model.add_adapter(name, "seq_bn[reduction_factor=4]")
        shake(model.adapters[name], seed=number)
    model.add_adapter("other", "lora[r=2]")
    shake(model.adapters["other"], seed=9)
    model.add_head("h", two_labels, adapter=None)
    shake(model.heads["h"])
    return model


def n_bytes(model, name="a"):
    lanes = LateLanes()
    prefetch = AdapterPrefetch(copy.deepcopy(model.adapter_table), 10**9, lambda _: lanes)
    prefetch.start([name], CPU)
    return prefetch.n_bytes


def kept(model, lanes, room):
    """The model's adapters in the host's memory, with room for so many like "a" on the device."""
    prefetch = AdapterPrefetch(model.adapter_table, room * n_bytes(model), lambda _: lanes)
    model.adapter_table.prefetch = prefetch
    return prefetch


@torch.inference_mode()
def answer(model, *setups):
    rows = tuple(ROWS[number % len(ROWS)] for number in range(len(setups)))
    [output] = model.compute([HeadCall("h", rows, setups)])
    return output


def resident(prefetch):
    return list(prefetch._residents.names)


SETUPS = ["a", "b", "c", None, "other", ph.Stack("a", "other"), ph.Average({"a": 0.3, "b": 0.7})]


def test_answers_are_those_of_the_adapters_themselves(model, lanes):
    known = answer(model, *SETUPS)
    ids, mask = torch.tensor([[1, 2], [3, 4]]), torch.tensor([[1, 1], [1, 0]])
    with torch.no_grad():
        logits = model(ids, mask, adapter_names=["a", "other"]).logits
    kept(model, lanes, 10)
    for _ in range(2):
        torch.testing.assert_close(answer(model, *SETUPS), known, atol=0, rtol=0)
        with torch.no_grad():
            found = model(ids, mask, adapter_names=["a", "other"]).logits
        torch.testing.assert_close(found, logits, atol=0, rtol=0)
    assert len(lanes.copied) == 4


KINDS = [
    "double_seq_bn",
    "compacter[reduction_factor=4]",
    "seq_bn_inv",
    "prefix_tuning",
    "prompt_tuning",
    "loreft",
]
KINDS += ["ia3", "lora[use_dora=true]", "unipelt", "adapter_plus", "seq_bn[use_gating=true]"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_brought_over(make_model, two_labels, shake, lanes, kind):
    model = make_model(n_layers=2)
    for name in ("a", "b"):
        model.add_adapter(name, kind)
        shake(model.adapters[name], seed=ord(name))
    model.add_head("h", two_labels, adapter=None)
    known = answer(model, "a", "b", "a")
    kept(model, lanes, 1)  # each in the place of the other
    for name in ("a", "b"):
        number = 0 if name == "a" else 1
        found = answer(model, *(name if n == number else None for n in range(3)))
        torch.testing.assert_close(found[number], known[number], atol=1e-6, rtol=1e-5)
    assert lanes.n_taken == 1


def test_fusions_bring_what_they_fuse(model, lanes, shake):
    model.add_adapter_fusion(["a", "b"], name="both")
    shake(model.adapters["both"], seed=5)
    known = answer(model, "both", "a", ph.Fuse("a", "b"))
    prefetch = kept(model, lanes, 10)
    torch.testing.assert_close(answer(model, "both", "a", ph.Fuse("a", "b")), known)
    assert set(resident(prefetch)) == {"a", "b", "both"}


def test_what_was_fetched_ahead_is_not_copied_again(model, lanes):
    known = answer(model, "a", "b")
    prefetch = kept(model, lanes, 3)
    model.prefetch_adapters(["a", None, ph.Stack("a", "b")])
    assert resident(prefetch) == ["a", "b"]
    assert len(lanes.copied) == 2
    assert torch.equal(answer(model, "a", "b"), known)
    assert len(lanes.copied) == 2


def test_what_was_used_longest_ago_gives_way_and_is_overwritten_behind_its_last_use(model, lanes):
    prefetch = kept(model, lanes, 2)
    for name in ("a", "b", "a"):
        answer(model, name)
    assert lanes.copied == [[], []]
    answer(model, "c")
    assert resident(prefetch) == ["a", "c"]
    assert str(lanes.copied[-1]) == "[use 2]"  # that of "b"
    assert lanes.n_taken == 2
    assert prefetch.n_bytes == prefetch.max_bytes


def test_memory_of_another_shape_is_freed_behind_its_last_use(model, lanes):
    prefetch = kept(model, lanes, 1)
    assert n_bytes(model, "other") <= prefetch.max_bytes
    answer(model, "other")
    answer(model, "a")
    assert resident(prefetch) == ["a"]
    assert str(lanes.settled) == "[use 1]"
    assert lanes.n_taken == 2


def test_fetching_ahead_takes_no_room_from_what_is_in_use(model, lanes):
    prefetch = kept(model, lanes, 2)
    with torch.inference_mode(), prefetch.leased(["a"], CPU):
        prefetch.start(["b", "c", "d"], CPU)
        assert resident(prefetch) == ["a", "b"]  # the first ones first
    prefetch.start(["c", "a"], CPU)
    assert resident(prefetch) == ["c", "a"]
    prefetch.start(["d", "b", "a"], CPU)  # "a" is asked for too, and stays
    assert set(resident(prefetch)) == {"d", "a"}


def test_a_call_waits_for_room_until_another_is_done(model, lanes):
    prefetch = kept(model, lanes, 2)
    known = answer(model, "c", "d")
    done = threading.Event()
    found = []

    def other():
        found.append(answer(model, "c", "d"))
        done.set()

    with torch.inference_mode(), prefetch.leased(["a", "b"], CPU):
        thread = threading.Thread(target=other)
        thread.start()
        assert not done.wait(0.05)
        assert set(resident(prefetch)) == {"a", "b"}
    thread.join()
    assert torch.equal(found[0], known)


def test_calls_share_what_both_use(model, lanes):
    prefetch = kept(model, lanes, 2)
    with (
        torch.inference_mode(),
        prefetch.leased(["a", "b"], CPU) as one,
        prefetch.leased(["b"], CPU) as other,
    ):
        assert one.find("b") is other.find("b")
        assert one.find("b") is not model.adapters["b"]
        assert one.find("c") is model.adapters["c"]
    assert len(lanes.copied) == 2


def test_a_call_that_needs_more_than_there_may_be_is_refused(model, lanes):
    prefetch = kept(model, lanes, 1)
    with pytest.raises(ConfigError, match=r"the 2 adapters of this call have \d+ bytes of weights"):
        answer(model, "a", "b")
    answer(model, "b")
    assert resident(prefetch) == ["b"]


@pytest.mark.parametrize("is_fetched_ahead", [False, True])
def test_an_adapter_that_is_written_is_brought_anew(model, lanes, is_fetched_ahead):
    prefetch = kept(model, lanes, 3)
    before = answer(model, "a")
    with torch.no_grad():
        for weight in model.adapters["a"].parameters():
            weight.mul_(-1)
    if is_fetched_ahead:
        prefetch.start(["a"], CPU)
    found = answer(model, "a")
    assert not torch.allclose(found, before)
    model.keep_adapters_on_device()
    assert torch.equal(answer(model, "a"), found)


def test_a_call_goes_on_with_what_it_began_with(model, lanes):
    prefetch = kept(model, lanes, 3)
    with torch.inference_mode(), prefetch.leased(["a"], CPU) as first:
        held = [weight.clone() for weight in first.find("a").parameters()]
        with torch.no_grad():
            for weight in model.adapters["a"].parameters():
                weight.mul_(-1)
        with prefetch.leased(["a"], CPU) as second:
            assert second.find("a") is not first.find("a")
            for one, other in zip(second.find("a").parameters(), held, strict=True):
                assert torch.equal(one, -other)
        for one, other in zip(first.find("a").parameters(), held, strict=True):
            assert torch.equal(one, other)
        assert prefetch.n_bytes == 2 * n_bytes(model)
    assert prefetch.n_bytes == n_bytes(model)
    assert str(lanes.settled) == "[use 2]"


def test_other_weights_other_adapters_and_none_of_a_name(model, lanes, shake):
    prefetch = kept(model, lanes, 3)
    known = answer(model, "a", "b")
    model.load_state_dict(
        {name: -weight for name, weight in model.state_dict().items() if ".a." in name}
        | {name: weight for name, weight in model.state_dict().items() if ".a." not in name},
        assign=True,
    )
    changed = answer(model, "a", "b")
    assert not torch.allclose(changed[0], known[0])
    assert torch.equal(changed[1], known[1])
    model.delete_adapter("a")
    assert resident(prefetch) == ["b"]
    with pytest.raises(UnknownAdapterError):
        answer(model, "a")
    with pytest.raises(UnknownAdapterError):
        model.prefetch_adapters(["a"])
    model.add_adapter("a", "double_seq_bn")
    shake(model.adapters["a"], seed=4)
    assert torch.isfinite(answer(model, "a")).all()


def test_calls_that_record_gradients_are_refused(model, lanes):
    kept(model, lanes, 3)
    call = HeadCall("h", ROWS[:1], ("a",))
    with pytest.raises(ConfigError, match=r"train after model.keep_adapters_on_device\(\)"):
        model.compute([call])
    assert model.compute([HeadCall("h", ROWS[:1], (None,))])[0].requires_grad  # the head learns
    model.keep_adapters_on_device()
    [output] = model.compute([call])
    output.sum().backward()
    assert model.adapters["a"].ffn["0"].down.weight.grad is not None


def test_training_mode_is_that_of_the_adapter(model, lanes):
    prefetch = kept(model, lanes, 3)
    for mode in (False, True, False):
        model.adapters["a"].train(mode)
        with torch.inference_mode(), prefetch.leased(["a"], CPU) as found:
            assert found.find("a").training is mode


def test_where_the_host_is_the_device_nothing_is_moved(model):
    place = model.adapters["a"].ffn["0"].down.weight.data_ptr()
    known = answer(model, "a", "b")
    model.keep_adapters_on_host(10)
    model.prefetch_adapters(["a"])
    assert torch.equal(answer(model, "a", "b"), known)
    assert model.adapters["a"].ffn["0"].down.weight.data_ptr() == place
    assert model.adapter_table.prefetch.n_bytes == 0
    [output] = model.compute([HeadCall("h", ROWS[:1], ("a",))])  # it can be trained too
    output.sum().backward()
    model.keep_adapters_on_device()
    assert model.adapter_table.prefetch is None


def test_an_adapter_that_is_added_goes_to_the_hosts_memory_at_once(model, lanes):
    prefetch = kept(model, lanes, 3)
    prefetch.start([], CPU)
    model.add_adapter("late", "seq_bn")
    assert prefetch._hosts["late"].writes() is not None


def test_a_model_that_is_moved_brings_its_adapters_anew(model, lanes):
    kept(model, lanes, 3)
    known = answer(model, "a", "b")
    model.double()
    assert all(host.writes() is not None for host in model.adapter_table.prefetch._hosts.values())
    found = answer(model, "a", "b")
    assert found.dtype is torch.float64
    torch.testing.assert_close(found.float(), known, atol=1e-5, rtol=1e-4)


def test_another_device_brings_its_own(model, lanes):
    prefetch = kept(model, lanes, 3)
    answer(model, "a", "b")
    prefetch.start(["b"], torch.device("meta"))
    assert resident(prefetch) == ["b"]
    assert prefetch.n_bytes == n_bytes(model)


def test_a_copy_of_a_model_brings_over_its_own(model, lanes):
    prefetch = kept(model, lanes, 3)
    known = answer(model, "a", "b")
    other = copy.deepcopy(model)
    own = other.adapter_table.prefetch
    assert own is not prefetch
    assert (own.max_bytes, own.n_bytes) == (prefetch.max_bytes, 0)
    assert torch.equal(answer(other, "a", "b"), known)
    assert own._hosts["a"].adapter is other.adapters["a"]


@pytest.mark.parametrize("number", [0, -1, 2.0, True, "many"])
def test_a_bound_that_is_none_is_refused(model, number):
    with pytest.raises(ConfigError, match="max_bytes is the most bytes of adapters on the device"):
        model.keep_adapters_on_host(number)
    assert model.adapter_table.prefetch is None


def test_many_threads_get_their_own_answers_within_the_bound(model, lanes):
    names = list("abcd")
    known = {name: answer(model, name) for name in names}
    prefetch = kept(model, lanes, 2)
    wrong = []

    def ask(seed):
        chance = random.Random(seed)  # noqa: S311 - which adapters, not a secret
        for _ in range(20):
            name, ahead = chance.choice(names), chance.choice(names)
            model.prefetch_adapters([ahead])
            if not torch.equal(answer(model, name), known[name]):
                wrong.append(name)
            if prefetch.n_bytes > prefetch.max_bytes:
                wrong.append(prefetch.n_bytes)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert prefetch._residents.is_idle


def test_an_error_in_a_call_gives_back_what_it_used(model, lanes, monkeypatch):
    prefetch = kept(model, lanes, 1)
    monkeypatch.setattr(model.encoder, "forward", None)
    with pytest.raises(TypeError):
        answer(model, "a")
    assert prefetch._residents.is_idle
    monkeypatch.undo()
    answer(model, "b")
