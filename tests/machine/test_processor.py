"""The processor's name."""

from polyhead.machine import processor_name


def test_the_first_processor_tells_its_name(put):
    cpuinfo = "processor\t: 0\nmodel name\t: Fast 3000 \nflags\t\t: avx2\n\nprocessor\t: 1\n"
    assert processor_name(put("proc/cpuinfo", cpuinfo)) == "Fast 3000"


def test_there_is_a_name_where_the_system_lists_none(tmp_path, put):
    assert processor_name(tmp_path)
    assert processor_name(put("proc/cpuinfo", "Features : asimd\n"))
