"""The side network, for one ladder or for several of one shape at once.

Dimensions: P ladders, N tokens of all rows, B rows, T tokens of the longest row, D width of the
encoder, R width of the side network, K rungs, H attention heads, F width of a feed-forward network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

import polyhead as ph
from polyhead_ladder.config import LadderConfig
from polyhead_ladder.rows import Rows

__all__ = ["side_network", "weight_shapes"]


def weight_shapes(
    config: LadderConfig, n_rungs: int, width: int, inner: int
) -> dict[str, tuple[int, ...]]:
    """The weights of one ladder by name.

    Args:
        config: What it looks like.
        n_rungs: K.
        width: D.
        inner: R.
    """
    shapes: dict[str, tuple[int, ...]] = {
        "down": (n_rungs, width, inner),
        "down_bias": (n_rungs, inner),
        "up": (inner, width),
    }
    if n_rungs == 1:  # no block: blocks lie between rungs
        return shapes
    shapes["gate"] = (n_rungs - 1,)
    if config.attention:
        shapes |= {
            "qkv": (n_rungs - 1, inner, 3 * inner),
            "qkv_bias": (n_rungs - 1, 3 * inner),
            "out": (n_rungs - 1, inner, inner),
            "out_bias": (n_rungs - 1, inner),
        }
    if config.ffn_factor > 0:
        ffn = max(1, int(inner * config.ffn_factor))
        shapes |= {
            "ffn_in": (n_rungs - 1, inner, ffn),
            "ffn_in_bias": (n_rungs - 1, ffn),
            "ffn_out": (n_rungs - 1, ffn, inner),
            "ffn_out_bias": (n_rungs - 1, inner),
        }
    return shapes


def side_network(
    config: LadderConfig,
    ladders: Sequence[Mapping[str, Tensor]],
    rungs: Sequence[Tensor],
    top: Tensor,
    packing: ph.Packing,
    *,
    is_training: bool,
) -> list[Tensor]:
    """What each of several ladders puts in the place of the highest layer.

    With h_i the hidden states of rung i, h those of the highest layer, and norm a layer norm
    without weights:

        s_1 = down_1(h_1)
        mu_i = sigmoid(alpha_i / temperature)
        s_i = block_i(mu_i s_(i-1) + (1 - mu_i) down_i(h_i))        for the other rungs
        output = h + up(dropout(norm(s_K)))

    where a block adds to its state s first attention(norm(s)), each token over its own row, and
    then ffn(norm(s)), as far as there are such.

    Source: Sung et al. 2022, arXiv:2206.06522, section 3, and the authors' code, which have a full
    transformer layer for a block and predict from up(s_K) alone.

    Args:
        config: What the ladders look like.
        ladders: The weights of each; see `weight_shapes`.
        rungs: The hidden states of the lowest rungs, up to the highest layer that is read: at least
            one, each (N, D).
        top: Those of the highest layer, h. Shape: (N, D).
        packing: Where each row lies among the tokens.
        is_training: Whether there is dropout.

    Returns:
        One for each ladder, (N, D).
    """
    blocks, downs = _Blocks(config, ladders), _Downs(ladders)
    rows = Rows(packing, top.device) if config.attention and packing.n_rows else None
    state_PNR = downs(0, rungs[0])
    for number, hidden in enumerate(rungs[1:]):
        # between what is read, at mu = 0, and the state so far
        state_PNR = torch.lerp(downs(number + 1, hidden), state_PNR, blocks.mu(number))
        if rows is not None:
            state_PNR = state_PNR + blocks.attention(number, _norm(state_PNR), rows)
        if config.ffn_factor > 0:
            state_PNR = state_PNR + blocks.ffn(number, _norm(state_PNR))
    result_PNR = functional.dropout(_norm(state_PNR), config.dropout, is_training)
    return [
        torch.addmm(top, result_NR, own["up"])
        for own, result_NR in zip(ladders, result_PNR.unbind(), strict=True)
    ]


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)) if len(parts) > 1 else parts[0].unsqueeze(0)


def _norm(state_PNR: Tensor) -> Tensor:
    # without weights: the projection behind it has them
    return functional.layer_norm(state_PNR, state_PNR.shape[-1:])


class _Downs:
    """The projections down of all ladders.

    These matrices are large: to put them together would take as long as to use them.
    """

    def __init__(self, ladders: Sequence[Mapping[str, Tensor]]) -> None:
        # taken apart at once: the gradient is then put together in one step
        self._weights = [own["down"].unbind() for own in ladders]
        self._biases = [own["down_bias"].unbind() for own in ladders]

    def __call__(self, rung: int, hidden_ND: Tensor) -> Tensor:
        """A rung's hidden states in each ladder's width. Shape: (N, D) -> (P, N, R)."""
        return _stacked(
            [
                torch.addmm(bias[rung], hidden_ND, weight[rung])
                for weight, bias in zip(self._weights, self._biases, strict=True)
            ]
        )


class _Blocks:
    """The blocks of all ladders, their small matrices put together; counted from 0."""

    def __init__(self, config: LadderConfig, ladders: Sequence[Mapping[str, Tensor]]) -> None:
        self._config = config
        self._weights = {
            name: _stacked([own[name] for own in ladders]).unbind(1)
            for name in ladders[0]
            if not name.startswith(("down", "up"))
        }

    def mu(self, block: int) -> Tensor:
        """The state's share of what enters a block. Shape: (P, 1, 1)."""
        alpha_P = self._weights["gate"][block]
        return torch.sigmoid(alpha_P / self._config.gate_temperature)[:, None, None]

    def attention(self, block: int, state_PNR: Tensor, rows: Rows) -> Tensor:
        """What each token gathers from its row. Shape: (P, N, R) -> (P, N, R)."""
        qkv_PBTW = rows.padded(self._linear("qkv", block, state_PNR))
        n_ladders, n_rows, length, width = qkv_PBTW.shape
        size = n_ladders * n_rows, length, 3, self._config.heads, width // 3 // self._config.heads
        query, key, value = (part.transpose(1, 2) for part in qkv_PBTW.view(size).unbind(2))
        mask = None if rows.mask is None else rows.mask.repeat(n_ladders, 1, 1, 1)
        gathered = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        gathered_PBTR = gathered.transpose(1, 2).reshape(n_ladders, n_rows, length, width // 3)
        return self._linear("out", block, rows.packed(gathered_PBTR))

    def ffn(self, block: int, state_PNR: Tensor) -> Tensor:
        """Shape: (P, N, R) -> (P, N, R)."""
        activation = ph.activation_of(self._config.non_linearity)
        return self._linear("ffn_out", block, activation(self._linear("ffn_in", block, state_PNR)))

    def _linear(self, name: str, block: int, values: Tensor) -> Tensor:
        bias = self._weights[f"{name}_bias"][block].unsqueeze(1)
        return torch.baddbmm(bias, values, self._weights[name][block])
