"""What the tests of conversion share: folders of the adapters library, and a model for them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from polyhead.model import DistilBertModelWithHeads

HUB = Path(__file__).parents[1] / "fixtures" / "adapterhub"


@pytest.fixture
def hub_model():
    """A model on the encoder of those folders."""
    return DistilBertModelWithHeads.from_pretrained(HUB / "backbone")


@pytest.fixture
def hub_copy(tmp_path):
    """Copies a folder, with other fields of its config and other tensors.

    `fields` and `outer` change the inner and the outer part of the adapter's or the head's JSON
    (None takes a field away), `rename` the tensors' names, `tensors` their values.
    """

    def make(name, *, part="adapter", fields=None, outer=None, rename=None, tensors=None, to="in"):
        folder = tmp_path / to
        shutil.copytree(HUB / name, folder)
        path = folder / f"{part}_config.json"
        held = json.loads(path.read_text())
        held["config"] = changed(held["config"], fields or {})
        path.write_text(json.dumps(changed(held, outer or {})))
        if rename is not None or tensors is not None:
            file = "adapter.safetensors" if part == "adapter" else "model_head.safetensors"
            own = load_file(folder / file)
            own = {(rename or str)(key): value for key, value in own.items()}
            save_file(changed(own, tensors or {}), folder / file)
        return folder

    return make


def changed(held, fields):
    """`held` with `fields`, without those that are None."""
    return {key: value for key, value in {**held, **fields}.items() if value is not None}


@pytest.fixture
def outputs_of():
    """What a model computes for the rows of `expected`."""

    @torch.no_grad()
    def compute(model, expected, adapter, head):
        return model(
            input_ids=expected["input_ids"],
            attention_mask=expected["attention_mask"],
            adapter_names=adapter,
            head=head,
        )

    return compute
