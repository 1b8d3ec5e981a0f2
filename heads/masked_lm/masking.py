"""Hiding tokens of a text, to be found again.

Dimensions: B rows, N tokens of all rows, U units: tokens, or words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from polyhead.batch import Packing, Row
from polyhead.contracts import targets_of
from polyhead.heads.masked_lm.config import MaskedLMHeadConfig
from polyhead.heads.masked_lm.encoding import IGNORED, EncodedText

__all__ = ["mask_texts"]


def mask_texts(
    texts: Sequence[EncodedText],
    config: MaskedLMHeadConfig,
    vocab_size: int,
    generator: torch.Generator,
) -> list[EncodedText]:
    """The texts with some tokens hidden, and those alone as targets.

    Each token is asked for with the chance `mask_probability`, and at least one of every row that
    has any with a target. An asked token becomes [MASK] (`mask_share`), another one
    (`random_share`), or stays.

    Args:
        texts: Their targets are the tokens that may be asked for.
        config: The chances.
        vocab_size: A random token's id is below it.
        generator: The source of randomness, on the CPU; it is advanced.

    Source: BERT, Devlin et al. 2018, arXiv:1810.04805, section 3.1; whole words as in the second
        release of its training code.
    """
    if not texts:
        return []
    rows = [row for text in texts for row in text.rows]
    packing = Packing(tuple(len(row) for row in rows))
    ids_N = torch.tensor([token for row in rows for token in row.ids])
    targets_N = targets_of(texts)
    chance_N = _chances(rows, packing, generator, whole_words=config.whole_words)
    is_asked_N = _asked(chance_N, targets_N != IGNORED, packing, config.mask_probability)
    fate_N = torch.rand(len(ids_N), generator=generator)
    random_N = torch.randint(vocab_size, ids_N.shape, generator=generator)
    is_hidden_N = is_asked_N & (fate_N < config.mask_share)
    is_random_N = is_asked_N & ~is_hidden_N & (fate_N < config.mask_share + config.random_share)
    masks_N = ids_N.new_full(ids_N.shape, texts[0].mask_id)
    ids_N = torch.where(is_hidden_N, masks_N, torch.where(is_random_N, random_N, ids_N))
    return _rebuilt(texts, ids_N.tolist(), targets_N.masked_fill(~is_asked_N, IGNORED))


def _chances(
    rows: Sequence[Row], packing: Packing, generator: torch.Generator, *, whole_words: bool
) -> Tensor:
    """A number from 0 to 1 for each token; tokens of one word share it. Shape: (N,)."""
    if not whole_words:
        return torch.rand(packing.n_tokens, generator=generator)
    words_N = torch.tensor([word for row in rows for word in row.words or ()])
    starts_N = torch.ones(packing.n_tokens, dtype=torch.bool)
    starts_N[1:] = words_N[1:] != words_N[:-1]  # between words of two rows lie special tokens
    unit_N = starts_N.cumsum(dim=0) - 1
    return torch.rand(int(starts_N.sum()), generator=generator)[unit_N]


def _asked(chance_N: Tensor, is_open_N: Tensor, packing: Packing, probability: float) -> Tensor:
    """Which tokens are asked for: those below `probability`, or a row's lowest. Shape: (N,)."""
    chance_N = chance_N.masked_fill(~is_open_N, torch.inf)
    row_N = packing.row_of_token
    lowest_B = chance_N.new_full((packing.n_rows,), torch.inf)
    lowest_B = lowest_B.scatter_reduce(0, row_N, chance_N, "amin")
    return is_open_N & ((chance_N < probability) | (chance_N == lowest_B[row_N]))


def _rebuilt(
    texts: Sequence[EncodedText], ids: Sequence[int], targets_N: Tensor
) -> list[EncodedText]:
    """The texts with other ids and targets."""
    made, start = [], 0
    targets = torch.split(targets_N, [text.n_tokens for text in texts])
    for text, target in zip(texts, targets, strict=True):
        rows = []
        for row in text.rows:
            rows.append(replace(row, ids=tuple(ids[start : start + len(row)])))
            start += len(row)
        made.append(replace(text, rows=tuple(rows), target=target))
    return made
