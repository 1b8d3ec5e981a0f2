"""What a run keeps."""

import pytest

from benchmarks.speed import results
from benchmarks.speed.rounds import Contender, Measured


def test_an_entry_has_every_figure_and_counts_adapters():
    spec = {"adapters": ["seq_bn", "lora", "seq_bn"], "choice": [0, 1, 2], "batch": 32}
    entry = results.as_entry(Contender("ours", "polyhead", spec), Measured([3.0, 1.0, 2.0]))
    assert entry["figures"] == [3.0, 1.0, 2.0]
    assert entry["median"] == 2.0
    assert entry["spec"] == {"adapters": {"seq_bn": 2, "lora": 1}, "batch": 32}


@pytest.mark.parametrize(("share", "words"), [(0.04, "at most 4 %"), (0.4, "up to 40 %")])
def test_what_others_took_is_said(share, words):
    told = results.disturbance({"ours": Measured([1.0], others=[0.0, share])})
    assert words in told
    assert ("too low" in told) == (share > 0.1)
