"""Memory that is freed is kept at hand, so that its pages need not be cleared anew."""

import platform
import subprocess
import sys

import pytest
import torch

from polyhead.encoder import DistilBertConfig, Encoder, freed_memory
from polyhead.encoder.freed_memory import keep_freed_memory

# pages that are taken anew while the tensors of a layer come and go, 24 MB of them
FRESH_PAGES = """
import resource
import torch
from polyhead.encoder.freed_memory import keep_freed_memory

def taken(n_layers):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(n_layers):
        tensors = [torch.empty(4 << 20, dtype=torch.uint8).fill_(1) for _ in range(6)]
        del tensors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

taken(5)
print(taken(20))
with torch.device("meta"):  # as a checkpoint is loaded
    keep_freed_memory()
taken(5)
print(taken(20))
"""


@pytest.fixture
def blocks(monkeypatch):
    """The blocks that are asked for, and afresh whether they were."""
    made, empty = [], torch.empty

    def counted(*sizes, **options):
        made.append((sizes, options))
        return empty(*sizes, **options)

    monkeypatch.setattr(freed_memory.torch, "empty", counted)
    keep_freed_memory.cache_clear()
    yield made
    keep_freed_memory.cache_clear()


def test_a_block_is_made_once_for_all_encoders(blocks):
    keep_freed_memory()
    keep_freed_memory()
    assert len(blocks) == 1


def test_an_encoder_that_is_made_without_memory_makes_the_block_too(blocks):
    config = DistilBertConfig(vocab_size=8, dim=8, n_heads=2, hidden_dim=8, n_layers=1)
    with torch.device("meta"):  # as a checkpoint is loaded
        Encoder(config)
    sizes = [(sizes, options) for sizes, options in blocks if options.get("dtype") is torch.uint8]
    assert sizes == [((32 * 2**20 - 2**16,), {"dtype": torch.uint8, "device": "cpu"})]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do otherwise")
def test_pages_are_not_taken_anew(monkeypatch):
    for name in ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run(
        [sys.executable, "-c", FRESH_PAGES], capture_output=True, text=True, check=True
    )
    without, kept = map(int, done.stdout.split())
    assert kept <= without / 10  # both are 0 where something else has had such a block
