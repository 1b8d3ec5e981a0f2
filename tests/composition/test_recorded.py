"""Adapters of the `adapters` library, put together, give what it computed with them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polyhead import Fuse, Stack
from polyhead.convert.converting import load_foreign
from polyhead.model import DistilBertModelWithHeads

FIXTURES = Path(__file__).parents[1] / "fixtures" / "adapterhub"


@pytest.mark.parametrize(
    ("folder", "parts", "setup"),
    [("stack", ["a", "b"], Stack("a", "b")), ("fusion", ["."], Fuse("a", "b"))],
    ids=["stack", "fusion"],
)
def test_a_block_gives_what_that_library_gave(folder, parts, setup):
    model = DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone")
    for part in parts:
        load_foreign(model, FIXTURES / folder / part)
    expected = load_file(FIXTURES / folder / "expected.safetensors")
    ids, mask = expected["input_ids"], expected["attention_mask"]
    with torch.no_grad():
        found = model(ids, mask, adapter_names=setup, head="a")
        single = model(ids, mask, adapter_names="a", head="a")
    tokens = mask.bool()
    states = expected["last_hidden_state"][tokens]
    torch.testing.assert_close(found.last_hidden_state[tokens], states, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.logits, expected["logits"], atol=1e-5, rtol=0)
    assert (single.last_hidden_state[tokens] - states).abs().max() > 1e-3
