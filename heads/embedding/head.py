"""One vector a text, for search, grouping and comparison.

Dimensions: R rows, E examples, D width of the encoder, W width of an embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.contracts import Encoded, Head, Prediction
from polyhead.errors import InputError
from polyhead.heads.embedding.config import EmbeddingHeadConfig, configure_from_pairs
from polyhead.heads.embedding.example import EmbeddingExample
from polyhead.heads.embedding.losses import cosent_loss, cosine_loss, in_batch_loss, pair_cosines
from polyhead.heads.embedding.metrics import EmbeddingMetrics, ScoredEmbeddingMetrics
from polyhead.heads.embedding.targets import PairTargets, pair_targets, row_targets
from polyhead.heads.logits import checked_logits, logits_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polyhead.batch import Hidden, Row
    from polyhead.contracts import EncoderShape, HeadOutput, Tokenizer

__all__ = ["EmbeddingHead", "EmbeddingPrediction"]

_SHOWN_NUMBERS: Final = 3


class EmbeddingPrediction(Prediction):
    """The vector of one text."""

    embedding: list[float] = Field(description="The text's vector.")
    similarity: float | None = Field(
        default=None, description="The cosine with the second text's vector, where there is one."
    )

    def __str__(self) -> str:
        if self.similarity is not None:
            return f"similarity {self.similarity:.3f}"
        first = ", ".join(f"{value:.3f}" for value in self.embedding[:_SHOWN_NUMBERS])
        return f"{len(self.embedding)} numbers: {first}, ..."


class EmbeddingHead(Head):
    """A pooled hidden state for each text; texts of like meaning get like directions.

    With p the pooled hidden state: `p`, or `W p` with a projection, then divided by its length
    under `normalise`. The projection starts with orthonormal rows or columns: at full width a fresh
    one changes no cosine. Without a projection the head has no weights of its own: it works
    untrained on an encoder made for it, and what learns is the adapter.

    A pair is two rows, and each negative is one more; every row gets an embedding, so that a text's
    never depends on the other.
    """

    kind = "embedding"
    Config = EmbeddingHeadConfig
    Example = EmbeddingExample
    config: EmbeddingHeadConfig

    def __init__(self, config: EmbeddingHeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape)
        self.projection = None
        if config.projection is not None:
            self.projection = nn.Linear(shape.width, config.projection, bias=False)
            init.orthogonal_(self.projection.weight)

    @property
    def reads_first_only(self) -> bool:
        """See the base class."""
        return self.config.pooling == "cls" and not self.keeps_layers

    @property
    def width(self) -> int:
        """W."""
        return self.config.projection or self.shape.width

    @classmethod
    def configure(
        cls, options: Mapping[str, Any], examples: Sequence[EmbeddingExample]
    ) -> EmbeddingHeadConfig:
        """The config that `options` give, completed from pairs.

        Args:
            options: Fields of the config. Without `loss` it follows from whether the pairs have
                scores; without `score_range`, where one is needed, it reaches to the whole numbers
                around the scores.
            examples: The training pairs; none for a head that is not trained.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: An example has no second text, or the scores do not make a task.
        """
        return configure_from_pairs(options, examples)

    def encode(self, examples: Sequence[EmbeddingExample], tokenizer: Tokenizer) -> list[Encoded]:
        """A row for each text: the first, the second, the negatives; the target is of pairs alone.

        Raises:
            InputError: A text is empty or too long, or a negative is the second text itself.
        """
        seconds = [() if e.text_pair is None else (e.text_pair,) for e in examples]
        columns = (
            _rows_of_each([(e.text,) for e in examples], tokenizer, "text"),
            _rows_of_each(seconds, tokenizer, "second text"),
            _rows_of_each([e.negatives for e in examples], tokenizer, "negative"),
        )
        encoded = []
        for number, (example, *parts) in enumerate(zip(examples, *columns, strict=True)):
            rows = tuple(row for part in parts for row in part)
            _, second, negatives = parts
            if any(row.ids == second[0].ids for row in negatives):
                raise InputError("a negative is the same as the second text.", index=number)
            target = row_targets(rows, example.label) if second else None
            encoded.append(Encoded(example, rows, target))
        return encoded

    def forward(self, hidden: Hidden) -> Tensor:
        """The embedding of each row. Shape: (R, W)."""
        match self.config.pooling:
            case "mean":
                pooled_RD = hidden.mean()
            case "cls":
                pooled_RD = hidden.cls
            case "max":
                pooled_RD = hidden.max()
        vectors_RW = functional.dropout(pooled_RD, self.config.dropout, self.training)
        if self.projection is not None:
            vectors_RW = self.projection(vectors_RW)
        return functional.normalize(vectors_RW, dim=1) if self.config.normalise else vectors_RW

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """The targets of a padded batch of pairs: rows 0 and 1, rows 2 and 3, and so on.

        Args:
            labels: One number a row. For a head that learns from scores both rows of a pair have
                its score; for one that does not they are whole numbers, equal for equal texts:
                `torch.arange(B)` where none is there twice. Shape: (B,).
            mask: Which tokens are there. Shape: (B, T), bool.

        Raises:
            InputError: They are not of that form.
        """
        labels = super().targets(labels, mask)
        if labels.ndim != 1 or len(labels) % 2:
            raise InputError(
                f"labels of shape {tuple(labels.shape)} do not fit; rows 0 and 1, 2 and 3, ... are "
                "pairs, and each row has one number."
            )
        if not self.config.is_scored:
            if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
                raise InputError(
                    "labels of a head with loss='in_batch' are whole numbers, equal for rows of "
                    f"the same text, not {labels.dtype}."
                )
            return pair_targets(labels, None)
        scores = labels.double()
        if not torch.isfinite(scores).all() or not torch.equal(scores[0::2], scores[1::2]):
            raise InputError(
                "labels of a head that learns from scores are finite numbers, the same for both "
                "rows of a pair."
            )
        return pair_targets(torch.arange(len(labels)), scores[0::2])

    def loss(self, output: HeadOutput, targets: Tensor) -> Tensor:
        """The loss that the config names, in float32. Shape: ().

        Raises:
            InputError: Pairs have a score or lack one against the config, or a score is outside
                `score_range`.
        """
        embeddings_RW = logits_of(output)
        pairs = PairTargets.of(targets.to(embeddings_RW.device))
        scores_E = self._checked_scores(pairs.scores)
        if not self.config.is_scored:
            return in_batch_loss(
                embeddings_RW, pairs, scale=self.config.scale, symmetric=self.config.symmetric
            )
        cosines_E = pair_cosines(embeddings_RW, pairs)
        if self.config.loss == "cosent" or self.config.score_range is None:
            return cosent_loss(cosines_E, scores_E, scale=self.config.scale)
        low, high = self.config.score_range
        return cosine_loss(cosines_E, (scores_E - low) / (high - low))

    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """Each first text's embedding and, for a pair, its cosine with the second text's.

        Raises:
            InputError: The embeddings are not finite.
        """
        vectors_RW = checked_logits(output)
        unit_RW = functional.normalize(vectors_RW, dim=1)
        answers: list[Prediction] = []
        row = 0
        for item in encoded:
            similarity = None
            if len(item.rows) > 1:
                similarity = float((unit_RW[row] @ unit_RW[row + 1]).clamp(-1, 1))
            embedding = vectors_RW[row].tolist()
            answers.append(EmbeddingPrediction(embedding=embedding, similarity=similarity))
            row += len(item.rows)
        return answers

    def metrics(self) -> EmbeddingMetrics:
        """A fresh collector; its primary figure is `spearman` for scored pairs, else `mrr`."""
        return ScoredEmbeddingMetrics() if self.config.is_scored else EmbeddingMetrics()

    def _checked_scores(self, scores: Tensor) -> Tensor:
        n_scored = int(scores.isfinite().sum())
        if n_scored and not self.config.is_scored:
            raise InputError(
                f"{n_scored} of {len(scores)} pairs have a score, and loss='in_batch' takes every "
                "pair for texts that belong together; leave the scores out, or choose "
                "loss='cosent'."
            )
        if n_scored < len(scores) and self.config.is_scored:
            raise InputError(
                f"{len(scores) - n_scored} of {len(scores)} pairs have no score, and "
                f"loss={self.config.loss!r} learns from them."
            )
        if self.config.is_scored and self.config.score_range is not None:
            low, high = self.config.score_range
            odd = scores[(scores < low) | (scores > high)]
            if odd.numel():
                raise InputError(
                    f"the score {float(odd[0]):g} is outside score_range {low:g} to {high:g}."
                )
        return scores


def _rows_of_each(
    texts: Sequence[Sequence[str]], tokenizer: Tokenizer, what: str
) -> list[list[Row]]:
    """The rows of the texts that each example has of one sort."""
    owners = [number for number, own in enumerate(texts) for _ in own]
    try:
        rows = tokenizer.rows([text for own in texts for text in own])
    except InputError as error:
        if error.index is None:
            raise
        reason = error.reason.replace("the text ", f"the {what} ", 1)
        raise InputError(reason, index=owners[error.index]) from None
    found: list[list[Row]] = [[] for _ in texts]
    for owner, row in zip(owners, rows, strict=True):
        found[owner].append(row)
    return found
