"""How much memory can still be had."""

import pytest

from polyhead.machine import free_memory, resident_memory

MEMINFO = "MemTotal:       32000000 kB\nMemFree:         1000000 kB\nMemAvailable:    3000000 kB\n"


def test_the_machine_has_what_is_available(put):
    assert free_memory(put("proc/meminfo", MEMINFO)) == 3_000_000 * 1024


def test_a_group_grants_less(put, in_group_v2):
    put("proc/meminfo", MEMINFO)
    root = in_group_v2(
        "/job",
        {
            "job/memory.max": "1000000\n",
            "job/memory.current": "700000\n",
            "job/memory.stat": "anon 500000\ninactive_file 150000\nactive_file 50000\n",
            "memory.max": "max\n",
            "memory.current": "900000\n",
        },
    )
    # what is only cached makes room
    assert free_memory(root) == 1_000_000 - 700_000 + 150_000


def test_a_group_of_version_1_grants_less(in_group_v1):
    files = {"memory.limit_in_bytes": "1000\n", "memory.usage_in_bytes": "1200\n"}
    assert free_memory(in_group_v1("memory", "/", files)) == 0


def test_nothing_is_told_where_the_system_tells_nothing(tmp_path):
    assert free_memory(tmp_path) is None
    assert resident_memory(tmp_path) is None


@pytest.mark.skipif(resident_memory() is None, reason="this system does not tell")
def test_this_process_is_in_memory():
    assert resident_memory() > 10_000_000
