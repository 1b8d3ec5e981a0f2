"""Adapters that only read: what a head sees, what is computed once, and where gradients go."""

import itertools

import pytest
import torch
from torch import nn

from polyhead.batch import Row
from polyhead.contracts import AdapterConfig, SideAdapter
from polyhead.distilbert import DistilBertModel
from polyhead.errors import ContractError
from polyhead.heads import ClassificationHeadConfig
from polyhead.model import HeadCall
from polyhead.registry import registry

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 3, 0], [2, 7, 9, 3], [2, 12, 13, 3]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]])
EXACT = {"atol": 1e-5, "rtol": 0}


class MixConfig(AdapterConfig):
    leaves_out: tuple[int, ...] = ()


class Mix(SideAdapter):
    """The highest layer, shares of all of them, and of the row's mean of the embeddings."""

    kind = "test_mix"
    Config = MixConfig

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.shares = nn.Parameter(torch.linspace(-1, 1, shape.n_layers + 1))
        self.n_reads = 0

    def reads(self, depth):
        return [layer for layer in range(depth + 1) if layer not in self.config.leaves_out]

    def read(self, layers, packing):
        self.n_reads += 1
        states = [layers[number] for number in self.reads(len(layers) - 1)]
        read = torch.zeros_like(states[-1])
        for state, share in zip(states, self.shares, strict=False):
            read = read + share * state
        return read + packing.mean(states[0])[packing.row_of_token]


@pytest.fixture(autouse=True)
def kinds():
    record = registry().try_out(Mix)
    yield
    registry().forget(record)


def labels(hidden="last"):
    return ClassificationHeadConfig(labels=("bad", "good"), hidden=hidden)


@pytest.fixture
def model(tiny_model, shake):
    """Side adapters a and b, a tapped one, and heads that read several layers."""
    for name in ("a", "b"):
        tiny_model.add_adapter(name, MixConfig())
    tiny_model.add_adapter("tapped", "seq_bn[reduction_factor=4]")
    for hidden in ("last", 0, 2, "mix"):
        tiny_model.add_head(f"h{hidden}", labels(hidden), adapter="a")
    parts = (*tiny_model.adapters.values(), *tiny_model.heads.values())
    for number, part in enumerate(parts):
        shake(part, seed=number)
    return tiny_model


@pytest.fixture
def passes(model):
    """The number of rows of each pass through the encoder."""
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].packing.n_rows))
    return seen


def states(model, adapters, **arguments):
    """Layers of the padded batch under `adapters`, without a head."""
    return model(
        input_ids=IDS,
        attention_mask=MASK,
        adapter_names=adapters,
        head=None,
        output_hidden_states=True,
        **arguments,
    )


def slow(model, name, depth):
    """What the adapter makes of each row of the batch, written out row by row."""
    bare = states(model, None).hidden_states
    adapter = model.adapters[name]
    rows = []
    for row, n_tokens in enumerate(MASK.sum(dim=1).tolist()):
        layers = [layer[row, :n_tokens] for layer in bare[: depth + 1]]
        read = sum(s * h for s, h in zip(adapter.shares, layers, strict=False))
        rows.append(read + layers[0].mean(dim=0))
    return rows


def test_a_head_on_the_last_layer_reads_what_the_adapter_made(model):
    out = states(model, "a")
    for row, expected in enumerate(slow(model, "a", 3)):
        found = out.last_hidden_state[row, : len(expected)]
        torch.testing.assert_close(found, expected, **EXACT)
        assert out.last_hidden_state[row, len(expected) :].abs().sum() == 0


def test_it_stands_in_the_place_of_the_last_layer_and_of_no_other(model):
    bare, beside = states(model, None), states(model, "a")
    assert len(beside.hidden_states) == 4
    for layer in range(3):
        torch.testing.assert_close(beside.hidden_states[layer], bare.hidden_states[layer])
    assert torch.equal(beside.hidden_states[-1], beside.last_hidden_state)


@pytest.mark.parametrize("depth", [0, 2])
def test_a_head_on_a_lower_layer_reads_what_it_makes_of_the_layers_up_to_there(model, depth):
    seen = []
    head = model.heads[f"h{depth}"]
    head.register_forward_pre_hook(lambda _, args: seen.append(args[0].tokens))
    model(input_ids=IDS, attention_mask=MASK, head=f"h{depth}")
    expected = torch.cat(slow(model, "a", depth))
    torch.testing.assert_close(seen[0], expected, **EXACT)


