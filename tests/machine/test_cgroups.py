"""The control groups of a process, from files as Linux has them."""

import pytest

from polyhead.machine.cgroups import Cgroup, cgroups

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"


@pytest.fixture
def machine(tmp_path):
    """Writes what a process sees of its groups; returns the root of its files."""

    def make(own: str, *mounts: str):
        proc = tmp_path / "proc" / "self"
        proc.mkdir(parents=True)
        (proc / "cgroup").write_text(own)
        other = "25 23 0:23 / /proc rw,nosuid - proc proc rw"
        (proc / "mountinfo").write_text("\n".join([other, *mounts]) + "\n")
        return tmp_path

    return make


def folders(controller, root):
    return [f"/{cgroup.folder.relative_to(root)}" for cgroup in cgroups(controller, root)]


def test_every_group_up_to_the_root_counts(machine):
    root = machine("0::/user.slice/app.scope\n", V2)
    assert folders("cpu", root) == [
        "/sys/fs/cgroup/user.slice/app.scope",
        "/sys/fs/cgroup/user.slice",
        "/sys/fs/cgroup",
    ]
    assert {cgroup.version for cgroup in cgroups("cpu", root)} == {2}


def test_a_container_with_a_namespace_of_its_own_has_the_mount_alone(machine):
    assert folders("cpu", machine("0::/\n", V2)) == ["/sys/fs/cgroup"]


def test_a_group_outside_of_the_namespace_leaves_the_mount(machine):
    assert folders("cpu", machine("0::/../other\n", V2)) == ["/sys/fs/cgroup"]


def test_a_mounted_subtree_is_not_looked_for_below_itself(machine):
    mount = "31 30 0:29 /docker/4f2a /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct"
    root = machine("4:cpu,cpuacct:/docker/4f2a/inner\n0::/\n", mount)
    assert folders("cpu", root) == [
        "/sys/fs/cgroup/cpu,cpuacct/inner",
        "/sys/fs/cgroup/cpu,cpuacct",
    ]


def test_version_1_has_a_hierarchy_for_each_controller(machine):
    mounts = [
        f"3{number} 31 0:{number} / /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}"
        for number, name in enumerate(("cpu", "cpuset", "memory"))
    ]
    root = machine("3:cpuset:/\n2:memory:/a/b\n1:cpu:/c\n", *mounts)
    assert folders("cpu", root) == ["/sys/fs/cgroup/cpu/c", "/sys/fs/cgroup/cpu"]
    assert folders("memory", root) == [
        *("/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/memory/a"),
        "/sys/fs/cgroup/memory",
    ]
    assert {cgroup.version for cgroup in cgroups("cpu", root)} == {1}


def test_a_place_with_a_space_is_found(machine):
    mount = r"30 23 0:26 / /mnt/c\040g rw - cgroup2 cgroup2 rw"
    assert folders("cpu", machine("0::/\n", mount)) == ["/mnt/c g"]


def test_a_system_without_groups_has_none(tmp_path):
    assert list(cgroups("cpu", tmp_path)) == []


def test_files_that_say_no_number_limit_nothing(tmp_path):
    cgroup = Cgroup(tmp_path, 2)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("4096\n")
    (tmp_path / "empty").write_text("")
    assert cgroup.number("memory.max") is None
    assert cgroup.number("memory.current") == 4096
    assert cgroup.number("empty") is None
    assert cgroup.number("absent") is None
