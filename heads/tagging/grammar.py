"""Which tags may follow one another, and the best tags of a text that keep to it.

Dimensions: B texts, T units (words) of the longest, U units of all texts, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from polyhead.heads.tagging.scheme import OUTSIDE

if TYPE_CHECKING:
    from polyhead.heads.tagging.scheme import Scheme

__all__ = ["Grammar"]

_FORBIDDEN: Final = -1e4
"""Not infinite: labels that leave no way at all still have a best one."""
_LEAST: Final = 1e-30  # its logarithm is finite


@dataclass(frozen=True)
class Grammar:
    """What each step in a sequence of tags costs: 0 where it is allowed, very much where it is not.

    Attributes:
        first: For a tag to be the first. Shape: (K,).
        following: For a tag (second dimension) to follow another (first). Shape: (K, K).
        last: For a tag to be the last. Shape: (K,).
    """

    first: Tensor
    following: Tensor
    last: Tensor

    @classmethod
    def of(cls, labels: Sequence[str], scheme: Scheme) -> Grammar:
        """The grammar of a scheme's tags.

        An entity is gone on with by tags of its own type alone, and under `bioes` it is ended.
        Plain tags follow one another as they like.

        Args:
            labels: The tags, in the order of the logits.
            scheme: Theirs.
        """
        may_begin = [_may_follow(OUTSIDE, tag, scheme) for tag in labels]
        may_end = [_may_follow(tag, OUTSIDE, scheme) for tag in labels]
        may_follow = [[_may_follow(left, right, scheme) for right in labels] for left in labels]
        return cls(_cost(may_begin), _cost(may_follow), _cost(may_end))

    def best(self, probabilities: Tensor, counts: Sequence[int]) -> Tensor:
        """The tags of each text whose probabilities have the greatest product among those allowed.

        Args:
            probabilities: Of each unit. Shape: (U, K).
            counts: How many units each text has.

        Returns:
            A tag's number for each unit. Shape: (U,), int64.

        Source: Viterbi 1967, over the tags' probabilities with equal transitions where allowed.
        """
        tags = list(torch.split(probabilities.argmax(dim=1), list(counts)))
        texts = torch.split(probabilities, list(counts))
        # the most probable tags, where they keep to the grammar, are the best ones
        broken = [place for place, found in enumerate(tags) if not self._allows(found)]
        if broken:
            searched = self._search([texts[place] for place in broken])
            for place, found in zip(broken, searched, strict=True):
                tags[place] = found
        return torch.cat(tags) if tags else probabilities.new_empty(0, dtype=torch.long)

    def _allows(self, tags_T: Tensor) -> bool:
        if not len(tags_T):
            return True
        steps = self.following[tags_T[:-1], tags_T[1:]].sum()
        return bool(self.first[tags_T[0]] + steps + self.last[tags_T[-1]] == 0)

    def _search(self, texts: Sequence[Tensor]) -> list[Tensor]:
        lengths_B = torch.tensor([len(text) for text in texts])
        scores_BTK = pad_sequence([text.double() for text in texts], batch_first=True)
        scores_BTK = scores_BTK.clamp(min=_LEAST).log()
        best_BK = scores_BTK[:, 0] + self.first
        stay_BK = torch.arange(best_BK.shape[1]).expand_as(best_BK)
        came_from = []
        for place in range(1, scores_BTK.shape[1]):
            is_there_B1 = (lengths_B > place).unsqueeze(1)
            reached_BK, from_BK = (best_BK.unsqueeze(2) + self.following).max(dim=1)
            # behind its end a text stays where it is
            best_BK = torch.where(is_there_B1, reached_BK + scores_BTK[:, place], best_BK)
            came_from.append(torch.where(is_there_B1, from_BK, stay_BK))
        path = [(best_BK + self.last).argmax(dim=1)]
        for from_BK in reversed(came_from):
            path.append(from_BK.gather(1, path[-1].unsqueeze(1)).squeeze(1))
        tags_BT = torch.stack(path[::-1], dim=1)
        return [row[:length] for row, length in zip(tags_BT, lengths_B.tolist(), strict=True)]


def _may_follow(left: str, right: str, scheme: Scheme) -> bool:
    if scheme == "plain":
        return True
    goes_on = right.startswith(("I-", "E-"))
    is_open = left.startswith(("B-", "I-"))
    if goes_on:
        return is_open and left[2:] == right[2:]
    # under bio the next entity, or none, ends the one before
    return scheme == "bio" or not is_open


def _cost(allowed: Sequence[object]) -> Tensor:
    is_allowed = torch.tensor(allowed)
    return torch.where(is_allowed, 0.0, _FORBIDDEN).double()
