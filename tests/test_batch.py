import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.batch import Hidden, Packed, Packing, Row

WIDTH = 4
lengths_of_rows = st.lists(st.integers(1, 6), min_size=1, max_size=6).map(tuple)


def values_for(packing, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(packing.n_tokens, WIDTH, generator=generator)


def test_rows_lie_end_to_end():
    packing = Packing((3, 1, 2))
    assert packing.starts == (0, 3, 4, 6)
    assert packing.n_rows == 3
    assert packing.n_tokens == 6
    assert packing.row_of_token.tolist() == [0, 0, 0, 1, 2, 2]
    assert packing.column_of_token.tolist() == [0, 1, 2, 0, 0, 1]


def test_a_slice_of_rows_is_a_packing_of_its_own():
    packing = Packing((3, 1, 2, 5))
    assert packing.rows(1, 3) == Packing((1, 2))
    assert packing.tokens(1, 3) == slice(3, 6)
    assert packing.rows(2, 2).n_tokens == 0


@given(lengths_of_rows)
def test_pooling_is_that_of_each_row_alone(lengths):
    packing = Packing(lengths)
    values = values_for(packing)
    rows = values.split(lengths)
    assert torch.equal(packing.first(values), torch.stack([row[0] for row in rows]))
    assert torch.equal(packing.max(values), torch.stack([row.max(0).values for row in rows]))
    torch.testing.assert_close(
        packing.mean(values), torch.stack([row.mean(0) for row in rows]), atol=1e-6, rtol=0
    )


@given(lengths_of_rows, st.randoms(use_true_random=False))
def test_pooling_a_row_gives_the_same_bits_in_any_batch(lengths, order):
    packing = Packing(lengths)
    values = values_for(packing)
    rows = values.split(lengths)
    places = list(range(len(rows)))
    order.shuffle(places)
    other = Packing(tuple(lengths[place] for place in places))
    mixed = torch.cat([rows[place] for place in places])
    for pool in ("first", "mean", "max"):
        expected = getattr(packing, pool)(values)[places]
        assert torch.equal(getattr(other, pool)(mixed), expected)


@given(lengths_of_rows)
def test_padding_puts_zeros_behind_the_shorter_rows(lengths):
    packing = Packing(lengths)
    values = values_for(packing)
    expected = torch.nn.utils.rnn.pad_sequence(values.split(lengths), batch_first=True)
    assert torch.equal(packing.padded(values), expected)


@pytest.mark.parametrize("pool", ["first", "mean", "max", "padded"])
def test_gradients_pass_through_pooling(pool):
    packing = Packing((3, 1, 2))
    values = values_for(packing).double().requires_grad_()
    assert torch.autograd.gradcheck(getattr(packing, pool), [values])


@pytest.mark.parametrize("pool", ["first", "mean", "max"])
def test_no_rows_pool_to_no_rows(pool):
    assert getattr(Packing(()), pool)(torch.empty(0, WIDTH)).shape == (0, WIDTH)


def test_no_rows_pad_to_an_empty_batch():
    packing = Packing(())
    assert packing.padded(torch.empty(0, WIDTH)).shape == (0, 0, WIDTH)
    assert packing.starts == (0,)
    assert packing.n_tokens == 0


@pytest.mark.parametrize("pool", ["first", "mean", "max", "padded"])
def test_pooling_keeps_the_type(pool):
    packing = Packing((3, 1))
    assert getattr(packing, pool)(values_for(packing).bfloat16()).dtype == torch.bfloat16


def test_rows_are_packed_in_their_order_and_counted_from_zero():
    packed = Packed.of([Row((7, 8, 9)), Row((5,)), Row((3, 4))])
    assert packed.ids.tolist() == [7, 8, 9, 5, 3, 4]
    assert packed.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert packed.packing == Packing((3, 1, 2))
    assert packed.ids.dtype == packed.positions.dtype == torch.int64


def test_rows_with_positions_of_their_own_keep_them_beside_rows_without():
    packed = Packed.of([Row((7, 8), positions=(4, 6)), Row((5, 6))])
    assert packed.positions.tolist() == [4, 6, 0, 1]


def test_no_rows_pack_to_no_tokens():
    packed = Packed.of([])
    assert packed.ids.shape == packed.positions.shape == (0,)
    assert packed.ids.dtype == torch.int64


def test_a_row_is_as_long_as_its_tokens():
    assert len(Row((1, 2, 3), n_dropped=7)) == 3


def test_hidden_states_of_one_head_alone_are_not_copied():
    packing = Packing((3, 1, 2))
    values = values_for(packing)
    hidden = Hidden.of_rows(values, packing)
    assert hidden.tokens is values
    assert hidden.packing == packing
    assert hidden.n_rows == 3


@settings(deadline=None)
@given(lengths_of_rows, st.data())
def test_a_head_sees_its_own_rows_in_its_own_order(lengths, data):
    packing = Packing(lengths)
    values = values_for(packing)
    index = tuple(data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8)))
    hidden = Hidden(values, packing, index, batch_layers=(values, values + 1))
    rows = [values.split(lengths)[row] for row in index]
    tokens = torch.cat(rows) if rows else torch.empty(0, WIDTH)
    own = Packing(tuple(lengths[row] for row in index))
    assert hidden.n_rows == len(index)
    assert hidden.packing == own
    assert torch.equal(hidden.tokens, tokens)
    assert torch.equal(hidden.cls, own.first(tokens))
    assert torch.equal(hidden.mean(), own.mean(tokens))
    assert torch.equal(hidden.max(), own.max(tokens))
    assert torch.equal(hidden.padded(), own.padded(tokens))
    assert all(
        torch.equal(found, expected)
        for found, expected in zip(hidden.layers, (tokens, tokens + 1), strict=True)
    )


