"""A tag for each word of a text: entities, parts of speech.

Dimensions: N tokens of all rows, S sub-words of one text, K tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from polyhead.contracts import Encoded, Prediction, Recipe
from polyhead.heads.logits import checked_logits, logits_of
from polyhead.heads.tagging.aggregation import is_by_word, tagged_texts
from polyhead.heads.tagging.config import TaggingHeadConfig
from polyhead.heads.tagging.groups import groups_of, pieces_of
from polyhead.heads.tagging.prediction import prediction_of
from polyhead.heads.tagging.scheme import OUTSIDE
from polyhead.heads.tagging.subwords import IGNORED, SubWords
from polyhead.heads.tagging.word_tags import WordTagHead, example_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from polyhead.contracts import HeadOutput, Tokenizer
    from polyhead.heads.tagging.aggregation import Strategy, TaggedText
    from polyhead.heads.tagging.groups import Group

__all__ = ["TaggingHead"]


class TaggingHead(WordTagHead):
    """Linear layers over each token, which is answered by itself.

    It is the first sub-word of a word that learns the word's tag, or with `label_all` each.

    Source: the tagging head of the `adapters` library 1.3, whose files the tests read.
    """

    kind = "tagging"
    Config = TaggingHeadConfig
    recipe: ClassVar[Recipe] = Recipe(
        adapter="seq_bn[dropout=0.3]", epochs=6, lr=2e-3, head_lr=5e-3
    )
    config: TaggingHeadConfig

    def target_of(self, tags: Sequence[int], text: SubWords, n_tokens: int) -> Tensor:
        """The tag's number at each token that learns it, and -100 elsewhere.

        Tokens that do not begin a word (unless `label_all`), and those that another window answers,
        do not. Shape: (n_tokens,), int64.
        """
        if not self.config.label_all:
            return super().target_of(tags, text, n_tokens)
        target = torch.full((n_tokens,), IGNORED)
        stops = [*text.starts[1:], len(text.tokens)]
        for start, stop, tag in zip(text.starts, stops, tags, strict=True):
            target[torch.tensor(text.tokens[start:stop])] = tag
        return target

    def loss(self, output: HeadOutput, targets: Tensor) -> Tensor:
        """Mean cross entropy over the labelled tokens, in float32, weighted by `class_weights`.

        It is 0 where no token is labelled. Shape: ().
        """
        logits_NK = logits_of(output).float()
        targets_N = targets.to(logits_NK.device)
        is_labelled_N = targets_N != IGNORED
        weight_K = None
        shares_N = is_labelled_N.float()
        if self.config.class_weights is not None:
            weight_K = logits_NK.new_tensor(self.config.class_weights)
            shares_N = shares_N * weight_K[targets_N.clamp(min=0)]
        total = functional.cross_entropy(
            logits_NK, targets_N, weight_K, ignore_index=IGNORED, reduction="sum"
        )
        # without any share the sum is 0 too, and 0 / 0 would be no number
        return total / shares_N.sum().clamp(min=torch.finfo(torch.float32).tiny)

    def tagged_words(self, output: HeadOutput, encoded: Sequence[Encoded]) -> Iterable[TaggedText]:
        """The best tag of each word, by the probabilities of its sub-words.

        Probabilities are the softmax in float32. Where the config tags sub-words, a word has the
        tag of its first one.

        Raises:
            InputError: The logits are not finite.
        """
        strategy = self.config.aggregation
        return self._tagged(output, encoded, strategy if is_by_word(strategy) else "first")

    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """The best tags of each text, and the entities these stand for.

        Probabilities are the softmax in float32.

        Raises:
            InputError: The logits are not finite.
        """
        strategy, labels = self.config.aggregation, self.config.labels
        scheme = "plain" if strategy == "none" else self.config.scheme
        return [
            prediction_of(example_of(item), answer, labels, scheme)
            for item, answer in zip(encoded, self._tagged(output, encoded, strategy), strict=True)
        ]

    def groups(
        self,
        output: HeadOutput,
        encoded: Sequence[Encoded],
        tokenizer: Tokenizer,
        strategy: Strategy = "none",
        ignored: Collection[str] = (OUTSIDE,),
    ) -> list[list[Group]]:
        """What transformers' token classification pipeline would answer for each example.

        Args:
            output: The logits. Shape: (N, K).
            encoded: The examples.
            tokenizer: The one they were encoded with.
            strategy: How sub-words are taken together, as its `aggregation_strategy`.
            ignored: Tags and types that are left out, as its `ignore_labels`.

        Raises:
            InputError: The logits are not finite.
        """
        probabilities_NK = checked_logits(output, "token").softmax(dim=1)
        parts = torch.split(probabilities_NK, [item.n_tokens for item in encoded])
        results = []
        for item, part_NK in zip(encoded, parts, strict=True):
            text = SubWords.of(item.rows)
            pieces = pieces_of(example_of(item).content, text.ids, text.offsets, tokenizer)
            chosen_SK = part_NK[torch.tensor(text.tokens, dtype=torch.long)]
            labels = self.config.labels
            results.append(groups_of(pieces, chosen_SK, labels, strategy, ignored=ignored))
        return results

    def _tagged(
        self, output: HeadOutput, encoded: Sequence[Encoded], strategy: Strategy
    ) -> Iterable[TaggedText]:
        probabilities_NK = checked_logits(output, "token").softmax(dim=1)
        return tagged_texts(probabilities_NK, encoded, strategy, self.grammar)
