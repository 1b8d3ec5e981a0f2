"""How many threads torch computes with."""

import os
import threading

import pytest
import torch

import polyhead
from polyhead.errors import ConfigError
from polyhead.machine import limit_own_threads, limit_threads


class Threads:
    """In place of torch's own count, which all tests share."""

    def __init__(self) -> None:
        self.n = 8
        self.was_set = False

    def get(self) -> int:
        return self.n

    def set(self, n: int) -> None:
        self.n, self.was_set = n, True


@pytest.fixture
def threads(monkeypatch) -> Threads:
    """Torch's threads on a machine of 8 processors, as nobody has chosen them."""
    own = Threads()
    monkeypatch.setattr(torch, "get_num_threads", own.get)
    monkeypatch.setattr(torch, "set_num_threads", own.set)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return own


@pytest.fixture
def container(processors, in_group_v2):
    """The root of a machine of 8 processors, where the process is granted the time of two."""
    processors(*range(8))
    return in_group_v2("/", {"cpu.max": "200000 100000\n"})


def test_a_container_gets_as_many_as_it_is_granted(threads, container):
    assert limit_threads(root=container) == 2
    assert threads.n == 2


def test_hyperthreads_get_no_thread_of_their_own(threads, processors):
    root = processors(*range(8), siblings={n: f"{n % 4},{n % 4 + 4}" for n in range(8)})
    assert limit_threads(root=root) == 4
    assert threads.n == 4


def test_torchs_count_of_cores_is_known_as_its_own(threads, processors, in_group_v2):
    processors(*range(8), siblings={n: f"{n % 4},{n % 4 + 4}" for n in range(8)})
    threads.n = 4
    assert limit_threads(root=in_group_v2("/", {"cpu.max": "300000 100000\n"})) == 3


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_the_environments_choice_is_left(name, threads, container, monkeypatch):
    monkeypatch.setenv(name, "8")
    assert limit_threads(root=container) == 8
    assert not threads.was_set


@pytest.mark.parametrize("n", [1, 5, 16])
def test_a_programs_choice_is_left(n, threads, container):
    threads.n = n
    assert limit_threads(root=container) == n
    assert not threads.was_set


def test_a_machine_without_limits_keeps_what_torch_has(threads, processors):
    assert limit_threads(root=processors(*range(8))) == 8
    assert not threads.was_set


def test_a_number_that_is_asked_for_is_set(threads, container, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert limit_threads(3, root=container) == 3
    assert threads.n == 3


@pytest.mark.parametrize("n", [0, -2])
def test_less_than_one_is_refused(n, threads):
    with pytest.raises(ConfigError, match=f"at least 1 thread is needed, not {n}"):
        limit_threads(n)


def test_programs_find_it_at_the_root():
    assert polyhead.limit_threads is limit_threads


@pytest.mark.parametrize("n", [1, 3])
def test_a_thread_computes_with_its_own_number_and_all_others_as_before(n):
    before = torch.get_num_threads()
    seen = {}

    def own() -> None:
        limit_own_threads(n)
        seen["own"] = torch.get_num_threads()
        later = threading.Thread(target=lambda: seen.update(later=torch.get_num_threads()))
        later.start()
        later.join()

    thread = threading.Thread(target=own)
    thread.start()
    thread.join()
    assert seen == {"own": n, "later": before}
    assert torch.get_num_threads() == before
