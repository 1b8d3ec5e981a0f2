"""Adapters that reach beyond a token, or change how many there are, in one batch."""

import pytest
import torch

from polyhead.heads import ClassificationHeadConfig
from polyhead.testing import shaken, tiny_model

KINDS = {
    "prefix": "prefix[prefix_length=3,bottleneck_size=8]",
    "flat": "prefix_tuning_flat[prefix_length=7,leave_out=[0]]",
    "gated": "prefix[prefix_length=2,bottleneck_size=8,use_gating=true,shared_gating=false]",
    "prompt": "prompt[prompt_length=4]",
    "behind": "prompt[prompt_length=2,combine=prefix_after_bos,cls=prompt]",
    "loreft": "loreft[r=4,suffix_positions=2,dropout=0]",
    "direft": "direft[r=2,tied_weights=true,suffix_positions=1,dropout=0]",
    "bottleneck": "double_seq_bn",
    None: None,
}
ROWS = [[2, 9, 3], [2, 8, 7, 6, 12, 3], [5], [2, 11, 12, 13, 3, 14, 15, 16, 3]]


@pytest.fixture
def model():
    model = tiny_model()
    for number, (name, config) in enumerate(KINDS.items()):
        if name is not None:
            model.add_adapter(name, config)
            shaken(model.adapters[name], seed=number)
    model.add_head("topic", ClassificationHeadConfig(labels=("no", "yes"), dropout=0.0))
    shaken(model.heads["topic"], seed=99)
    return model


def batch():
    """Each text under each adapter, none beside another of its kind, padded."""
    pairs = [(row, name) for row in ROWS for name in KINDS]
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row, _ in pairs], True)
    return pairs, ids, (torch.arange(ids.shape[1]) < torch.tensor([[len(r)] for r, _ in pairs]))


def test_each_row_of_a_batch_is_what_it_is_alone(model):
    pairs, ids, mask = batch()
    names = [name for _, name in pairs]
    with torch.no_grad():
        mixed = model(ids, mask.long(), adapter_names=names, head="topic")
        for number, (row, name) in enumerate(pairs):
            alone = model(torch.tensor([row]), adapter_names=name, head="topic")
            states = mixed.last_hidden_state[number, : len(row)]
            torch.testing.assert_close(states, alone.last_hidden_state[0], atol=1e-5, rtol=0)
            torch.testing.assert_close(mixed.logits[number], alone.logits[0], atol=1e-5, rtol=0)


def test_gradients_of_one_batch_are_the_sum_of_those_apart(model):
    pairs, ids, mask = batch()
    names = [name for _, name in pairs]
    weights = torch.randn(len(pairs), 2)
    for adapter in model.adapters.values():
        adapter.train()

    def gradients(chosen):
        model.zero_grad()
        out = model(
            ids[chosen],
            mask[chosen].long(),
            adapter_names=[names[number] for number in chosen],
            head="topic",
        )
        (out.logits * weights[chosen]).sum().backward()
        return {
            f"{name}.{key}": weight.grad.clone()
            for name, adapter in model.adapters.items()
            for key, weight in adapter.named_parameters()
            if weight.grad is not None
        }

    together = gradients(list(range(len(pairs))))
    for name in model.adapters:
        apart = gradients([number for number, own in enumerate(names) if own == name])
        assert {key.split(".")[0] for key in apart} == {name}
        for key, gradient in apart.items():
            torch.testing.assert_close(gradient, together[key], atol=2e-5, rtol=1e-4)