def test_a_mix_reads_it_as_the_highest_of_all_layers(model):
    seen = []
    model.heads["hmix"].mix.register_forward_pre_hook(lambda _, args: seen.extend(args[0]))
    model(input_ids=IDS, attention_mask=MASK, head="hmix")
    torch.testing.assert_close(seen[-1], torch.cat(slow(model, "a", 3)), **EXACT)
    bare = states(model, None).hidden_states[1][MASK.bool()]
    torch.testing.assert_close(seen[1], bare, **EXACT)


def test_a_mixed_batch_equals_row_by_row_runs(model):
    heads = ["hlast", "h0", "h2", "hmix"]
    for adapters in itertools.permutations(["a", "b", "tapped", None]):
        together = model(
            input_ids=IDS, attention_mask=MASK, adapter_names=list(adapters), head=heads
        )
        for row, (adapter, head) in enumerate(zip(adapters, heads, strict=True)):
            alone = model(
                input_ids=IDS[row : row + 1],
                attention_mask=MASK[row : row + 1],
                adapter_names=adapter,
                head=head,
            )
            torch.testing.assert_close(together.rows[row], alone.logits[0], **EXACT)
            torch.testing.assert_close(
                together.last_hidden_state[row], alone.last_hidden_state[0], **EXACT
            )


@pytest.mark.parametrize("head", ["hlast", "h2", "hmix"])
def test_one_head_may_have_rows_of_every_kind(model, head):
    adapters = ["a", "tapped", "b", None]
    together = model(input_ids=IDS, attention_mask=MASK, adapter_names=adapters, head=head)
    for row, adapter in enumerate(adapters):
        alone = model(
            input_ids=IDS[row : row + 1],
            attention_mask=MASK[row : row + 1],
            adapter_names=adapter,
            head=head,
        )
        torch.testing.assert_close(together.rows[row], alone.logits[0], **EXACT)


def test_attention_weights_are_those_of_each_row(model):
    adapters = ["a", "tapped", "b", None]
    together = states(model, adapters, output_attentions=True).attentions
    for row, adapter in enumerate(adapters):
        alone = model(
            input_ids=IDS[row : row + 1],
            attention_mask=MASK[row : row + 1],
            adapter_names=adapter,
            head=None,
            output_attentions=True,
        ).attentions
        torch.testing.assert_close(together[-1][row], alone[-1][0], **EXACT)


def test_hidden_states_are_returned_only_where_they_are_asked_for(model):
    assert model(input_ids=IDS, attention_mask=MASK, head="hlast").hidden_states is None


def test_any_number_of_side_adapters_share_one_pass_with_bare_rows(model, passes, make_model):
    row, other = Row((2, 7, 9, 3)), Row((2, 11, 3))
    calls = [HeadCall("hlast", (row, other), (name, name)) for name in ("a", "b", None)]
    model.compute(calls)
    assert passes == [2]
    model.compute([HeadCall("hlast", (row, row), ("a", "tapped"))])
    # one row enters for both: what acts behind it starts at a copy
    assert passes == [2, 1]


def test_an_adapter_reads_a_row_once_for_all_heads_of_one_depth(model):
    row = Row((2, 7, 9, 3))
    calls = [HeadCall(head, (row,), ("a",)) for head in ("hlast", "hmix", "h2")]
    model.compute(calls)
    assert model.adapters["a"].n_reads == 2  # up to the last layer, and up to the second


def test_adapters_that_read_the_same_rows_are_asked_together(model, monkeypatch):
    asked = []

    def read_many(adapters, layers, packing):
        asked.append(len(adapters))
        return [adapter.read(layers, packing) for adapter in adapters]

    monkeypatch.setattr(Mix, "read_many", read_many)
    row, other = Row((2, 7, 9, 3)), Row((2, 11, 3))
    calls = [HeadCall("hlast", (row, other), (name, name)) for name in ("a", "b")]
    together = model.compute(calls)
    assert asked == [2]
    for call, found in zip(calls, together, strict=True):
        [expected] = model.compute([call])
        torch.testing.assert_close(found, expected, **EXACT)
    model.compute([HeadCall("hlast", (row, other), ("a", "b"))])
    assert asked == [2]


