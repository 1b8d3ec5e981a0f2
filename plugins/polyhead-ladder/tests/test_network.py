"""The side network against its formula, written out token by token."""

import math

import pytest
import torch
from polyhead_ladder import LadderAdapter, LadderConfig

import polyhead as ph

SHAPE = ph.EncoderShape(
    width=12, n_layers=4, n_heads=2, ffn_width=16, max_positions=32, vocab_size=20
)
LENGTHS = (3, 1, 5)
CONFIGS = [
    LadderConfig(reduction_factor=2),
    LadderConfig(reduction_factor=3, layers="all", heads=2, gate_temperature=0.5),
    LadderConfig(reduction_factor=3, layers=(1, 2, 4), attention=False, ffn_factor=1.5),
    LadderConfig(reduction_factor=2, layers="all", heads=3, ffn_factor=2, non_linearity="relu"),
    LadderConfig(layers=(3,)),
]


def ladder(config, seed=0):
    """A ladder whose every weight matters, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    adapter = LadderAdapter(config, SHAPE).double().eval()
    with torch.no_grad():
        for weight in adapter.parameters():
            weight.normal_(0, 0.5, generator=generator)
    return adapter


def hidden_states(lengths=LENGTHS, seed=9):
    generator = torch.Generator().manual_seed(seed)
    size = sum(lengths), SHAPE.width
    return tuple(
        torch.randn(size, generator=generator, dtype=torch.double)
        for _ in range(SHAPE.n_layers + 1)
    )


def norm(vector):
    centred = vector - vector.mean()
    return centred / (centred.square().mean() + 1e-5).sqrt()


def attended(adapter, block, states):
    """What each token of a row gathers, head by head."""
    heads, width = adapter.config.heads, states.shape[1]
    normed = torch.stack([norm(state) for state in states])
    query, key, value = (normed @ adapter.qkv[block] + adapter.qkv_bias[block]).split(width, dim=1)
    size = width // heads
    gathered = torch.zeros_like(states)
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        for token in range(len(states)):
            scores = key[:, own] @ query[token, own] / math.sqrt(size)
            gathered[token, own] = scores.softmax(0) @ value[:, own]
    return gathered @ adapter.out[block] + adapter.out_bias[block]


def written_out(adapter, layers, start, stop):
    """The formula of `side_network` for one row."""
    config = adapter.config
    numbers = [rung for rung in adapter.rungs if rung < len(layers)] or [len(layers) - 1]
    rungs = [layers[number][start:stop] for number in numbers]
    state = rungs[0] @ adapter.down[0] + adapter.down_bias[0]
    for block, hidden in enumerate(rungs[1:]):
        mu = 1 / (1 + math.exp(-float(adapter.gate[block]) / config.gate_temperature))
        read = hidden @ adapter.down[block + 1] + adapter.down_bias[block + 1]
        state = mu * state + (1 - mu) * read
        if config.attention:
            state = state + attended(adapter, block, state)
        if config.ffn_factor:
            activation = ph.activation_of(config.non_linearity)
            normed = torch.stack([norm(vector) for vector in state])
            inner = activation(normed @ adapter.ffn_in[block] + adapter.ffn_in_bias[block])
            state = state + inner @ adapter.ffn_out[block] + adapter.ffn_out_bias[block]
    up = torch.stack([norm(vector) for vector in state]) @ adapter.up
    return layers[-1][start:stop] + up


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("depth", [4, 3, 0])
@torch.no_grad()
def test_the_side_network_is_its_formula(config, depth):
    adapter, layers = ladder(config), hidden_states()[: depth + 1]
    found = adapter.read(layers, ph.Packing(LENGTHS))
    start = 0
    for length in LENGTHS:
        expected = written_out(adapter, layers, start, start + length)
        torch.testing.assert_close(found[start : start + length], expected)
        start += length


@pytest.mark.parametrize("config", CONFIGS)
def test_several_ladders_together_are_each_of_them_alone(config):
    adapters = [ladder(config, seed) for seed in range(3)]
    other = ladder(LadderConfig(reduction_factor=4))
    asked, layers, packing = (
        [*adapters[:2], other, adapters[2]],
        hidden_states(),
        ph.Packing(LENGTHS),
    )
    for is_recording in (True, False):
        with torch.set_grad_enabled(is_recording):
            found = LadderAdapter.read_many(asked, layers, packing)
            for adapter, output in zip(asked, found, strict=True):
                torch.testing.assert_close(output, adapter.read(layers, packing))


def test_rows_of_one_length_need_no_padding_and_give_the_same():
    adapter, layers = ladder(CONFIGS[3]), hidden_states((3, 3, 3))
    together = adapter.read(layers, ph.Packing((3, 3, 3)))
    last = adapter.read(tuple(layer[6:] for layer in layers), ph.Packing((3,)))
    torch.testing.assert_close(together[6:], last)


def test_a_row_that_is_not_finite_spoils_no_other():
    adapter, layers, packing = ladder(CONFIGS[3]), hidden_states(), ph.Packing(LENGTHS)
    expected = adapter.read(layers, packing)
    broken = tuple(layer.clone() for layer in layers)
    broken[2][:3] = torch.nan
    found = adapter.read(broken, packing)
    assert found[:3].isnan().all()
    torch.testing.assert_close(found[3:], expected[3:])


def test_no_rows_are_no_rows():
    adapter = ladder(CONFIGS[3])
    layers = tuple(layer[:0] for layer in hidden_states())
    assert adapter.read(layers, ph.Packing(())).shape == (0, SHAPE.width)
    [first, _] = LadderAdapter.read_many([adapter, ladder(CONFIGS[3])], layers, ph.Packing(()))
    assert first.shape == (0, SHAPE.width)


def test_only_rungs_and_the_layer_itself_are_read():
    adapter = LadderAdapter(LadderConfig(layers=(1, 3)), SHAPE)
    assert adapter.reads(4) == [1, 3, 4]
    assert adapter.reads(3) == [1, 3]
    assert adapter.reads(2) == [1, 2]
    assert adapter.reads(0) == [0]


def test_dropout_is_for_training_alone():
    adapter = ladder(LadderConfig(dropout=0.5))
    layers, packing = hidden_states(), ph.Packing(LENGTHS)
    assert torch.equal(adapter.read(layers, packing), adapter.read(layers, packing))
    adapter.train()
    assert not torch.equal(adapter.read(layers, packing), adapter.read(layers, packing))
    same, others = LadderAdapter.read_many([adapter, ladder(adapter.config)], layers, packing)
    adapter.eval()
    torch.testing.assert_close(others, adapter.read(layers, packing))
    assert not torch.equal(same, others)


def test_a_fresh_ladder_changes_nothing():
    adapter, layers = LadderAdapter(LadderConfig(), SHAPE).double(), hidden_states()
    assert torch.equal(adapter.read(layers, ph.Packing(LENGTHS)), layers[-1])
