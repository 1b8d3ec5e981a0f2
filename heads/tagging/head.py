"""A tag for each word of a text: entities, parts of speech.

Dimensions: B rows, T tokens of the longest row, N tokens of all rows, D width of the encoder, K
tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.contracts import Encoded, Head, Prediction, Recipe, activation_of
from polyhead.errors import InputError, listing
from polyhead.heads.logits import checked_logits, logits_of
from polyhead.heads.tagging.aggregation import tagged_texts
from polyhead.heads.tagging.config import TaggingHeadConfig, configure_from_examples
from polyhead.heads.tagging.entities import tags_for
from polyhead.heads.tagging.example import TaggingExample
from polyhead.heads.tagging.grammar import Grammar
from polyhead.heads.tagging.groups import groups_of, pieces_of
from polyhead.heads.tagging.metrics import EntityMetrics, TagMetrics
from polyhead.heads.tagging.neighbours import with_neighbours
from polyhead.heads.tagging.prediction import prediction_of
from polyhead.heads.tagging.scheme import OUTSIDE
from polyhead.heads.tagging.subwords import IGNORED, SubWords

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from polyhead.batch import Hidden, Row
    from polyhead.contracts import EncoderShape, HeadOutput, Tokenizer
    from polyhead.heads.tagging.aggregation import Strategy
    from polyhead.heads.tagging.groups import Group

__all__ = ["TaggingHead"]


class TaggingHead(Head):
    """Linear layers over each token.

    With h a token's hidden state, beside those of its neighbours under `context`, and the layers 1
    to n: `h = activation(W_i dropout(h) + b_i)` for all but the last, then `logits = W_n dropout(h)
    + b_n`. Weights start as N(0, 0.02), biases as 0. It is the first sub-word of a word that learns
    the word's tag, or with `label_all` each.

    A text that is longer than the window is read in several that overlap, and each of its sub-words
    is answered once, by the window that sees most around it.

    Source: the tagging head of the `adapters` library 1.3, whose files the tests read.
    """

    kind = "tagging"
    Config = TaggingHeadConfig
    Example = TaggingExample
    answers = "token"
    recipe: ClassVar[Recipe] = Recipe(
        adapter="seq_bn[dropout=0.3]", epochs=6, lr=2e-3, head_lr=5e-3
    )
    config: TaggingHeadConfig

    def __init__(self, config: TaggingHeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape)
        self.activation = activation_of(config.activation)
        widths = [(2 * config.context + 1) * shape.width, *[shape.width] * (config.layers - 1)]
        self.dense = nn.ModuleList(nn.Linear(width, shape.width) for width in widths[:-1])
        self.out = nn.Linear(widths[-1], len(config.labels), bias=config.bias)
        self._number_of = {label: number for number, label in enumerate(config.labels)}
        with torch.device("cpu"):  # it is used where answers are made, wherever the head lies
            grammar = Grammar.of(config.labels, config.scheme)
        self._grammar = grammar if config.follows_scheme else None
        for module in (*self.dense, self.out):
            init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                init.zeros_(module.bias)

    @classmethod
    def configure(
        cls, options: Mapping[str, Any], examples: Sequence[TaggingExample]
    ) -> TaggingHeadConfig:
        """The config that `options` give, completed from labelled examples.

        Args:
            options: Fields of the config. Without `scheme` it is the one that all tags follow;
                without `labels` they are all tags of that scheme for the types that occur;
                `class_weights` may be "balanced".
            examples: The training examples.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: The examples lack tags, have only one, or have one that does not fit.
        """
        return configure_from_examples(options, examples)

    @classmethod
    def parse(cls, value: object) -> TaggingExample:
        """The example that `value` stands for.

        Args:
            value: An example, a mapping of its fields, a text, a list of words, or a tuple: a text
                and its entities, or words and their tags.

        Raises:
            InputError: It is none of these.
        """
        if isinstance(value, list):
            value = (value,)
        if isinstance(value, tuple):
            is_split = bool(value) and not isinstance(value[0], str)
            names = ("tokens", "tags") if is_split else ("text", "entities")
            if not 1 <= len(value) <= len(names):
                raise InputError(
                    "an example of 'tagging' as a tuple is (text, entities) or (tokens, tags), not "
                    f"{len(value)} values."
                )
            value = dict(zip(names, value, strict=False))
        return cast("TaggingExample", super().parse(value))

    def encode(self, examples: Sequence[TaggingExample], tokenizer: Tokenizer) -> list[Encoded]:
        """As many rows as cover the text; the targets are the tags' numbers, one a token.

        Tokens that do not begin a word (unless `label_all`), and those that another window answers,
        have the target -100.

        Raises:
            InputError: A text is empty, a tag is unknown, or an entity's borders are within words;
                the error has the example's place.
        """
        texts = [item.content if item.tokens is None else list(item.tokens) for item in examples]
        rows = tokenizer.windows(texts, overlap=self.config.overlap)
        encoded = []
        for number, (example, own_rows) in enumerate(zip(examples, rows, strict=True)):
            try:
                target = self._target(example, own_rows)
            except InputError as error:
                raise InputError(error.reason, index=number) from None
            encoded.append(Encoded(example, own_rows, target))
        return encoded

    def forward(self, hidden: Hidden) -> Tensor:
        """Logits. Shape: (N, K)."""
        states_NW = with_neighbours(hidden.tokens, hidden.packing, self.config.context)
        for layer in self.dense:
            states_NW = self.activation(layer(self._drop(states_NW)))
        logits_NK: Tensor = self.out(self._drop(states_NW))
        return logits_NK

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """The labels' numbers, checked; -100 where none is known. Shape: (B, T) -> (N,), int64.

        Raises:
            InputError: They are not one whole number a token, each -100 or that of a label.
        """
        if labels.shape != mask.shape:
            raise InputError(
                f"labels of shape {tuple(labels.shape)} do not fit; give one number a token, shape "
                f"{tuple(mask.shape)}, and {IGNORED} for tokens without a tag."
            )
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise InputError(f"labels must be whole numbers, not {labels.dtype}.")
        targets_N = labels[mask].long()
        highest = len(self.config.labels) - 1
        is_label_N = (targets_N >= 0) & (targets_N <= highest)
        wrong = targets_N[~is_label_N & (targets_N != IGNORED)]
        if wrong.numel():
            raise InputError(
                f"the label {int(wrong[0])} is neither {IGNORED} nor one of 0 to {highest}."
            )
        return targets_N

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

    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """The best tags of each text, and the entities these stand for.

        Probabilities are the softmax in float32.

        Raises:
            InputError: The logits are not finite.
        """
        probabilities_NK = checked_logits(output, "token").softmax(dim=1)
        answers = tagged_texts(probabilities_NK, encoded, self.config.aggregation, self._grammar)
        return [
            prediction_of(_example(item), answer, self.config)
            for item, answer in zip(encoded, answers, strict=True)
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
            pieces = pieces_of(_example(item).content, text.ids, text.offsets, tokenizer)
            chosen_SK = part_NK[torch.tensor(text.tokens, dtype=torch.long)]
            labels = self.config.labels
            results.append(groups_of(pieces, chosen_SK, labels, strategy, ignored=ignored))
        return results

    def metrics(self) -> TagMetrics:
        """A fresh collector: of accuracy for plain tags, else of entity F1 too."""
        kind = TagMetrics if self.config.scheme == "plain" else EntityMetrics
        return kind(self.config.labels, self.config.aggregation, self._grammar)

    def _target(self, example: TaggingExample, rows: Sequence[Row]) -> Tensor | None:
        if example.tags is None and example.entities is None:
            return None
        text = SubWords.of(rows)
        tags: Sequence[str] = example.tags or ()
        if example.entities is not None:
            words = text.words_of(example)
            tags = tags_for(example.entities, words, example.content, self.config.scheme)
        target = [IGNORED] * sum(len(row) for row in rows)
        stops = [*text.starts[1:], len(text.tokens)]
        for start, stop, tag in zip(text.starts, stops, tags, strict=True):
            if tag not in self._number_of:
                raise InputError(
                    f"the tag {tag!r} is unknown to this head; it has: "
                    f"{listing(self.config.labels)}."
                )
            for place in text.tokens[start : stop if self.config.label_all else start + 1]:
                target[place] = self._number_of[tag]
        return torch.tensor(target)

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.config.dropout, self.training)


def _example(item: Encoded) -> TaggingExample:
    """The example, which is of this head's class: `encode` put it there."""
    return cast("TaggingExample", item.example)
