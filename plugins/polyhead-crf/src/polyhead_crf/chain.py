"""Sequences of tags: the sum over all of them, the best one, and each tag's share.

The score of tags y for a text of T words with emissions e is

    first[y_1] + sum_t e_t[y_t] + sum_t following[y_t-1, y_t] + last[y_T]

and their probability is exp(score) over the sum of it for all sequences of tags.

Dimensions: B texts, T words of the longest, K tags. Words beyond a text's length are not read.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Chain"]


@dataclass(frozen=True)
class Chain:
    """What the steps of a sequence of tags score; emissions come with each call.

    Emissions are (B, T, K) of the scores' type and device, lengths (B,), int64, each at least 1.

    Source: Lafferty et al. 2001; with emissions of a network, Lample et al. 2016, arXiv:1603.01360.

    Attributes:
        first: For a tag to be the first. Shape: (K,).
        following: For a tag (second dimension) to follow another (first). Shape: (K, K).
        last: For a tag to be the last. Shape: (K,).
    """

    first: Tensor
    following: Tensor
    last: Tensor

    def is_finite(self) -> bool:
        """Whether every score is a finite number."""
        return all(
            bool(torch.isfinite(scores).all()) for scores in (self.first, self.following, self.last)
        )

    def score(self, emissions: Tensor, lengths: Tensor, tags: Tensor) -> Tensor:
        """The scores of these tags.

        Args:
            emissions: Shape: (B, T, K).
            lengths: Words of each text. Shape: (B,).
            tags: A tag's number for each word; any number of 0 to K - 1 beyond a text's length.
                Shape: (B, T), int64.

        Returns:
            Shape: (B,).
        """
        places_T = torch.arange(emissions.shape[1], device=emissions.device)
        is_there_BT = places_T < lengths.unsqueeze(1)
        own_BT = emissions.gather(2, tags.unsqueeze(2)).squeeze(2)
        steps_BT = self.following[tags[:, :-1], tags[:, 1:]]
        steps_BT = torch.cat([self.first[tags[:, :1]], steps_BT], dim=1)
        last_B = tags.gather(1, (lengths - 1).unsqueeze(1)).squeeze(1)
        # not by a product: what is not there may be anything
        return (own_BT + steps_BT).where(is_there_BT, 0.0).sum(dim=1) + self.last[last_B]

    def log_partition(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """The logarithm of the sum of exp(score) over all sequences of tags.

        Args:
            emissions: Shape: (B, T, K).
            lengths: Words of each text. Shape: (B,).

        Returns:
            Shape: (B,).
        """
        # unbound once: the gradient of a place alone would be as large as all emissions
        first_BK, *others = emissions.unbind(dim=1)
        reached_BK = self.first + first_BK
        total_B = reached_BK.new_zeros(len(reached_BK))
        for place, emission_BK in enumerate(others, 1):
            # kept near 0, where numbers are dense: a long text's sum would swallow a word's share
            top_B1 = reached_BK.detach().amax(dim=1, keepdim=True)
            reached_BK, total_B = reached_BK - top_B1, total_B + top_B1.squeeze(1)
            next_BK = self._reached_from(reached_BK) + emission_BK
            reached_BK = torch.where((lengths > place).unsqueeze(1), next_BK, reached_BK)
        return total_B + (reached_BK + self.last).logsumexp(dim=1)

    def best(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """The tags with the greatest score; of equal ones those with the lower numbers.

        Args:
            emissions: Shape: (B, T, K).
            lengths: Words of each text. Shape: (B,).

        Returns:
            A tag's number for each word; beyond a text's length its last tag. Shape: (B, T), int64.

        Source: Viterbi 1967.
        """
        first_BK, *others = emissions.unbind(dim=1)
        best_BK = self.first + first_BK
        stay_BK = torch.arange(best_BK.shape[1], device=best_BK.device).expand_as(best_BK)
        came_from = []
        for place, emission_BK in enumerate(others, 1):
            is_there_B1 = (lengths > place).unsqueeze(1)
            next_BK, from_BK = (best_BK.unsqueeze(2) + self.following).max(dim=1)
            best_BK = torch.where(is_there_B1, next_BK + emission_BK, best_BK)
            came_from.append(torch.where(is_there_B1, from_BK, stay_BK))
        path = [(best_BK + self.last).argmax(dim=1)]
        for from_BK in reversed(came_from):
            path.append(from_BK.gather(1, path[-1].unsqueeze(1)).squeeze(1))
        return torch.stack(path[::-1], dim=1)

    def marginals(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """The probability of each tag at each word, whatever the other words' tags are.

        Args:
            emissions: Shape: (B, T, K).
            lengths: Words of each text. Shape: (B,).

        Returns:
            They sum to 1 over the tags; beyond a text's length they mean nothing. Shape: (B, T, K).
        """
        places = emissions.unbind(dim=1)
        before_BK = self.first + places[0]
        befores = [before_BK]
        for emission_BK in places[1:]:
            before_BK = self._reached_from(before_BK.log_softmax(dim=1)) + emission_BK
            befores.append(before_BK)
        behind_BK = self.last.expand_as(before_BK)
        behinds = [behind_BK]
        for place in range(len(places) - 1, 0, -1):
            next_BK = (behind_BK + places[place]).log_softmax(dim=1)
            next_BK = (self.following + next_BK.unsqueeze(1)).logsumexp(dim=2)
            # a text's own end, where there is no next word
            behind_BK = torch.where((lengths > place).unsqueeze(1), next_BK, self.last)
            behinds.append(behind_BK)
        return (torch.stack(befores, 1) + torch.stack(behinds[::-1], 1)).softmax(dim=2)

    def _reached_from(self, scores_BK: Tensor) -> Tensor:
        return (scores_BK.unsqueeze(2) + self.following).logsumexp(dim=1)