def test_layers_that_are_not_read_need_not_be_there(tiny_model):
    tiny_model.add_adapter("c", MixConfig(leaves_out=(1, 3)))
    tiny_model.add_head("c", labels())
    seen = []
    adapter = tiny_model.adapters["c"]
    read = adapter.read
    adapter.read = lambda layers, packing: seen.extend(layers) or read(layers, packing)
    out = tiny_model(input_ids=IDS, attention_mask=MASK, head="c")
    assert [bool(layer.isnan().all()) for layer in seen] == [False, True, False, True]
    assert seen[1].shape == seen[0].shape
    assert out.logits.isfinite().all()


def test_gradients_reach_the_adapters_and_heads_alone(model):
    model.train()
    adapters = ["a", "tapped", "b", None]
    out = model(
        input_ids=IDS,
        attention_mask=MASK,
        adapter_names=adapters,
        head="hlast",
        labels=torch.tensor([0, 1, 1, 0]),
    )
    out.loss.backward()
    changed = {name.split(".")[1] for name, w in model.named_parameters() if w.grad is not None}
    assert changed == {"a", "b", "tapped", "hlast"}


def test_no_gradient_flows_through_the_encoder_even_beside_tapped_rows(model):
    """Whatever a side adapter is given has no history, though other rows of the batch have one."""
    seen = []
    for name in ("a", "b"):
        adapter = model.adapters[name]
        read = adapter.read
        adapter.read = lambda layers, packing, read=read: (
            seen.extend(layers) or read(layers, packing)
        )
    embeds = model.encoder.word_embeddings(IDS).requires_grad_()
    out = model(
        inputs_embeds=embeds,
        attention_mask=MASK,
        adapter_names=["a", "tapped", "b", "tapped"],
        head="hlast",
    )
    assert seen
    assert not any(layer.requires_grad for layer in seen)
    out.rows[0].sum().backward(retain_graph=True)
    assert embeds.grad is None or embeds.grad.abs().sum() == 0
    out.rows[1].sum().backward()
    assert embeds.grad[1].abs().sum() > 0


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (lambda layers: layers[-1][:2], r"shape \(2, 32\) and type torch.float32; it must"),
        (lambda layers: layers[-1].double(), r"type torch.float64; it must return a tensor of"),
        (lambda _: None, "returned a NoneType; it must return"),
        (lambda layers: layers[99], "failed with IndexError: tuple index out of range"),
    ],
)
def test_what_a_side_adapter_returns_is_checked(model, returned, told):
    model.adapters["a"].read = lambda layers, _: returned(layers)
    with pytest.raises(ContractError, match=f"read of the adapter kind 'test_mix' of .*{told}"):
        model(input_ids=IDS, attention_mask=MASK, head="hlast")


def test_what_adapters_together_return_is_counted(model, monkeypatch):
    monkeypatch.setattr(Mix, "read_many", lambda adapters, layers, _: layers[-1:])
    row = Row((2, 7, 9, 3))
    with pytest.raises(ContractError, match=r"returned 1 for several; .* each of 2 adapters"):
        model.compute([HeadCall("hlast", (row,), (name,)) for name in ("a", "b")])


def test_a_task_with_a_side_adapter_is_saved_and_loaded(model, make_model, tmp_path):
    model.save_adapter("a", tmp_path / "a")
    model.save_head("hlast", tmp_path / "h")
    other = make_model()
    other.load_adapter(tmp_path / "a")
    other.load_head(tmp_path / "h", adapter="a")
    found = other(input_ids=IDS, attention_mask=MASK, head="hlast").logits
    assert torch.equal(found, model(input_ids=IDS, attention_mask=MASK, head="hlast").logits)


def test_the_documented_encoder_takes_them_too(model):
    documented = DistilBertModel(model.encoder.config)
    documented.encoder.load_state_dict(model.encoder.state_dict())
    documented.eval()
    documented.add_adapter("a", MixConfig())
    documented.adapter_table.view["a"].load_state_dict(model.adapters["a"].state_dict())
    names = ["a", None, "a", None]
    found = documented(
        input_ids=IDS, attention_mask=MASK, adapter_names=names, output_hidden_states=True
    )
    expected = states(model, names)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state, **EXACT)
    torch.testing.assert_close(found.hidden_states[-1], expected.last_hidden_state, **EXACT)
