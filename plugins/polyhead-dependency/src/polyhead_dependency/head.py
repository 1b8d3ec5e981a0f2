"""The head of each word of a sentence, and the relation between the two.

Dimensions: N tokens of all sentences, E sentences, W words of the longest, V = 1 + W heads (the
root and the words), M words of all sentences, A and R the widths for arcs and relations, S that of
a token's output, D width of the encoder, K relations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional, init

import polyhead as ph
from polyhead.heads import with_neighbours
from polyhead_dependency.biaffine import Biaffine
from polyhead_dependency.config import DependencyHeadConfig, configure_from_examples
from polyhead_dependency.decoding import Decoding, best_heads
from polyhead_dependency.example import DependencyExample
from polyhead_dependency.metrics import DependencyMetrics
from polyhead_dependency.parse import Parse
from polyhead_dependency.prediction import DependencyPrediction
from polyhead_dependency.roles import Roles
from polyhead_dependency.targets import N_PARTS, check_labels, sentence_target
from polyhead_dependency.words import NOT_KNOWN, Words, word_numbers

__all__ = ["DependencyHead"]


class DependencyHead(ph.Head):
    """Biaffine scores of arcs and relations over the words of a sentence.

    `forward` gives each token what it is as a word and as a head: `activation(W h + b)`, with h its
    hidden state beside those of its neighbours under `context`, or h itself where the widths are 0.
    A word is its first sub-word or the mean of all; [CLS] is the root. With w a word and v a head,
    the arc's score is `[w; 1] A v`, and that of its relation k `[w; 1] R_k [v; 1]`. These are
    computed where the words are known: in the loss, with the relations of the true arcs alone, and
    for an answer, with those of the tree's. So the output takes no more room for long sentences,
    and that of a sentence is the same in any batch.

    Source: Dozat and Manning 2017, arXiv:1611.01734; without layers of its own (widths 0) Glavaš
    and Vulić 2021, arXiv:2008.06788, as the dependency parsing head of the `adapters` library 1.3.
    """

    kind = "dependency"
    Config = DependencyHeadConfig
    Example = DependencyExample
    answers = "token"
    recipe: ClassVar[ph.Recipe] = ph.Recipe(
        adapter="double_seq_bn[reduction_factor=4,dropout=0.2]",
        epochs=8,
        lr=2e-3,
        head_lr=4e-3,
        text=ph.TextSettings(max_length=256),
    )
    config: DependencyHeadConfig

    def __init__(self, config: DependencyHeadConfig, shape: ph.EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape)
        width = (2 * config.context + 1) * shape.width
        self._widths = [config.arc_width] * 2 + [config.relation_width] * 2
        self.activation = ph.activation_of(config.activation)
        self.project: nn.Linear | None = None
        if config.arc_width:
            self.project = nn.Linear(width, sum(self._widths))
            init.normal_(self.project.weight, std=0.02)
            init.zeros_(self.project.bias)
        self.arcs = Biaffine(config.arc_width or width, 1, has_right_bias=False)
        n_relations = len(config.labels)
        self.relations = Biaffine(config.relation_width or width, n_relations, has_right_bias=True)
        self._number_of = {label: number for number, label in enumerate(config.labels)}

    @classmethod
    def configure(
        cls, options: Mapping[str, Any], examples: Sequence[DependencyExample]
    ) -> DependencyHeadConfig:
        """The config that `options` give, completed from labelled examples.

        Args:
            options: Fields of the config. Without `labels` they are all relations that occur;
                without `root_relation` it is the one that all roots have, if no other word has it.
            examples: The training examples.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: An example has no tree, or a relation that is not among the given labels.
        """
        return configure_from_examples(options, examples)

    @classmethod
    def parse(cls, value: object) -> DependencyExample:
        """The example that `value` stands for.

        Args:
            value: An example, a mapping of its fields, a text, a list of words, or a tuple of
                words, heads and relations.

        Raises:
            InputError: It is none of these.
        """
        if isinstance(value, list):
            value = (value,)
        if isinstance(value, tuple) and value and not isinstance(value[0], str):
            names = ("tokens", "heads", "deprels")
            if len(value) > len(names):
                raise ph.InputError(
                    "an example of 'dependency' as a tuple is (tokens, heads, deprels), not "
                    f"{len(value)} values."
                )
            value = dict(zip(names, value, strict=False))
        return cast("DependencyExample", super().parse(value))

    def encode(
        self, examples: Sequence[DependencyExample], tokenizer: ph.Tokenizer
    ) -> list[ph.Encoded]:
        """A row for each sentence, cut where the task's text settings say so.

        The target has for each token the word it stands for (0 for the root, -100 for none), the
        number of that word's head and that of the relation, -100 where these are not known: a head
        that was cut off teaches nothing. Shape: (N, 3).

        Raises:
            InputError: A sentence has no words or is too long, or a relation is unknown; the error
                has the example's place.
        """
        rows = tokenizer.rows([list(example.words) for example in examples], offsets=True)
        encoded = []
        for index, (example, row) in enumerate(zip(examples, rows, strict=True)):
            try:
                numbers = word_numbers(row, self.config.pooling)
                target = sentence_target(example, numbers, self._number_of)
            except ph.InputError as error:
                raise ph.InputError(error.reason, index=index) from None
            encoded.append(ph.Encoded(example, (row,), target))
        return encoded

    def forward(self, hidden: ph.Hidden) -> Tensor:
        """What each token is as a word and as a head. Shape: (N, S), S = 2A + 2R or as hidden."""
        states_NW = self._drop(with_neighbours(hidden.tokens, hidden.packing, self.config.context))
        if self.project is None:
            return states_NW
        return self._drop(self.activation(self.project(states_NW)))

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """The targets of a padded batch, checked. Shape: (B, T, 3) -> (N, 3), int64.

        Args:
            labels: For each token the word it stands for, that word's head and its relation, as
                `encode` has them. The first token of a row is 0, the root.
            mask: Which tokens are there. Shape: (B, T).

        Raises:
            InputError: They are not that.
        """
        if labels.shape != (*mask.shape, N_PARTS):
            raise ph.InputError(
                f"labels of shape {tuple(labels.shape)} do not fit; give three numbers a token, "
                f"shape {(*mask.shape, N_PARTS)}: its word, that word's head and its relation."
            )
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise ph.InputError(f"labels must be whole numbers, not {labels.dtype}.")
        for row, is_there in zip(labels, mask, strict=True):
            check_labels(row[is_there], len(self.config.labels))
        return labels[mask].long()

    def loss(self, output: ph.HeadOutput, targets: Tensor) -> Tensor:
        """Mean cross entropy of the words' heads, and that of the true arcs' relations, added.

        Each word chooses among the words of its own sentence and the root. Both are computed in
        float32, and are 0 where no head is known. Shape: ().
        """
        output_NS = _tensor(output)
        words_N, heads_N, relations_N = targets.to(output_NS.device).unbind(dim=1)
        words = Words.of(words_N)
        roles = self._roles(output_NS, words)
        heads_EW, relations_EW = words.spread(heads_N), words.spread(relations_N)
        is_known_EW = heads_EW != NOT_KNOWN
        n_known = is_known_EW.sum().clamp(min=1)
        arcs_MV = self._arc_scores(roles, words)[is_known_EW]
        pairs = self._pairs(roles, is_known_EW, heads_EW[is_known_EW])
        # not the mean, which is no number where nothing is known
        return (
            functional.cross_entropy(arcs_MV, heads_EW[is_known_EW], reduction="sum")
            + functional.cross_entropy(pairs, relations_EW[is_known_EW], reduction="sum")
        ) / n_known

    def decode(self, output: ph.HeadOutput, encoded: Sequence[ph.Encoded]) -> list[ph.Prediction]:
        """The tree of each sentence.

        Raises:
            InputError: The scores are not finite.
        """
        parses = self.parses(output, encoded)
        return [_prediction(item, parse) for item, parse in zip(encoded, parses, strict=True)]

    def parses(self, output: ph.HeadOutput, encoded: Sequence[ph.Encoded]) -> list[Parse]:
        """The tree of each sentence, as heads, relations and their probabilities.

        Raises:
            InputError: The scores are not finite.
        """
        output_NS = _tensor(output).detach()
        words = self._words(encoded).to(output_NS.device)
        with torch.no_grad():
            roles = self._roles(output_NS, words)
            arcs_EWV = self._arc_scores(roles, words)
            is_word_EW = words.is_node()[:, 1:]
            _check_finite(arcs_EWV[is_word_EW.unsqueeze(2) & words.is_node().unsqueeze(1)])
            arcs_EWV = arcs_EWV.log_softmax(dim=2)
            heads = best_heads(arcs_EWV.cpu(), words.counts, self.config.decoding)
            heads_M = torch.tensor([head for own in heads for head in own], dtype=torch.long)
            heads_M = heads_M.to(output_NS.device)
            relations_MK = self._pairs(roles, is_word_EW, heads_M)
            _check_finite(relations_MK)
            best_M, numbers_M = self._relation_choice(relations_MK, heads_M).max(dim=1)
            of_arcs_M = arcs_EWV[is_word_EW].gather(1, heads_M.unsqueeze(1)).squeeze(1)
            scores_M = (of_arcs_M + best_M).exp()
        deprels = iter([self.config.labels[number] for number in numbers_M.tolist()])
        scores = iter(scores_M.tolist())
        return [
            Parse(own, list(islice(deprels, len(own))), list(islice(scores, len(own))))
            for own in heads
        ]

    def scores(
        self, output: ph.HeadOutput, encoded: Sequence[ph.Encoded]
    ) -> list[tuple[Tensor, Tensor]]:
        """All scores of each sentence, in float32: of every arc, and of every arc's relations.

        Shape: (W, W + 1) and (W, W + 1, K) for a sentence of W words; head 0 is the root.
        """
        output_NS = _tensor(output)
        words = self._words(encoded).to(output_NS.device)
        roles = self._roles(output_NS, words)
        arcs_EWV = self._arc_scores(roles, words)
        relations_EWVK = self.relations(roles.relation_words, roles.relation_heads)
        return [
            (arcs[:count, : count + 1], relations[:count, : count + 1])
            for arcs, relations, count in zip(arcs_EWV, relations_EWVK, words.counts, strict=True)
        ]

    def set_decoding(self, decoding: Decoding) -> None:
        """Changes which heads may go together in answers; the head is saved with it.

        Args:
            decoding: As in the config.

        Raises:
            ConfigError: There is no such decoding.
        """
        fields = {**self.config.model_dump(), "decoding": decoding}
        self.config = ph.validate_config(DependencyHeadConfig, fields, "head kind 'dependency'")

    def metrics(self) -> DependencyMetrics:
        """A fresh collector of attachment scores."""
        return DependencyMetrics(self.parses)

    def _words(self, encoded: Sequence[ph.Encoded]) -> Words:
        pooling = self.config.pooling
        numbers = [n for item in encoded for row in item.rows for n in word_numbers(row, pooling)]
        return Words.of(torch.tensor(numbers, dtype=torch.long))

    def _roles(self, output_NS: Tensor, words: Words) -> Roles:
        return Roles.of(output_NS, words, () if self.project is None else self._widths)

    def _arc_scores(self, roles: Roles, words: Words) -> Tensor:
        """Those of each word hanging on each head, -inf for heads that are not there.

        Shape: (E, W, V).
        """
        scores_EWV: Tensor = self.arcs(roles.arc_words, roles.arc_heads).squeeze(3)
        return scores_EWV.masked_fill(~words.is_node().unsqueeze(1), -torch.inf)

    def _pairs(self, roles: Roles, is_chosen_EW: Tensor, heads_M: Tensor) -> Tensor:
        """The scores of the relations of one arc of each chosen word. Shape: (M, K)."""
        sentences_M = is_chosen_EW.nonzero()[:, 0]
        words_MR = roles.relation_words[is_chosen_EW]
        return self.relations.of_pairs(words_MR, roles.relation_heads[sentences_M, heads_M])

    def _relation_choice(self, scores_MK: Tensor, heads_M: Tensor) -> Tensor:
        """Log probabilities of relations; that of the root is for the root alone."""
        log_MK = scores_MK.log_softmax(dim=1)
        if self.config.root_relation is None or len(self.config.labels) == 1:
            return log_MK
        is_root_M1 = (heads_M == 0).unsqueeze(1)
        is_its_K = torch.arange(log_MK.shape[1]) == self._number_of[self.config.root_relation]
        return log_MK.masked_fill(is_its_K.to(log_MK.device) != is_root_M1, -torch.inf)

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.config.dropout, self.training)


def _tensor(output: ph.HeadOutput) -> Tensor:
    if not isinstance(output, Tensor):
        raise TypeError(f"this head's output is one tensor, not a {type(output).__name__}")
    return output


def _check_finite(scores: Tensor) -> None:
    if not bool(torch.isfinite(scores).all()):
        raise ph.InputError(
            "the scores of a sentence's arcs are not finite numbers; the weights of this head or "
            "its adapter are damaged, or their training diverged."
        )


def _prediction(item: ph.Encoded, parse: Parse) -> DependencyPrediction:
    example = cast("DependencyExample", item.example)
    n_read = len(parse.heads)
    spans = example.spans()[:n_read]
    return DependencyPrediction(
        words=list(example.words[:n_read]),
        heads=parse.heads,
        deprels=parse.deprels,
        scores=parse.scores,
        starts=[start for start, _ in spans],
        ends=[end for _, end in spans],
        n_unread=len(example.words) - n_read,
    )
