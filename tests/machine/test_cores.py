"""How many processors a process may use."""

import os

import pytest

from polyhead.machine import usable_cores, usable_processors


def test_processors_count_where_nothing_else_is_known(processors):
    assert usable_cores(processors(0, 3, 5)) == 3


def test_hyperthreads_of_a_core_count_once(processors):
    root = processors(0, 1, 2, 3, siblings={0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"})
    assert usable_cores(root) == 2
    assert usable_processors(root) == 4


def test_a_core_counts_where_only_one_of_its_hyperthreads_may_be_used(processors):
    root = processors(0, 1, 3, siblings={0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"})
    assert usable_cores(root) == 2


def test_the_older_name_of_the_topology_is_read(processors, put):
    for number in (0, 1):
        put(f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list", "0-1\n")
    assert usable_cores(processors(0, 1)) == 1


@pytest.mark.parametrize(
    ("quota", "n"),
    [
        ("max 100000", 8),
        ("400000 100000", 4),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("1600000 100000", 8),
        ("damaged", 8),
    ],
)
def test_time_that_is_granted_is_rounded_up_to_whole_cores(quota, n, processors, in_group_v2):
    processors(*range(8))
    root = in_group_v2("/", {"cpu.max": f"{quota}\n"})
    assert usable_cores(root) == n
    assert usable_processors(root) == n


def test_the_tightest_group_holds(processors, in_group_v2):
    processors(*range(16))
    files = {
        "a/b/cpu.max": "max 100000\n",
        "a/cpu.max": "300000 100000\n",
        "cpu.max": "500000 100000\n",
    }
    assert usable_cores(in_group_v2("/a/b", files)) == 3


@pytest.mark.parametrize(("quota_us", "n"), [("-1", 8), ("250000", 5), ("0", 8)])
def test_version_1_has_quota_and_period_in_two_files(quota_us, n, processors, in_group_v1):
    processors(*range(8))
    files = {"job/cpu.cfs_quota_us": f"{quota_us}\n", "job/cpu.cfs_period_us": "50000\n"}
    assert usable_cores(in_group_v1("cpu", "/job", files)) == n


def test_a_system_that_does_not_tell_has_all_its_processors(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores(tmp_path) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores(tmp_path) == 1


def test_this_process_may_use_some():
    assert 1 <= usable_cores() <= usable_processors() <= (os.cpu_count() or 1)
