"""What is trained on each data set, and with which options on each side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ADAPTERS, BUDGET, RECIPE = "adapters", "budget", "recipe"
SIDES = (ADAPTERS, BUDGET, RECIPE)

LR = "1e-3"
BATCH_SIZE = "32"
WARMUP_RATIO = "0.1"
STRIDE = "64"


@dataclass(frozen=True)
class Plan:
    """One training of each side, and the rows of the table that come of it.

    Attributes:
        data: The data set, a folder of the data root.
        head: Our kind of head.
        metrics: The figures of the table, by the heads' names for them.
        peer_kind: What `peer_adapters.py` calls the task; None where the library has no such head.
        epochs: Passes over the training part under the same budget.
        max_length: Tokens of a row under the same budget.
        adapter: Whether an adapter is trained beside the head.
        trains: Whether there is anything to train; else our head is measured as it is.
        blocks: Whether the texts are cut into rows of `max_length` tokens before.
        note: What sets it apart from another plan on the same data.
    """

    data: str
    head: str
    metrics: tuple[str, ...]
    peer_kind: str | None = None
    epochs: int = 3
    max_length: int = 128
    adapter: bool = True
    trains: bool = True
    blocks: bool = False
    note: str = ""

    def sides(self) -> tuple[str, ...]:
        """Return the sides that it is run on."""
        if not self.trains:
            return (RECIPE,)
        return SIDES if self.peer_kind else (BUDGET, RECIPE)


_QA = {"head": "question_answering", "epochs": 1, "max_length": 256}

PLANS = {
    "uner_ewt": Plan("uner_ewt", "tagging", ("f1",), "entities"),
    "wnut17": Plan("wnut17", "tagging", ("f1",), "entities"),
    "ud_ewt": Plan("ud_ewt", "tagging", ("accuracy",), "tagging"),
    "squad_v1": Plan("squad_v1", metrics=("exact_match", "f1"), peer_kind="squad1", **_QA),
    "squad_v2": Plan(
        "squad_v2", metrics=("exact_match", "f1", "best_f1"), peer_kind="squad2", **_QA
    ),
    "stsb": Plan("stsb", "regression", ("pearson", "spearman"), "regression"),
    "goemotions": Plan("goemotions", "multilabel", ("micro_f1", "macro_f1"), "multilabel"),
    "banking77": Plan("banking77", "classification", ("accuracy",), "classification"),
    "clinc150": Plan("clinc150", "classification", ("accuracy",), "classification"),
    "cola": Plan("cola", "classification", ("accuracy", "mcc"), "classification"),
    "wikitext2_head": Plan(
        *("wikitext2", "masked_lm", ("perplexity",), "masked_lm"),
        adapter=False,
        blocks=True,
        note="head alone",
    ),
    "wikitext2": Plan(
        *("wikitext2", "masked_lm", ("perplexity",), "masked_lm"),
        blocks=True,
        note="adapter and head",
    ),
    "stsb_zero_shot": Plan(
        *("stsb", "embedding", ("spearman",)), adapter=False, trains=False, note="zero-shot"
    ),
    "stsb_embedding": Plan("stsb", "embedding", ("spearman",), note="trained"),
}


def budget_options(plan: Plan) -> list[str]:
    """Return the options that both sides share under the same budget."""
    return [
        *("--epochs", str(plan.epochs)),
        *("--lr", LR),
        *("--batch-size", BATCH_SIZE),
        *("--max-length", str(plan.max_length)),
        *("--warmup-ratio", WARMUP_RATIO),
    ]


def peer_command(
    plan: Plan, python: Path | str, script: Path | str, data: Path | str, encoder: Path | str
) -> list[str]:
    """Return the command that trains with `adapters`, but for the seed.

    Raises:
        ValueError: `adapters` has no such head.
    """
    if plan.peer_kind is None:
        raise ValueError(f"adapters has no head of kind {plan.head}")
    return [
        *(str(python), "-P", str(script)),
        *("--kind", plan.peer_kind),
        *("--data", str(data)),
        *("--encoder", str(encoder)),
        *budget_options(plan),
        *("--stride", STRIDE),
        *([] if plan.adapter else ["--no-adapter"]),
    ]


def our_command(
    plan: Plan, side: str, python: str, data: Path | str, output: Path | str
) -> list[str]:
    """Return the command that trains with polyhead, but for the seed.

    Under the same budget the head, our default one, learns at the rate of the adapter, as that of
    `adapters` does; the recipe is what the kind of head does where nothing is said.
    """
    same = side == BUDGET
    adapter = (
        [] if plan.adapter and not same else ["--adapter", "seq_bn" if plan.adapter else "none"]
    )
    return [
        *(python, "-m", "polyhead", "train"),
        *("--task", plan.data),
        *("--head", plan.head),
        *("--data", f"{data}/train.jsonl"),
        *("--eval", f"{data}/dev.jsonl"),
        *("--backbone", "minilm"),
        *adapter,
        *([*budget_options(plan), "--head-lr", LR] if same else []),
        *("--output", str(output)),
        "--json",
    ]
