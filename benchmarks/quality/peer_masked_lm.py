"""Masked language modelling of unlabelled text, for the `adapters` side."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from benchmarks.quality import text_blocks
from benchmarks.quality.peer_tasks import (
    IGNORED,
    TASK,
    Arguments,
    Row,
    Source,
    Task,
    encode_texts,
    padded,
)

MASKED_SHARE = 0.15
REPLACED_SHARE = 0.8  # of the masked ones; half of the rest is swapped, half stays
DEV_SEED = 0


class MaskedLM(Task):
    """Blocks of text whose masked words are guessed; dev is masked once, always alike."""

    main_metric = "perplexity"
    higher_is_better = False

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.tokenizer = source.tokenizer
        self.specials = set(source.tokenizer.all_special_ids)
        self.generator = torch.Generator().manual_seed(source.seed)
        self.train, self.dev = (self.rows(source, part) for part in ("train", "dev"))
        fixed = torch.Generator().manual_seed(DEV_SEED)
        self.dev = [self.masked(row, fixed) for row in self.dev]

    @staticmethod
    def rows(source: Source, part: str) -> list[Row]:
        """Cut one part into blocks and tokenise them."""

        def count_pieces(words: list[str]) -> list[int]:
            ids = source.tokenizer(words, add_special_tokens=False)["input_ids"]
            return [len(pieces) for pieces in ids]

        texts = [example["text"] for example in source.read(part)]
        blocks = text_blocks.cut_all(texts, source.max_length, count_pieces)
        return encode_texts(source, [{"text": block} for block in blocks])

    def add_head(self, model: Any) -> None:
        """Add the default masked LM head, tied to the embedding.

        Raises:
            RuntimeError: The library did not tie it.
        """
        model.add_masked_lm_head(TASK)
        tied = model.heads[TASK].get_output_embeddings().weight
        if tied is not model.get_input_embeddings().weight:
            raise RuntimeError("the masked LM head is not tied to the embedding")

    def masked(self, row: Row, generator: torch.Generator) -> Row:
        """Mask 15 % of a row's tokens: 80 % by [MASK], 10 % by any token, 10 % not at all."""
        ids = torch.tensor(row.input_ids)
        ordinary = torch.tensor([token not in self.specials for token in row.input_ids])
        chosen = (torch.rand(ids.shape, generator=generator) < MASKED_SHARE) & ordinary
        kind = torch.rand(ids.shape, generator=generator)
        swapped = torch.randint(len(self.tokenizer), ids.shape, generator=generator)
        target = ids.masked_fill(~chosen, IGNORED)
        ids = ids.where(~(chosen & (kind < REPLACED_SHARE)), self.tokenizer.mask_token_id)
        ids = ids.where(~(chosen & (kind >= (1 + REPLACED_SHARE) / 2)), swapped)
        return Row(ids.tolist(), row.token_type_ids, target.tolist())

    def targets(self, rows: list[Row], length: int) -> Arguments:
        """Return the true ids of the masked tokens."""
        return {"labels": torch.tensor([padded(row.target, length, IGNORED) for row in rows])}

    def loss(self, model: Any, rows: list[Row]) -> tuple[torch.Tensor, int]:
        """Return the loss of the rows under fresh masks."""
        masked = [self.masked(row, self.generator) for row in rows]
        arguments = self.inputs(masked)
        logits_MV, labels_M, _ = self.masked_logits(model, masked, arguments)
        return cross_entropy(logits_MV, labels_M), arguments["input_ids"].numel()

    def masked_logits(
        self, model: Any, rows: list[Row], arguments: Arguments
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Run the head on the M masked tokens alone: the same loss as on all, much sooner.

        Returns:
            Logits over the vocabulary, true ids, and the row of each masked token.
        """
        labels_BN = self.targets(rows, arguments["input_ids"].shape[1])["labels"]
        chosen_BN = labels_BN != IGNORED
        hidden_BNE = model.base_model(**arguments)[0]
        outputs = (hidden_BNE[chosen_BN].unsqueeze(0),)
        logits_MV = model.heads[TASK](outputs)[0].squeeze(0)
        return logits_MV, labels_BN[chosen_BN], chosen_BN.nonzero()[:, 0]

    def answer(self, model: Any, rows: list[Row]) -> list[tuple[float, int]]:
        """Return the summed loss and the number of masked tokens of each row."""
        logits_MV, labels_M, row_M = self.masked_logits(model, rows, self.inputs(rows))
        loss_M = cross_entropy(logits_MV, labels_M, reduction="none")
        sums = torch.zeros(len(rows)).index_add(0, row_M, loss_M).tolist()
        counts = row_M.bincount(minlength=len(rows)).tolist()
        return list(zip(sums, counts, strict=True))

    def read(self, output: Any, rows: list[Row]) -> list[Any]:
        """Never called: `answer` runs the head on the masked tokens alone."""
        raise NotImplementedError

    def score(self, answers: list[tuple[float, int]]) -> dict[str, float]:
        """Return the perplexity of the masked tokens."""
        sums, counts = zip(*answers, strict=True)
        loss = sum(sums) / sum(counts)
        return {"perplexity": math.exp(loss), "loss": loss, "masked_tokens": float(sum(counts))}
