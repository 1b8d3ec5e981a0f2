"""Files of the `adapters` library, and what it computed with them."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polyhead.heads import ClassificationHeadConfig
from polyhead.model import DistilBertModelWithHeads

FIXTURES = Path(__file__).parents[1] / "fixtures" / "adapterhub"
HEAD_PARTS = {"1": "dense.0", "4": "out"}


class Recorded:
    """One folder of `fixtures/adapterhub`, with a backbone that gets its head.

    Attributes:
        fields: Of the adapter's config there.
        tensors: Of the adapter, by their names there.
        rows: The token ids of each text.
        states: The last hidden states of each text, prompts included.
        logits: Of all texts.
    """

    def __init__(self, folder):
        self.fields = json.loads((folder / "adapter_config.json").read_text())["config"]
        self.tensors = torch.load(folder / "pytorch_adapter.bin", weights_only=True)
        expected = load_file(folder / "expected.safetensors")
        mask = expected["attention_mask"].bool()
        self.rows = [row[kept] for row, kept in zip(expected["input_ids"], mask, strict=True)]
        more = expected["last_hidden_state"].shape[1] - mask.shape[1]
        self.states = [
            states[: len(row) + more]
            for states, row in zip(expected["last_hidden_state"], self.rows, strict=True)
        ]
        self.logits = expected["logits"]
        self.model = DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone")
        self.model.add_head("a", ClassificationHeadConfig(labels=("x", "y", "z"), pooling="cls"))
        head = torch.load(folder / "pytorch_model_head.bin", weights_only=True)
        state = {}
        for key, tensor in head.items():
            _, _, part, kind = key.split(".")
            state[f"{HEAD_PARTS[part]}.{kind}"] = tensor
        self.model.heads["a"].load_state_dict(state)

    def kept(self, config_class):
        """Those fields that a config of ours has too."""
        ours = config_class.model_fields
        return {name: value for name, value in self.fields.items() if name in ours}

    def computed(self, adapter):
        """The last hidden states of each text, and the logits, in one padded batch."""
        self.model.add_adapter("a", adapter.config)
        self.model.adapters["a"].load_state_dict(adapter.state_dict())
        ids = torch.nn.utils.rnn.pad_sequence(self.rows, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence(list(map(torch.ones_like, self.rows)), True)
        with torch.no_grad():
            out = self.model(input_ids=ids, attention_mask=mask, head="a")
        states = [
            one[: len(row)] for one, row in zip(out.last_hidden_state, self.rows, strict=True)
        ]
        return states, out.logits


@pytest.fixture
def recorded():
    """By a folder's name: what was recorded there."""
    return lambda name: Recorded(FIXTURES / name)
