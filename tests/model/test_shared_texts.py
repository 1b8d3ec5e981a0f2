"""Texts that several adapters read: shared work changes no answer."""

import random

import pytest
import torch

import polyhead as ph
from polyhead.batch import Row
from polyhead.model import HeadCall

KINDS = {
    "s": "seq_bn",
    "d": "double_seq_bn",
    "upper": "seq_bn[leave_out=[0,1]]",
    "lora": "lora",
    "upper_lora": "lora[leave_out=[0]]",
    "lin": "lora[modules=['lin1','lin2']]",
    "prefix": "prefix_tuning_flat",
    "prompt": "prompt_tuning",
    "inv": "seq_bn_inv",
    "ia3": "ia3",
    "reft": "loreft",
    "parallel": "par_bn",
    "mam": "mam",
}
SETUPS = [None, *KINDS, ph.Stack("s", "d"), ph.Stack("upper", "upper_lora")]
N_LAYERS = 3


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = ph.DistilBertConfig(
        vocab_size=100, dim=32, n_heads=2, hidden_dim=48, n_layers=N_LAYERS
    )
    model = ph.DistilBertModelWithHeads.from_config(config)
    labels = ("a", "b")
    model.add_head("last", ph.ClassificationHeadConfig(labels=labels), adapter=None)
    model.add_head("mix", ph.ClassificationHeadConfig(labels=labels, hidden="mix"), adapter=None)
    for name, config in KINDS.items():
        model.add_adapter(name, config)
        for parameter in model.adapters[name].parameters():
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def texts(chance):
    return [Row(tuple(chance.choices(range(100), k=chance.randint(1, 8)))) for _ in range(5)]


@pytest.mark.parametrize("head", ["last", "mix"])
@pytest.mark.parametrize("seed", range(8))
@torch.inference_mode()
def test_answers_are_those_of_each_row_alone(model, head, seed):
    chance = random.Random(seed)  # noqa: S311 - which rows, not a secret
    known = texts(chance)
    asked = [(chance.choice(known), chance.choice(SETUPS)) for _ in range(chance.randint(2, 30))]
    rows, setups = zip(*asked, strict=True)
    [together] = model.compute([HeadCall(head, rows, setups)])
    for number, (row, setup) in enumerate(asked):
        [alone] = model.compute([HeadCall(head, (row,), (setup,))])
        torch.testing.assert_close(together[number], alone[0], atol=1e-5, rtol=1e-4)


def test_gradients_are_those_of_each_row_alone(model):
    chance = random.Random(3)  # noqa: S311
    [row, *_] = texts(chance)
    setups = ("s", "upper", "lora", "mam", None)

    def gradients(calls):
        model.zero_grad()
        for call in calls:
            [output] = model.compute([call])
            output.square().sum().backward()
        return {
            name: parameter.grad.clone()
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        }

    together = gradients([HeadCall("last", (row,) * len(setups), setups)])
    alone = gradients([HeadCall("last", (row,), (setup,)) for setup in setups])
    assert together.keys() == alone.keys()
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, alone[name], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("setups", "n_rows"),
    [
        (("s", "d", None), [1, 3, 3]),  # both act in the first layer, behind its attention
        (("upper", None), [1, 1, 1]),  # acts in the last layer alone, behind its network
        (("s", "prompt"), [2, 2, 2]),  # a prompt is there from the start
        (("s", "s", None, None), [1, 2, 2]),
    ],
)
@torch.inference_mode()
def test_what_adapters_have_in_common_is_computed_once(model, monkeypatch, setups, n_rows):
    found = []
    for layer in model.encoder.layers:
        step = layer.attention.forward

        def counted(hidden, rows, taps, step=step):
            found.append(rows.packing.n_rows)
            return step(hidden, rows, taps)

        monkeypatch.setattr(layer.attention, "forward", counted)
    row = Row((5, 6, 7))
    model.compute([HeadCall("last", (row,) * len(setups), setups)])
    assert found == n_rows
