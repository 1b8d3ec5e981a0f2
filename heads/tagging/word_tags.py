"""A head that gives each word of a text a tag: what kinds of taggers have in common.

Dimensions: B rows, T tokens of the longest row, N tokens of all rows, U words of one text, D width
of the encoder, K tags.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.contracts import Encoded, Head, Prediction, activation_of
from polyhead.errors import InputError, listing
from polyhead.heads.tagging.config import WordTagHeadConfig, configure_from_examples
from polyhead.heads.tagging.entities import tags_for
from polyhead.heads.tagging.example import TaggingExample
from polyhead.heads.tagging.grammar import Grammar
from polyhead.heads.tagging.metrics import EntityMetrics, TagMetrics
from polyhead.heads.tagging.neighbours import with_neighbours
from polyhead.heads.tagging.prediction import prediction_of
from polyhead.heads.tagging.subwords import IGNORED, SubWords

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from polyhead.batch import Hidden, Row
    from polyhead.contracts import EncoderShape, HeadOutput, Tokenizer
    from polyhead.heads.tagging.aggregation import TaggedText

__all__ = ["WordTagHead", "example_of"]


class WordTagHead(Head):
    """Base of heads that give each word of a text a tag.

    With h a token's hidden state, beside those of its neighbours under `context`, and the layers 1
    to n: `h = activation(W_i dropout(h) + b_i)` for all but the last, then `logits = W_n dropout(h)
    + b_n`. Weights start as N(0, 0.02), biases as 0.

    A text that is longer than the window is read in several that overlap, and each of its sub-words
    is answered once, by the window that sees most around it: `SubWords` has them in order.

    A kind of head says by `loss` what it learns and by `tagged_words` what it answers. Where its
    loss reads more than a number a token, `target_of` and `tags_in` say what its targets are.

    Attributes:
        grammar: What the tags of a text must keep to, on the CPU; None without `follows_scheme`.
    """

    Config: ClassVar[type[WordTagHeadConfig]] = WordTagHeadConfig
    Example = TaggingExample
    answers = "token"
    config: WordTagHeadConfig

    def __init__(self, config: WordTagHeadConfig, shape: EncoderShape) -> None:
        """Builds the layers with fresh weights.

        Args:
            config: What they look like.
            shape: The sizes of the encoder they will be used with.
        """
        super().__init__(config, shape)
        self.activation = activation_of(config.activation)
        widths = [(2 * config.context + 1) * shape.width, *[shape.width] * (config.layers - 1)]
        self.dense = nn.ModuleList(nn.Linear(width, shape.width) for width in widths[:-1])
        self.out = nn.Linear(widths[-1], len(config.labels), bias=config.bias)
        self._number_of = {label: number for number, label in enumerate(config.labels)}
        with torch.device("cpu"):  # it is used where answers are made, wherever the head lies
            grammar = Grammar.of(config.labels, config.scheme)
        self.grammar = grammar if config.follows_scheme else None
        for module in (*self.dense, self.out):
            init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                init.zeros_(module.bias)

    @classmethod
    def configure(
        cls, options: Mapping[str, Any], examples: Sequence[TaggingExample]
    ) -> WordTagHeadConfig:
        """The config that `options` give, completed from labelled examples.

        Args:
            options: Fields of the config. Without `scheme` it is the one that all tags follow;
                without `labels` they are all tags of that scheme for the types that occur; where
                there are `class_weights`, they may be "balanced".
            examples: The training examples.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: The examples lack tags, have only one, or have one that does not fit.
        """
        return configure_from_examples(cls.Config, cls.kind, options, examples)

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
                    f"an example of {cls.kind!r} as a tuple is (text, entities) or (tokens, tags), "
                    f"not {len(value)} values."
                )
            value = dict(zip(names, value, strict=False))
        return cast("TaggingExample", super().parse(value))

    def encode(self, examples: Sequence[TaggingExample], tokenizer: Tokenizer) -> list[Encoded]:
        """As many rows as cover the text; the targets are those of `target_of`.

        Raises:
            InputError: A text is empty, a tag is unknown, an entity's borders are within words, or
                `target_of` refuses the tags; the error has the example's place.
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

    def target_of(self, tags: Sequence[int], text: SubWords, n_tokens: int) -> Tensor:
        """What `loss` compares with for a text whose tags are known.

        By default the tag's number at the first sub-word of each word and -100 elsewhere.

        Args:
            tags: The number of each word's tag.
            text: The words' sub-words.
            n_tokens: Tokens of all rows of the text.

        Returns:
            A number, or several, for each token. Shape: (n_tokens, ...), int64.

        Raises:
            InputError: A head of this kind cannot learn these tags.
        """
        target = torch.full((n_tokens,), IGNORED)
        firsts = torch.tensor([text.tokens[start] for start in text.starts])
        target[firsts] = torch.tensor(tags)
        return target

    def tags_in(self, target: Tensor, text: SubWords) -> list[int]:
        """The tags that `target_of` made a target of, one number a word.

        Args:
            target: Of one text. Shape: (n_tokens, ...).
            text: Its sub-words.
        """
        firsts = [text.tokens[start] for start in text.starts]
        tags: list[int] = target[firsts].tolist()
        return tags

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

    @abstractmethod
    def tagged_words(self, output: HeadOutput, encoded: Sequence[Encoded]) -> Iterable[TaggedText]:
        """The tag of each word of each example, and how probable it is.

        Args:
            output: The logits of all tokens of the examples' rows. Shape: (N, K).
            encoded: The examples.

        Raises:
            InputError: The logits are not finite.
        """

    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """The tags of each text as `tagged_words` has them, and the entities they stand for.

        Raises:
            InputError: The logits are not finite.
        """
        answers = self.tagged_words(output, encoded)
        return [
            prediction_of(example_of(item), answer, self.config.labels, self.config.scheme)
            for item, answer in zip(encoded, answers, strict=True)
        ]

    def metrics(self) -> TagMetrics:
        """A fresh collector: of accuracy for plain tags, else of entity F1 too."""
        return TagMetrics(self) if self.config.scheme == "plain" else EntityMetrics(self)

    def _target(self, example: TaggingExample, rows: Sequence[Row]) -> Tensor | None:
        if example.tags is None and example.entities is None:
            return None
        text = SubWords.of(rows)
        tags: Sequence[str] = example.tags or ()
        if example.entities is not None:
            words = text.words_of(example)
            tags = tags_for(example.entities, words, example.content, self.config.scheme)
        unknown = next((tag for tag in tags if tag not in self._number_of), None)
        if unknown is not None:
            raise InputError(
                f"the tag {unknown!r} is unknown to this head; it has: "
                f"{listing(self.config.labels)}."
            )
        numbers = [self._number_of[tag] for tag in tags]
        return self.target_of(numbers, text, sum(len(row) for row in rows))

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.config.dropout, self.training)


def example_of(item: Encoded) -> TaggingExample:
    """The example, which is of these heads' class: `encode` put it there."""
    return cast("TaggingExample", item.example)
