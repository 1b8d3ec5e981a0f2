"""The words behind masks: learning from unlabelled text, and filling gaps.

Dimensions: N tokens of all rows, M of them read, D width of the encoder, V its vocabulary, K best
tokens of a mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.contracts import Encoded, Head, Prediction, Recipe, activation_of
from polyhead.errors import InputError, shown
from polyhead.heads.masked_lm.config import MaskedLMHeadConfig
from polyhead.heads.masked_lm.encoding import IGNORED, EncodedText, encode_texts
from polyhead.heads.masked_lm.example import MaskedLMExample
from polyhead.heads.masked_lm.masking import mask_texts
from polyhead.heads.masked_lm.metrics import MaskedLMMetrics
from polyhead.heads.masked_lm.prediction import filled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.batch import Hidden
    from polyhead.contracts import EncoderShape, HeadOutput, Tokenizer

__all__ = ["MaskedLMHead"]


class MaskedLMHead(Head):
    """One layer over each token, compared with the encoder's own word embeddings.

    `logits = E norm(activation(W h + b)) + c`, where E is the frozen matrix that the encoder reads
    words with: it comes with each batch, and is no part of the head or of its file. Where a row's
    adapter maps the embeddings, what is compared with E is mapped back first.

    The logits of all tokens would be huge, V numbers each. So `forward` stops in front of E, and
    the loss, the answers and the figures multiply the tokens they read alone.

    W starts as the identity: on minilm and WikiText-2, 60 steps of the head alone lead to a loss of
    5.75 and 16.2 % right from there, and to 5.81 and 13.9 % from N(0, 0.02). Biases start as 0.

    Source: the masked language model of DistilBERT in transformers, and the head of the `adapters`
        library 1.3, whose files the tests read.
    """

    kind = "masked_lm"
    Config = MaskedLMHeadConfig
    Example = MaskedLMExample
    answers = "token"
    # the bias of each token has far to go: at 1e-3 the first epochs learn little else
    recipe: ClassVar[Recipe] = Recipe(head_lr=5e-3)
    config: MaskedLMHeadConfig

    def __init__(self, config: MaskedLMHeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape)
        self.activation = activation_of(config.activation)
        self.dense = nn.Linear(shape.width, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(shape.vocab_size))
        init.eye_(self.dense.weight)
        init.zeros_(self.dense.bias)

    def encode(self, examples: Sequence[MaskedLMExample], tokenizer: Tokenizer) -> list[Encoded]:
        """As many rows as cover the text, without overlap, and every token as its own target.

        Nothing is hidden yet: see `draw`.

        Raises:
            InputError: A text is empty, or the vocabulary has no [MASK].
        """
        return list(encode_texts(examples, tokenizer, keep_words=self.config.whole_words))

    def draw(self, encoded: Sequence[Encoded], generator: torch.Generator) -> Sequence[Encoded]:
        """The texts with some tokens hidden, drawn anew each time, and those alone as targets."""
        return mask_texts(_texts(encoded), self.config, self.shape.vocab_size, generator)

    def forward(self, hidden: Hidden) -> dict[str, Tensor]:
        """`states`, (N, D), and the `embeddings` to compare them with, (V, D), not copied."""
        if hidden.word_embeddings is None:
            raise RuntimeError("this head needs `hidden.word_embeddings`, the encoder's own matrix")
        states_ND: Tensor = self.norm(self.activation(self.dense(hidden.tokens)))
        return {"states": hidden.inverted(states_ND), "embeddings": hidden.word_embeddings}

    def project(self, output: HeadOutput, places: Tensor) -> Tensor:
        """Logits of the tokens at `places`. Shape: (M,) -> (M, V)."""
        states_ND, embeddings_VD = _parts(output)
        states_MD = states_ND[places.to(states_ND.device)]
        return functional.linear(states_MD, embeddings_VD.to(states_MD.dtype), self.bias)

    def logits(self, output: HeadOutput) -> Tensor:
        """Logits of all tokens. Shape: (N, V)."""
        states_ND, embeddings_VD = _parts(output)
        return functional.linear(states_ND, embeddings_VD.to(states_ND.dtype), self.bias)

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """The token ids to be found, checked; -100 where nothing is. Shape: (B, T) -> (N,), int64.

        Raises:
            InputError: They are not one whole number a token, -100 or an id of the vocabulary.
        """
        if labels.shape != mask.shape:
            raise InputError(
                f"labels of shape {tuple(labels.shape)} do not fit; give one number a token, shape "
                f"{tuple(mask.shape)}, and {IGNORED} where nothing is to be found."
            )
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise InputError(f"labels must be whole numbers, not {labels.dtype}.")
        targets_N = labels[mask].long()
        highest = self.shape.vocab_size - 1
        is_id_N = (targets_N >= 0) & (targets_N <= highest)
        wrong = targets_N[~is_id_N & (targets_N != IGNORED)]
        if wrong.numel():
            raise InputError(
                f"the label {int(wrong[0])} is neither {IGNORED} nor a token id, 0 to {highest}."
            )
        return targets_N

    def loss(self, output: HeadOutput, targets: Tensor) -> Tensor:
        """Mean cross entropy over the tokens that are asked for, in float32; 0 without any.

        Shape: ().
        """
        places_M = (targets != IGNORED).nonzero().squeeze(1)
        logits_MV = self.project(output, places_M).float()
        if not len(places_M):
            return logits_MV.sum()
        return functional.cross_entropy(logits_MV, targets[places_M].to(logits_MV.device))

    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """The `top_k` most probable tokens for each [MASK] of each text.

        Raises:
            InputError: A text has no [MASK], or the logits are not finite.
        """
        texts = _texts(encoded)
        places: list[int] = []
        start = 0
        for number, text in enumerate(texts):
            if not text.masks:
                raise InputError(
                    f"the text {shown(text.example.text)} has no [MASK]; write it wherever a word "
                    "is to be found.",
                    index=number,
                )
            places += [start + place for place in text.masks]
            start += text.n_tokens
        best = iter(self._best(output, torch.tensor(places, dtype=torch.long)))
        return [filled(text, [next(best) for _ in text.masks]) for text in texts]

    def metrics(self) -> MaskedLMMetrics:
        """A fresh collector of perplexity, loss and accuracy."""
        return MaskedLMMetrics(self._checked)

    def _best(self, output: HeadOutput, places: Tensor) -> list[list[tuple[int, float]]]:
        """For each of M tokens K ids and their probabilities, best first."""
        logits_MV = self._checked(output, places)
        top = logits_MV.topk(min(self.config.top_k, self.shape.vocab_size), dim=1)
        scores_MK = (top.values - logits_MV.logsumexp(dim=1, keepdim=True)).exp()
        return [
            list(zip(ids, scores, strict=True))
            for ids, scores in zip(top.indices.tolist(), scores_MK.tolist(), strict=True)
        ]

    def _checked(self, output: HeadOutput, places: Tensor) -> Tensor:
        """Logits of M tokens out of the graph, in float32. Shape: (M,) -> (M, V)."""
        logits_MV = self.project(output, places).detach().float()
        if not bool(torch.isfinite(logits_MV).all()):
            raise InputError(
                "the logits of a token are not finite numbers; the weights of this head or its "
                "adapter are damaged, or their training diverged."
            )
        return logits_MV


def _parts(output: HeadOutput) -> tuple[Tensor, Tensor]:
    if isinstance(output, Tensor):
        raise TypeError("this head's output has two parts, `states` and `embeddings`")
    return output["states"], output["embeddings"]


def _texts(encoded: Sequence[Encoded]) -> list[EncodedText]:
    texts = [item for item in encoded if isinstance(item, EncodedText)]
    if len(texts) < len(encoded):
        raise TypeError("this head reads what its own `encode` made")
    return texts