def test_layers_are_there_only_for_heads_that_ask_for_them():
    packing = Packing((2,))
    with pytest.raises(RuntimeError, match="reads_layers = True"):
        _ = Hidden.of_rows(values_for(packing), packing).layers


def test_gradients_reach_only_the_picked_rows():
    packing = Packing((2, 1, 3))
    values = values_for(packing).requires_grad_()
    Hidden(values, packing, (2, 0)).tokens.sum().backward()
    assert values.grad.sum(1).tolist() == [WIDTH, WIDTH, 0, WIDTH, WIDTH, WIDTH]


def doubled(states, packing):
    return states * 2


def minus_row_length(states, packing):
    lengths = torch.tensor(packing.lengths)[packing.row_of_token]
    return states - lengths.unsqueeze(1)


@settings(deadline=None)
@given(lengths_of_rows, st.data())
def test_states_are_mapped_back_row_by_row_by_what_each_row_has(lengths, data):
    packing = Packing(lengths)
    values = values_for(packing)
    some = st.sampled_from((None, doubled, minus_row_length))
    inverses = tuple(data.draw(some) for _ in lengths)
    index = tuple(data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8)))
    hidden = Hidden(values, packing, index, inverses=inverses)
    states = hidden.tokens + 1
    kept = states.clone()
    parts = states.split(hidden.packing.lengths) if index else [states]
    expected = [
        part if inverses[row] is None else inverses[row](part, Packing((lengths[row],)))
        for row, part in zip(index, parts, strict=False)
    ] or [states]
    found = hidden.inverted(states)
    assert torch.equal(found, torch.cat(expected))
    assert torch.equal(states, kept)
    # the same rows with other hidden states keep what maps them back
    assert torch.equal(hidden.with_tokens(hidden.tokens).inverted(states), found)


def test_states_stay_as_they_are_where_nothing_maps_them_back():
    packing = Packing((2, 1))
    values = values_for(packing)
    for inverses in (None, (None, None), (None, doubled)):
        assert Hidden(values, packing, (0,), inverses=inverses).inverted(values) is values


def test_rows_that_share_what_maps_them_back_are_mapped_together():
    calls = []

    def counted(states, packing):
        calls.append(packing.lengths)
        return states

    packing = Packing((2, 1, 3))
    values = values_for(packing)
    Hidden(values, packing, (2, 1, 0), inverses=(counted, None, counted)).inverted(values)
    Hidden(values, packing, (1, 0), inverses=(counted,) * 3).inverted(values[:3])
    assert calls == [(3, 2), (1, 2)]


def test_gradients_pass_through_what_is_mapped_back():
    packing = Packing((2, 1))
    values = values_for(packing).requires_grad_()
    hidden = Hidden(values, packing, (0, 1), inverses=(doubled, None))
    hidden.inverted(hidden.tokens).sum().backward()
    assert values.grad[:, 0].tolist() == [2, 2, 1]


def test_a_packing_of_rows_that_were_cut_tells_how_long_they_were():
    cut = Packing((1, 2, 1), (3, 2, 5))
    assert cut.whole_lengths == (3, 2, 5)
    assert cut.n_tokens == 4
    assert cut.rows(1, 3) == Packing((2, 1), (2, 5))
    assert cut.picked([2, 0, 2]) == Packing((1, 1, 1), (5, 3, 5))
    assert Packing((4, 5)).whole_lengths == (4, 5)
