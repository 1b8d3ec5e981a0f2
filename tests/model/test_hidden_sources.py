"""What a head reads: the last layer, one layer by its number, or a learned mix of all."""

import pytest
import torch

from polyhead.errors import ConfigError
from polyhead.heads import ClassificationHeadConfig
from polyhead.model import HeadCall
from polyhead.tokenizer import TextSettings
from polyhead.train import Trainer, TrainSettings

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
TEXTS = ["the cat sat", "the dog ran on the mat", "a good day"]


def config(**fields):
    return ClassificationHeadConfig(labels=("bad", "good"), **fields)


@pytest.fixture
def model(tiny_model, shake):
    """The same weights under heads that read different layers, and a mix."""
    for hidden in ("last", 0, 1, 2, 3, "mix"):
        tiny_model.add_head(f"h{hidden}", config(hidden=hidden), adapter=None)
        shake(tiny_model.heads[f"h{hidden}"], seed=0)
    weights = tiny_model.heads["hlast"].state_dict()
    for head in tiny_model.heads.values():
        head.load_state_dict(weights, strict=False)
    return tiny_model


def logits(model, head):
    return model(input_ids=IDS, attention_mask=MASK, head=head).logits


def test_the_last_layers_number_is_the_last_layer(model):
    torch.testing.assert_close(logits(model, "h3"), logits(model, "hlast"))
    assert (logits(model, "h2") - logits(model, "hlast")).abs().max() > 1e-3


def test_a_mix_that_is_all_one_layer_reads_that_layer(model):
    mix = model.heads["hmix"].mix
    for layer in range(4):
        with torch.no_grad():
            mix.weights.copy_(torch.where(torch.arange(4) == layer, 0.0, -1e4))
            mix.gain.fill_(1.0)
        torch.testing.assert_close(logits(model, "hmix"), logits(model, f"h{layer}"))


def test_heads_that_read_different_layers_share_one_batch(model):
    names = ["h1", "hmix", "h0", "hlast"]
    ids, mask = IDS[[0, 1, 0, 1]], MASK[[0, 1, 0, 1]]
    together = model(input_ids=ids, attention_mask=mask, head=names)
    for name, row, found in zip(names, (0, 1, 0, 1), together.rows, strict=True):
        torch.testing.assert_close(found, logits(model, name)[row])


@pytest.mark.parametrize("hidden", [1, "mix"])
def test_the_choice_survives_saving(model, make_model, hidden, tmp_path):
    model.save_head(f"h{hidden}", tmp_path / "head")
    other = make_model()
    name = other.load_head(tmp_path / "head", adapter=None)
    assert other.heads[name].config.hidden == hidden
    assert torch.equal(logits(other, name), logits(model, f"h{hidden}"))


def test_a_layer_that_is_not_there_is_refused(tiny_model):
    with pytest.raises(ConfigError, match="hidden=4 is no layer of this encoder; it has 1 to 3"):
        tiny_model.add_head("h", config(hidden=4))


def test_a_mix_learns(tiny_model):
    head = config(hidden="mix")
    tiny_model.add_task("t", head=head, adapter=None, text=TextSettings(max_length=16))
    example = tiny_model.heads["t"].Example
    train = [example(text=text, label=("bad", "good")[n % 2]) for n, text in enumerate(TEXTS)]
    Trainer(tiny_model, TrainSettings(lr=0.05, warmup_ratio=0)).fit("t", train)
    assert tiny_model.heads["t"].mix.weights.abs().max() > 0.01


def test_only_heads_that_ask_for_layers_are_given_them(model):
    """The others never keep a batch's layers alive."""
    seen = {}
    for name, head in model.heads.items():
        head.register_forward_pre_hook(
            lambda _, args, name=name: seen.setdefault(name, args[0].batch_layers)
        )
    [row] = model.tokenizer.rows(["the cat"])
    model.compute([HeadCall(name, (row,), (None,)) for name in ("hlast", "hmix")])
    assert seen == {"hlast": None, "hmix": None}


@pytest.mark.parametrize(
    ("heads", "expected"), [(["h0"], 0), (["h0", "h2"], 2), (["h1", "hlast"], 3), (["hmix"], 3)]
)
def test_layers_above_those_that_are_read_are_not_computed(model, heads, expected):
    computed = []
    for layer in model.encoder.layers:
        layer.register_forward_hook(lambda *_: computed.append(1))
    [row] = model.tokenizer.rows(["the cat"])
    outputs = model.compute([HeadCall(name, (row,), (None,)) for name in heads])
    assert len(computed) == expected
    for name, output in zip(heads, outputs, strict=True):
        ids = torch.tensor([row.ids])
        torch.testing.assert_close(output, model(input_ids=ids, head=name).logits)
