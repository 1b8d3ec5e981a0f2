"""A tag for each word of a text, chosen for all words together.

Dimensions: N tokens of all rows, U words of all texts, B texts, T words of the longest, K tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from polyhead import InputError, Recipe
from polyhead.heads import (
    IGNORED,
    SubWords,
    TaggedText,
    WordTagHead,
    checked_logits,
    logits_of,
)
from polyhead_crf.chain import Chain
from polyhead_crf.config import CRFHeadConfig
from polyhead_crf.words import BEGINS_TEXT, BEGINS_WORD, WordGrid, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polyhead import Encoded, EncoderShape, HeadOutput

__all__ = ["CRFHead"]


class CRFHead(WordTagHead):
    """A linear-chain CRF over the words of a text.

    A word's emissions are the logits of its first sub-word, or their average over its sub-words.
    Beside them the head learns how well a tag follows another, begins a text and ends it; these
    scores start at 0. What the scheme forbids has no probability under `follows_scheme`. The words
    of a long text are joined from its windows: there is one chain for all of it.

    Source: Lafferty et al. 2001; with emissions of a network, Lample et al. 2016, arXiv:1603.01360.

    Attributes:
        first: The score of each tag as a text's first. Shape: (K,).
        following: Of each tag (second dimension) behind another (first). Shape: (K, K).
        last: Of each tag as a text's last. Shape: (K,).
    """

    kind = "crf"
    Config = CRFHeadConfig
    recipe: ClassVar[Recipe] = Recipe(
        adapter="seq_bn[dropout=0.3]", epochs=6, lr=2e-3, head_lr=5e-3
    )
    config: CRFHeadConfig

    def __init__(self, config: CRFHeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape)
        n_tags = len(config.labels)
        self.first = nn.Parameter(torch.zeros(n_tags))
        self.following = nn.Parameter(torch.zeros(n_tags, n_tags))
        self.last = nn.Parameter(torch.zeros(n_tags))

    def target_of(self, tags: Sequence[int], text: SubWords, n_tokens: int) -> Tensor:
        """Two numbers a token: the tag of the word it begins, else -100; and what it is of a word.

        Shape: (n_tokens, 2), int64.

        Raises:
            InputError: The scheme forbids these tags.
        """
        self._check(tags)
        numbers_N = super().target_of(tags, text, n_tokens)
        return torch.stack([numbers_N, parts_of(text, n_tokens)], dim=1)

    def tags_in(self, target: Tensor, text: SubWords) -> list[int]:
        """The tags that `target_of` made a target of, one number a word."""
        return super().tags_in(target[:, 0], text)

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """The labels' numbers and what each token is: a labelled one is a word by itself.

        The chain of a row goes over its labelled tokens. Shape: (B, T) -> (N, 2), int64.

        Raises:
            InputError: They are not one whole number a token, each -100 or that of a label, or the
                scheme forbids the labels of a row.
        """
        numbers_N = super().targets(labels, mask)
        parts = []
        for row, own in enumerate(torch.split(numbers_N, mask.sum(dim=1).tolist())):
            is_word = own != IGNORED
            try:
                self._check(own[is_word].tolist())
            except InputError as error:
                raise InputError(error.reason, index=row) from None
            part = torch.where(is_word, BEGINS_WORD, IGNORED)
            part[is_word.nonzero()[:1]] = BEGINS_TEXT
            parts.append(part)
        parts_N = torch.cat(parts) if parts else numbers_N
        return torch.stack([numbers_N, parts_N], dim=1)

    def loss(self, output: HeadOutput, targets: Tensor) -> Tensor:
        """The negative logarithm of the probability of each text's tags, divided by all words.

        It is computed in float32, and is 0 where no word is labelled. Shape: ().
        """
        emissions_NK = logits_of(output).float()
        targets_N2 = targets.to(emissions_NK.device)
        grid = WordGrid.of(targets_N2[:, 1])
        emissions_UK = self._of_words(emissions_NK, grid)
        if not grid.n_words:
            return emissions_UK.sum()
        emissions_BTK = grid.padded(emissions_UK)
        tags_BT = grid.padded(grid.first(targets_N2[:, 0]))
        chain = self.chain()
        partition_B = chain.log_partition(emissions_BTK, grid.lengths)
        score_B = chain.score(emissions_BTK, grid.lengths, tags_BT)
        return (partition_B - score_B).sum() / grid.n_words

    def tagged_words(self, output: HeadOutput, encoded: Sequence[Encoded]) -> Iterator[TaggedText]:
        """The best tags of each text, and each one's probability by all that the text has.

        Raises:
            InputError: The logits or what the head learned of tags are not finite.
        """
        logits_NK = checked_logits(output, "token")
        if not encoded:
            return iter(())
        texts = [SubWords.of(item.rows) for item in encoded]
        parts = [parts_of(text, item.n_tokens) for text, item in zip(texts, encoded, strict=True)]
        grid = WordGrid.of(torch.cat(parts))
        emissions_BTK = grid.padded(self._of_words(logits_NK, grid).double())
        chain = self.chain("cpu", torch.float64)
        if not chain.is_finite():
            raise InputError(
                "the scores of tags that follow one another are not finite numbers; the weights of "
                "this head are damaged, or their training diverged."
            )
        tags_BT = chain.best(emissions_BTK, grid.lengths)
        shares_BTK = chain.marginals(emissions_BTK, grid.lengths)
        scores_BT = shares_BTK.gather(2, tags_BT.unsqueeze(2)).squeeze(2)
        return (
            TaggedText(text, text.starts, tags[:length].tolist(), scores[:length].tolist())
            for text, tags, scores, length in zip(
                texts, tags_BT, scores_BT, grid.lengths.tolist(), strict=True
            )
        )

    def chain(
        self, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
    ) -> Chain:
        """What the steps of a sequence of tags score, what the scheme forbids included.

        Args:
            device: Where; on the head's own when None.
            dtype: Of which type.
        """
        first, following, last = (
            scores.to(device, dtype) for scores in (self.first, self.following, self.last)
        )
        if self.grammar is None:
            return Chain(first, following, last)
        return Chain(
            first + self.grammar.first.to(first),
            following + self.grammar.following.to(first),
            last + self.grammar.last.to(first),
        )

    def _of_words(self, logits_NK: Tensor, grid: WordGrid) -> Tensor:
        is_average = self.config.aggregation == "average"
        return grid.average(logits_NK) if is_average else grid.first(logits_NK)

    def _check(self, tags: Sequence[int]) -> None:
        """Refuses tags that have no probability: their loss would be infinite."""
        if self.grammar is None or not tags:
            return
        tags_T = torch.tensor(tags)
        costs_T = torch.cat(
            [self.grammar.first[tags_T[:1]], self.grammar.following[tags_T[:-1], tags_T[1:]]]
        )
        names = self.config.labels
        remedy = f"correct the tags, or learn them as they are: {self.kind}[follows_scheme=false]"
        if bool(costs_T.any()):
            place = int(costs_T.nonzero()[0, 0])
            before = f"behind {names[tags[place - 1]]!r}" if place else "as the first"
            raise InputError(
                f"the tag {names[tags[place]]!r} of word {place + 1} cannot stand {before} in the "
                f"scheme {self.config.scheme!r}; {remedy}."
            )
        if bool(self.grammar.last[tags_T[-1]]):
            raise InputError(
                f"the tag {names[tags[-1]]!r} of the last word leaves an entity open in the scheme "
                f"{self.config.scheme!r}; {remedy}."
            )
