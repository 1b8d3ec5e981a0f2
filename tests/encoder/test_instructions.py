"""What a processor has follows from what Linux tells of it, and elsewhere from torch."""

import platform

import pytest
import torch

from polyhead.encoder import instructions
from polyhead.encoder.instructions import has_bfloat16_products, has_whole_dot_products

X86 = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu sse2 avx2 {}\nbugs\t\t: none\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd {}\nCPU part\t: 0xd40\n"


@pytest.fixture
def cpuinfo(tmp_path):
    """Writes what Linux tells."""

    def written(text):
        path = tmp_path / "cpuinfo"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


@pytest.fixture(autouse=True)
def silent_torch(monkeypatch):
    """Nothing but the file tells."""
    monkeypatch.setattr(instructions, "_torch_says", lambda name: False)
    instructions._flags.cache_clear()
    yield
    instructions._flags.cache_clear()


@pytest.mark.parametrize(
    ("text", "has_whole", "has_bfloat16"),
    [
        (X86.format(""), False, False),
        (X86.format("avx512f avx512bw"), False, False),
        (X86.format("avx512_vnni"), True, False),
        (X86.format("avx_vnni"), True, False),
        (X86.format("avx512_vnni avx512_bf16"), True, True),
        (X86.format("amx_bf16 amx_tile amx_int8"), True, True),
        (ARM.format(""), False, False),
        (ARM.format("asimddp"), True, False),
        (ARM.format("asimddp i8mm bf16"), True, True),
    ],
)
def test_features_are_read(cpuinfo, text, has_whole, has_bfloat16):
    path = cpuinfo(text)
    assert has_whole_dot_products(path) is has_whole
    assert has_bfloat16_products(path) is has_bfloat16


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "flags",
        "flags :",
        "vendor_id: avx512_vnni avx512_bf16\n",
        "flags: xavx512_vnni avx512_bf16x\n",
        b"\xff\xfe\x00flags: avx512_vnni\n",
    ],
    ids=repr,
)
def test_what_tells_nothing_is_no_feature(cpuinfo, text):
    path = cpuinfo(text)
    assert not has_whole_dot_products(path)
    assert not has_bfloat16_products(path)


def test_bytes_that_are_no_text_do_not_hide_the_rest(cpuinfo):
    assert has_whole_dot_products(cpuinfo(b"model name: \xff\xfe\nflags: avx512_vnni\n"))


def test_the_first_processor_speaks_for_all(cpuinfo):
    assert not has_whole_dot_products(cpuinfo(X86.format("") + X86.format("avx512_vnni")))


def test_no_file_is_no_feature(tmp_path):
    assert not has_whole_dot_products(tmp_path / "none")
    assert not has_bfloat16_products(tmp_path)


@pytest.mark.parametrize("machine", ["x86_64", "AMD64", "arm64", "riscv64"])
def test_torch_speaks_for_x86_processors_elsewhere(monkeypatch, tmp_path, machine):
    monkeypatch.undo()
    monkeypatch.setattr(platform, "machine", lambda: machine)
    for name in ("_is_vnni_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: True, raising=False)
    is_x86 = machine in {"x86_64", "AMD64"}
    assert has_whole_dot_products(tmp_path / "none") is is_x86
    assert has_bfloat16_products(tmp_path / "none") is is_x86


def test_a_torch_that_does_not_say_has_no_feature(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    for name in ("_is_vnni_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, None, raising=False)
    assert not has_whole_dot_products(tmp_path / "none")
    assert not has_bfloat16_products(tmp_path / "none")
