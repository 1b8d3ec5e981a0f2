"""Who takes part in the throughput benchmark, and what each is told."""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence

from benchmarks.speed.rounds import Contender
from benchmarks.speed.sides import OURS
from polyhead.bench import lengths, rows
from polyhead.encoder import DistilBertConfig
from polyhead.model import BATCH_TOKENS

BATCH = 32
N_MIXED = 32
KINDS = (
    "seq_bn",
    "double_seq_bn",
    "par_bn",
    "compacter",
    "lora",
    "ia3",
    "prefix_tuning_flat",
    "loreft",
)
ORDERS = {"arrival": False, "sorted": True}
PRECISIONS = {"float32": "fp32", "int8": "int8", "bfloat16": "bf16"}

BARE = "transformers sdpa, arrival"
ADAPTERS = "adapters seq_bn, arrival"
ADAPTERS_SORTED = "adapters seq_bn, sorted"
ORT_INT8_SORTED = "ONNX Runtime int8, sorted"
OURS_ONE = "polyhead fp32, one seq_bn"
OURS_MIXED = f"polyhead fp32, {N_MIXED} adapters of {len(KINDS)} kinds"
OURS_EACH = f"{OURS_MIXED}, all in each batch"
OURS_RESIDENT = "polyhead fp32, drawn from many seq_bn"
OURS_OWN_HEADS = f"{OURS_RESIDENT}, each with a head of its own"
OURS_INT8 = "polyhead int8, one seq_bn"
PEAK = "GEMM peak"
CHOOSING, ADDING = "choosing among {}", "adding one to {}"
ANOTHER = "calling another of {} each time, longer than calling one"


def contenders(given: argparse.Namespace) -> list[Contender]:
    """Return all that take part, in the order of the table."""
    texts = [row.ids for row in rows(lengths(given.texts), DistilBertConfig().vocab_size)]
    draw = random.Random(0)  # noqa: S311  (who answers which text, not a secret)
    mixed = [number % N_MIXED for number in range(len(texts))]
    draw.shuffle(mixed)
    drawn = [draw.randrange(given.resident) for _ in texts]
    found = [*peers(texts, mixed), *ours(texts, mixed, drawn, given.resident)]
    return [contender for contender in found if contender.side in given.sides]


def peers(texts: Sequence[Sequence[int]], mixed: Sequence[int]) -> list[Contender]:
    """Return what a user would otherwise pick."""
    found = []
    for order, is_sorted in ORDERS.items():
        cut = {"batch": BATCH, "sorted": is_sorted}
        onnx = {**cut, "trial": not is_sorted}
        same = None if order == "arrival" else BARE
        found += [
            Contender(f"transformers sdpa, {order}", "transformers", cut, texts, same),
            Contender(
                f"transformers, torch's dynamic int8, {order}",
                *("transformers", {**cut, "dtype": "int8"}, texts, BARE),
            ),
            Contender(
                f"ONNX Runtime fp32, {order}",
                *("onnxruntime", {**onnx, "dtype": "float32"}, texts, BARE),
            ),
            Contender(
                f"ONNX Runtime int8, {order}",
                *("onnxruntime", {**onnx, "dtype": "int8"}, texts, BARE),
            ),
            Contender(
                f"adapters seq_bn, {order}",
                *("adapters", {**cut, "kind": "one"}, texts),
                None if order == "arrival" else ADAPTERS,
            ),
        ]
    many = {"adapters": N_MIXED, "choice": list(mixed), "sorted": False}
    split = {**many, "kind": "batch_split", "batch": BATCH}
    switching = {**many, "kind": "switching", "batch": 1}
    return [
        *found,
        Contender(f"adapters BatchSplit of {N_MIXED} seq_bn", "adapters", split, texts),
        Contender("adapters, switched for each text", "adapters", switching, texts),
        Contender(f"PEFT, {N_MIXED} LoRA", "peft", {**many, "batch": BATCH}, texts, BARE),
    ]


def ours(
    texts: Sequence[Sequence[int]], mixed: Sequence[int], drawn: Sequence[int], resident: int
) -> list[Contender]:
    """Return our ways, and the matrix products that they are compared with."""
    found = []
    for precision, short in PRECISIONS.items():
        answer = {"kind": "answer", "precision": precision}
        bare, one = {**answer, "adapters": [None]}, {**answer, "adapters": ["given"]}
        found += [
            Contender(f"polyhead {short}, no adapter", OURS, bare, texts, BARE),
            Contender(f"polyhead {short}, one seq_bn", OURS, one, texts, ADAPTERS),
        ]
    answer = {"kind": "answer", "precision": "float32"}
    kinds = {**answer, "adapters": [KINDS[n % len(KINDS)] for n in range(N_MIXED)]}
    same = {**answer, "adapters": ["seq_bn"] * N_MIXED}
    many = {**answer, "adapters": ["seq_bn"] * resident, "choice": list(drawn)}
    # batches by length alone; `answer` puts texts under one adapter together
    in_each = {"kind": "packed", "device": "cpu", "batch_tokens": BATCH_TOKENS}
    found += [
        Contender(OURS_MIXED, OURS, {**kinds, "choice": list(mixed)}, texts),
        Contender(OURS_EACH, OURS, {**kinds, **in_each, "choice": list(mixed)}, texts),
        Contender(f"polyhead fp32, {N_MIXED} seq_bn", OURS, {**same, "choice": list(mixed)}, texts),
        Contender(OURS_RESIDENT, OURS, {**many, **in_each}, texts),
        Contender(OURS_OWN_HEADS, OURS, many, texts),
        Contender(PEAK, OURS, {"kind": "gemm_peak", "dtype": "float32"}),
    ]
    for others in (0, resident - 1):
        spec = {"kind": "adding", "resident": others}
        found.append(Contender(ADDING.format(others), OURS, spec))
    for name, kind in ((CHOOSING, "choosing"), (ANOTHER, "another")):
        spec = {"kind": kind, "resident": resident}
        found.append(Contender(name.format(resident), OURS, spec))
    return found
