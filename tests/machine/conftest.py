"""A machine on paper: processors, their cores, and the groups that limit a process."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

V1 = "31 23 0:29 / /sys/fs/cgroup/{0} rw - cgroup cgroup rw,{0}"
V2 = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"


@pytest.fixture
def put(tmp_path) -> Callable[[str, str], Path]:
    """Writes a file of the machine; returns the root of its files."""

    def write(path: str, content: str) -> Path:
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def processors(monkeypatch, put) -> Callable[..., Path]:
    """Lets this process run on some processors; returns the root of the machine's files."""

    def choose(*numbers: int, siblings: Mapping[int, str] | None = None) -> Path:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(numbers), raising=False)
        root = put("proc/self/mountinfo", "")
        for number, listed in (siblings or {}).items():
            root = put(f"sys/devices/system/cpu/cpu{number}/topology/core_cpus_list", f"{listed}\n")
        return root

    return choose


@pytest.fixture
def in_group_v2(put) -> Callable[..., Path]:
    """Puts this process into a group; the limits are files by their paths below the mount."""

    def enter(path: str, files: Mapping[str, str]) -> Path:
        put("proc/self/cgroup", f"0::{path}\n")
        for name, content in files.items():
            put(f"sys/fs/cgroup/{name}", content)
        return put("proc/self/mountinfo", f"{V2}\n")

    return enter


@pytest.fixture
def in_group_v1(put) -> Callable[..., Path]:
    """Likewise, in the hierarchy of one controller."""

    def enter(controller: str, path: str, files: Mapping[str, str]) -> Path:
        put("proc/self/cgroup", f"1:{controller}:{path}\n")
        for name, content in files.items():
            put(f"sys/fs/cgroup/{controller}/{name}", content)
        return put("proc/self/mountinfo", f"{V1.format(controller)}\n")

    return enter
