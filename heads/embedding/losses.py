"""How far embeddings are from what is known of their texts.

Dimensions: R rows, E examples (pairs), C candidates, W width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.heads.embedding.targets import PairTargets

__all__ = ["cosent_loss", "cosine_loss", "in_batch_loss", "pair_cosines"]


def pair_cosines(embeddings: Tensor, pairs: PairTargets) -> Tensor:
    """The cosine of each pair, in float32. Shape: embeddings (R, W) -> (E,)."""
    unit_RW = functional.normalize(embeddings.float(), dim=1)
    return (unit_RW[pairs.first] * unit_RW[pairs.second]).sum(dim=1)


def in_batch_loss(
    embeddings: Tensor, pairs: PairTargets, *, scale: float, symmetric: bool
) -> Tensor:
    """Cross entropy of finding each pair's second text among those of the batch.

    The candidates are the second texts of all pairs, then all negatives. One that is no wrong
    answer is left out: it has the words of a right one, or of the first text itself.

    Args:
        embeddings: Of all rows. Shape: (R, W).
        pairs: What the rows are.
        scale: The cosines are multiplied by it; 1 / temperature.
        symmetric: Whether the second texts search the first ones as well; the loss is the mean of
            both ways.

    Returns:
        The mean over the pairs; 0 for a single pair without negatives. Shape: ().

    Source: multiple negatives ranking, Henderson et al. 2017, arXiv:1705.00652, section 4.4, with
    scaled cosines as in `MultipleNegativesRankingLoss` of sentence-transformers.
    """
    unit_RW = functional.normalize(embeddings.float(), dim=1)
    candidates_C = torch.cat([pairs.second, pairs.negatives])
    scores_EC = scale * unit_RW[pairs.first] @ unit_RW[candidates_C].T
    scores_EC = scores_EC.masked_fill(_not_wrong(pairs, candidates_C), -torch.inf)
    n_pairs = len(pairs.first)
    own_E = torch.arange(n_pairs, device=scores_EC.device)
    loss = functional.cross_entropy(scores_EC, own_E)
    if symmetric:
        loss = (loss + functional.cross_entropy(scores_EC[:, :n_pairs].T, own_E)) / 2
    return loss


def cosent_loss(cosines: Tensor, scores: Tensor, *, scale: float) -> Tensor:
    """`log(1 + sum exp(scale (cos_i - cos_j)))` over all pairs with a lower score i than j.

    Only the order of the scores counts.

    Shape: cosines (E,), scores (E,) -> ().

    Source: CoSENT, as `CoSENTLoss` of sentence-transformers computes it.
    """
    differences_EE = scale * (cosines.unsqueeze(1) - cosines.unsqueeze(0))
    is_lower_EE = scores.unsqueeze(1) < scores.unsqueeze(0)
    return torch.cat([cosines.new_zeros(1), differences_EE[is_lower_EE]]).logsumexp(dim=0)


def cosine_loss(cosines: Tensor, scores: Tensor) -> Tensor:
    """Mean squared difference. Shape: cosines (E,), scores (E,), from 0 to 1 -> ()."""
    return functional.mse_loss(cosines, scores.to(cosines.dtype))


def _not_wrong(pairs: PairTargets, candidates: Tensor) -> Tensor:
    """Which candidates are no wrong answer to a pair's first text, its own one left out.

    Shape: candidates (C,) -> (E, C), bool.
    """
    first_E, second_E = pairs.keys[pairs.first], pairs.keys[pairs.second]
    keys_C = pairs.keys[candidates]
    same_first_EE = (first_E.unsqueeze(1) == first_E).float()
    is_right_EC = same_first_EE @ (second_E.unsqueeze(1) == keys_C).float() > 0
    not_wrong_EC = is_right_EC | (first_E.unsqueeze(1) == keys_C)
    own_E = torch.arange(len(first_E), device=keys_C.device)
    not_wrong_EC[own_E, own_E] = False
    return not_wrong_EC
