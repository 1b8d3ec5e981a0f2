"""What a pass sends to a device is sent once, and nothing waits for the device's answer.

torch's meta device stands for a GPU: it has no numbers, so whoever looks at one fails.
"""

import random

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import polyhead as ph
from polyhead.batch import Packed, Row
from polyhead.composition import Split, Stack, split
from polyhead.encoder import auto_attention
from polyhead.errors import InputError
from polyhead.model import HeadCall

META = torch.device("meta")
COPIES = (torch.ops.aten._to_copy, torch.ops.aten.to)  # the latter in inference mode
KINDS = {
    "s": "seq_bn",
    "d": "double_seq_bn",
    "gated": "seq_bn[use_gating=true]",
    "lora": "lora",
    "prefix": "prefix_tuning_flat",
    "prompt": "prompt_tuning",
    "reft": "loreft",
    "ia3": "ia3",
    "inv": "seq_bn_inv",
}
SETUPS = [None, *KINDS, Stack("s", "d"), Split("s", "lora", splits=(1, None))]


class Sent(TorchDispatchMode):
    """Counts the tensors that are copied from the CPU to the meta device."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if func.overloadpacket in COPIES and found.is_meta and not args[0].is_meta:
            self.shapes.append(tuple(found.shape))
        return found


def make(n_layers):
    config = ph.DistilBertConfig(
        vocab_size=100, dim=32, n_heads=2, hidden_dim=48, n_layers=n_layers
    )
    model = ph.DistilBertModelWithHeads.from_config(config)
    labels = ("a", "b")
    for pooling in ("cls", "mean"):
        head = ph.ClassificationHeadConfig(labels=labels, pooling=pooling)
        model.add_head(pooling, head, adapter=None)
    for name, kind in KINDS.items():
        model.add_adapter(name, kind)
    return model.to(META)


def sent_by(model, setups, n_texts=9):
    split._cut.cache_clear()  # it lasts longer than a pass
    chance = random.Random(0)  # noqa: S311 - which rows, not a secret
    rows = [Row(tuple(chance.choices(range(100), k=chance.randint(2, 9)))) for _ in range(n_texts)]
    asked = [(row, chance.choice(setups)) for row in rows]
    calls = [HeadCall(head, *zip(*asked, strict=True)) for head in ("cls", "mean")]
    with torch.inference_mode(), Sent() as sent:
        outputs = model.compute(calls)
    assert all(output.is_meta for output in outputs)
    return sent.shapes


@pytest.mark.parametrize("setups", [[setup] for setup in SETUPS] + [SETUPS], ids=str)
def test_no_layer_sends_anything_or_looks_at_numbers(setups):
    few, many = (sent_by(make(n_layers), setups) for n_layers in (2, 5))
    assert few == many


def test_ids_and_positions_are_one_copy_for_the_pass():
    n_tokens, n_texts = 51, 9
    of_pass, of_cls, *of_mean = sent_by(make(2), [None], n_texts)
    assert of_pass == (2, n_tokens)
    assert of_cls == (n_texts,)
    # where its rows lie in the batch, the row of each token, and the tokens of each row
    assert sorted(of_mean) == [(n_texts,), (n_tokens,), (n_tokens,)]


def test_the_flash_kernel_gets_bounds_that_were_sent_once(monkeypatch):
    seen = []

    def kernel(query, key, value, *bounds):
        seen.append(bounds)
        return torch.empty_like(query)

    monkeypatch.setattr(auto_attention, "fitting_kernel", lambda *_: kernel)
    monkeypatch.setattr(ph.encoder.Encoder, "_attends", attends_as_on_a_gpu)
    for setups in ([None], ["prefix"], ["prefix", None, "lora"]):
        few, many = (sent_by(make(n_layers), setups) for n_layers in (2, 5))
        assert few == many
    starts = {id(bounds[0]) for bounds in seen}
    assert len(seen) == 3 * 7
    assert len(starts) == 6


def attends_as_on_a_gpu(self, packing, **_):
    attend = auto_attention.AutoAttention(packing, META)
    return lambda _: attend


def test_ids_and_lengths_are_looked_at_before_they_are_sent():
    encoder = make(2).encoder
    encoder(Packed.of([Row((1, 99))], META))
    for wrong, message in {(100,): "token id 100 is outside", (1,) * 600: "600 positions"}.items():
        with pytest.raises(InputError, match=message):
            encoder(Packed.of([Row((1, 2)), Row(wrong)], META))
