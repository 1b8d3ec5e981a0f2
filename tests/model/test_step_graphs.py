"""A model whose encoder records its steps gives the answers that it gives without."""

import random

import pytest
import torch

import polyhead as ph
from polyhead.batch import Row
from polyhead.model import HeadCall

KINDS = {
    "seq": "seq_bn[reduction_factor=4]",
    "double": "double_seq_bn[reduction_factor=8]",
    "upper": "seq_bn[leave_out=[0,1]]",
    "par": "par_bn",
    "gated": "seq_bn[use_gating=true]",
    "nice": "seq_bn_inv",
    "lora": "lora[r=4]",
    "lora_all": "lora[modules=(q,k,v,out,lin1,lin2),r=2]",
    "ia3": "ia3",
    "prefix": "prefix_tuning_flat[prefix_length=5]",
    "prompt": "prompt_tuning[prompt_length=2]",
    "reft": "loreft",
    "mam": "prefix_tuning[prefix_length=2,bottleneck_size=8]|par_bn",
}
SETUPS = [
    None,
    *KINDS,
    ph.Stack("seq", "double"),
    ph.Average({"seq": 0.7, "lora": -0.4}),
    ph.Split("double", "ia3", splits=(1, None)),
]


@pytest.fixture(scope="module")
def model(make_model, shake):
    model = make_model()
    for number, (name, config) in enumerate(KINDS.items()):
        model.add_adapter(name, config)
        shake(model.adapters[name], seed=number)
    labels = ("a", "b")
    for hidden in ("last", "mix"):
        config = ph.ClassificationHeadConfig(labels=labels, hidden=hidden)
        model.add_head(hidden, config, adapter=None)
        shake(model.heads[hidden])
    return model


NOT_EVERYWHERE = [None, "seq", "double", "upper", "par", "gated", "nice", "prompt", "reft", "lora"]
"""Some steps are left to be recorded, whichever of them are in a batch."""


def asked(chance, model, setups, n_texts, n_rows):
    """Rows under some setups, so that texts are shared and part on the way."""
    size = model.shape.vocab_size
    texts = [
        Row(tuple(chance.choices(range(size), k=chance.choice([1, 2, 7, 30, 100]))))
        for _ in range(n_texts)
    ]
    return [(chance.choice(texts), chance.choice(setups)) for _ in range(n_rows)]


@pytest.mark.parametrize("head", ["last", "mix"])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 12), (20, 60)], ids=str)
@pytest.mark.parametrize("setups", [NOT_EVERYWHERE, SETUPS], ids=["some", "all"])
@torch.inference_mode()
def test_any_adapters_on_shared_texts(model, replay_steps, head, sizes, setups):
    chance = random.Random(sum(sizes))  # noqa: S311 - which rows, not a secret
    calls = [HeadCall(head, *zip(*asked(chance, model, setups, *sizes), strict=True))]
    [known] = model.compute(calls)
    recorder = replay_steps(model.encoder, max_tokens=10_000)
    try:
        for _ in range(2):
            [found] = model.compute(calls)
            torch.testing.assert_close(found, known, atol=1e-5, rtol=1e-4)
    finally:
        model.encoder.release_graphs()
    assert recorder.replays or setups is SETUPS


@torch.inference_mode()
def test_each_setup_alone(model, replay_steps):
    rows = (Row((1, 2, 3)), Row((4,)), Row((5, 6)))
    replay_steps(model.encoder)
    try:
        for setup in SETUPS:
            call = HeadCall("last", rows, (setup,) * 3)
            graphs, model.encoder._graphs = model.encoder._graphs, None
            [known] = model.compute([call])
            model.encoder._graphs = graphs
            [found] = model.compute([call])
            torch.testing.assert_close(found, known, atol=1e-5, rtol=1e-4)
    finally:
        model.encoder.release_graphs()


def test_training_goes_on_without(model, replay_steps):
    recorder = replay_steps(model.encoder)
    try:
        [output] = model.compute([HeadCall("last", (Row((1, 2)),), ("seq",))])
        output.sum().backward()
    finally:
        model.encoder.release_graphs()
    assert recorder.runs == 0
    assert model.adapters["seq"].ffn["0"].down.weight.grad is not None
    model.zero_grad()
