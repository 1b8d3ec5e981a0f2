"""How fast on a GPU: large packed batches, the table of the DistilBERT documents, mixed adapters?

bf16 on our side, beside the rate of square bf16 matrix products on the same device; transformers'
sdpa in fp16 on the padded version of the same texts. All take turns; medians count. Where torch
sees no GPU, that is said and nothing is measured. Writes `gpu.json`, `gpu.md` and `gpu.svg` next to
this file.

Run it from the root of the repository, in the environment polyhead is installed in, with a CUDA
build of torch on both sides; without `--peer-python` the peer is what is installed beside polyhead:

    python benchmarks/speed/gpu.py --peer-python ../peers/bin/python
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.speed import asked, charts, options, results, rounds  # noqa: E402
from benchmarks.speed.asked import Asked, at_least, ratio  # noqa: E402
from benchmarks.speed.lineup import KINDS, N_MIXED  # noqa: E402
from benchmarks.speed.rounds import Contender, Measured  # noqa: E402
from benchmarks.speed.sides import OURS, PEERS, SideError  # noqa: E402
from polyhead.bench import flops_per_token, lengths, rows  # noqa: E402
from polyhead.encoder import DistilBertConfig  # noqa: E402

if TYPE_CHECKING:
    import argparse

DEVICE = "cuda"
NONE_AT_HAND = (
    "No GPU was at hand: torch sees none here, so nothing was measured. The code for it is tested "
    "on the CPU alone."
)
SIZES = (4096, 8192, 16384)
RATE = "rate of square bf16 products"
BUDGETS = (16384, 65536, 131072)
PADDED_BATCHES = (32, 128, 512)
CELLS = [(batch, length) for length in (64, 128) for batch in (2, 4, 8, 16)]
"""Batch and length of the table in the DistilBERT documents."""

CELL_WAYS = {
    "polyhead bf16": ("bfloat16", False),
    "polyhead bf16, CUDA graphs": ("bfloat16", True),
    "polyhead fp16": ("float16", False),
}
"""Ours in that table: the precision, and whether steps are recorded."""

ORDERS = {"arrival": False, "sorted": True}
ONE, MIXED = "one seq_bn", f"{N_MIXED} adapters of {len(KINDS)} kinds"
SDPA = "transformers sdpa fp16"


def packed(adapters: Sequence[str | None], budget: int, precision: str) -> dict[str, object]:
    """Return what our side is told."""
    told = {"kind": "packed", "precision": precision, "device": DEVICE}
    return {**told, "adapters": list(adapters), "batch_tokens": budget}


def large(given: argparse.Namespace) -> list[Contender]:
    """Return those who answer many texts at once."""
    texts = [row.ids for row in rows(lengths(given.texts), DistilBertConfig().vocab_size)]
    mixed = [number % N_MIXED for number in range(len(texts))]
    random.Random(0).shuffle(mixed)  # noqa: S311  (who answers which text, not a secret)
    kinds = [KINDS[number % len(KINDS)] for number in range(N_MIXED)]
    found = []
    for budget in BUDGETS:
        own: dict[str, dict[str, object]] = {
            "no adapter": packed([None], budget, "bfloat16"),
            ONE: packed(["seq_bn"], budget, "bfloat16"),
            MIXED: packed(kinds, budget, "bfloat16") | {"choice": mixed},
        }
        found += [
            Contender(large_key(name, budget), OURS, spec, texts, calls=given.calls)
            for name, spec in own.items()
        ]
    for batch in PADDED_BATCHES:
        for order, is_sorted in ORDERS.items():
            spec = {"dtype": "float16", "device": DEVICE, "batch": batch, "sorted": is_sorted}
            key = f"{SDPA}, batch {batch}, {order}"
            found.append(Contender(key, "transformers", spec, texts, calls=given.calls))
    return found


def large_key(name: str, budget: int) -> str:
    """Return the key of one of ours with batches of so many tokens."""
    return f"polyhead bf16, {name}, batches of {budget} tokens"


def cells(given: argparse.Namespace) -> list[Contender]:
    """Return both sides for every cell of the documents' table."""
    found = []
    for batch, length in CELLS:
        texts = [row.ids for row in rows([length] * batch, DistilBertConfig().vocab_size)]
        spec = {"dtype": "float16", "device": DEVICE, "batch": batch, "sorted": False}
        theirs = cell_key(SDPA, batch, length)
        found.append(Contender(theirs, "transformers", spec, texts, calls=given.calls))
        for name, (precision, has_graphs) in CELL_WAYS.items():
            own = packed([None], batch * length, precision) | {"graphs": has_graphs}
            key = cell_key(name, batch, length)
            found.append(Contender(key, OURS, own, texts, theirs, given.calls))
    return found


def cell_key(name: str, batch: int, length: int) -> str:
    """Return the key of one side in one cell."""
    return f"{name}: {batch} x {length}"


def best(found: Mapping[str, Measured], start: str, end: str = "") -> float | None:
    """Return the shortest median of those whose keys begin and end so."""
    times = [m.median for key, m in found.items() if key.startswith(start) and key.endswith(end)]
    return min(times, default=None)


def large_table(found: Mapping[str, Measured], texts: Sequence[Sequence[int]], flops: int) -> str:
    """Format a row for each that answers many texts."""
    rate = found[RATE].median if RATE in found else None
    n_tokens = sum(map(len, texts))
    lines = []
    for key, measured in found.items():
        if key == RATE or ": " in key:
            continue
        share = ratio(n_tokens / measured.median * flops, rate)
        told = "" if share is None else f"{100 * share:.0f} %"
        speed = [f"{len(texts) / measured.median:.0f}", f"{n_tokens / measured.median:.0f}"]
        lines.append([key, *speed, told])
    header = ["Contender", "texts/s", "useful tokens/s", "of the matrix rate"]
    return report.table(header, lines)


def cells_table(found: Mapping[str, Measured]) -> str:
    """Format the documents' table: milliseconds of each side in each cell."""
    names = [SDPA, *CELL_WAYS]
    lines = []
    for batch, length in CELLS:
        times = [found.get(cell_key(name, batch, length)) for name in names]
        told = ["" if time is None else f"{1000 * time.median:.2f} ms" for time in times]
        lines.append([f"{batch} x {length}", *told])
    return report.table(["Batch x length", *names], lines)


def figures(
    found: Mapping[str, Measured], texts: Sequence[Sequence[int]], flops: int
) -> list[Asked]:
    """Return what was asked of this table."""
    one, mixed = best(found, f"polyhead bf16, {ONE}"), best(found, f"polyhead bf16, {MIXED}")
    padded = best(found, f"{SDPA}, batch", "arrival")
    rate = None if one is None else sum(map(len, texts)) / one * flops
    reached = ratio(rate, found[RATE].median if RATE in found else None)
    gains = [
        ratio(best(found, cell_key(SDPA, *cell)), best(found, cell_key("polyhead bf16", *cell)))
        for cell in CELLS
    ]
    known = [gain for gain in gains if gain is not None]
    smallest = min(known) if len(known) == len(CELLS) else None
    return [
        at_least("bf16, one seq_bn, large batches, of the matrix rate", 0.60, reached, "%"),
        at_least("times transformers' fp16 sdpa, padded, arrival order", 3, ratio(padded, one)),
        at_least("the documents' table, smallest gain of any cell", 1, smallest),
        at_least("mixed adapters, of one", 0.90, ratio(one, mixed), "%"),
    ]


def say_none() -> None:
    """Tell that there is no GPU; keep that, unless there are results of one."""
    print(NONE_AT_HAND)
    if not (HERE / "gpu.json").exists():
        facts = report.surroundings()
        markdown = f"{NONE_AT_HAND}\n\n{report.describe(facts)}\n"
        report.write(HERE, {"surroundings": facts, "note": NONE_AT_HAND}, markdown, name="gpu")


def main() -> None:
    """Measure where there is a GPU, write the results, print the tables."""
    parser = options.parser_of(
        __doc__,
        rounds=5,
        texts=4096,
        sides=(OURS, "transformers"),
        peer_python=Path(sys.executable),
    )
    parser.add_argument("--calls", type=int, default=4, help="of each in a round, one not kept")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        say_none()
        return
    versions = options.checked_peers(parser, given, PEERS["transformers"])
    rate = {"kind": "matrix_rate", "dtype": "bfloat16", "device": DEVICE, "sizes": SIZES}
    everyone = [Contender(RATE, OURS, rate), *large(given), *cells(given)]
    taking_part = [contender for contender in everyone if contender.side in given.sides]
    try:
        found = rounds.measure_all(taking_part, given)
    except SideError as error:
        sys.exit(str(error))
    texts = next(contender.rows for contender in taking_part if contender.rows)
    flops = flops_per_token(DistilBertConfig().shape)
    met = figures(found, texts, flops)
    rates = f"{found[RATE].median / 1e12:.0f} TFLOP/s" if RATE in found else "unknown"
    note = (
        f"{torch.cuda.get_device_name()}. Medians of {given.rounds} rounds. {len(texts)} texts of "
        f"{sum(map(len, texts))} tokens; ours in batches of tokens, transformers' padded. The "
        f"{RATE}: {rates}; {flops / 1e6:.0f} MFLOP are counted a useful token."
    )
    markdown = results.save(
        *(HERE, "gpu", given),
        versions=versions,
        contenders=taking_part,
        found=found,
        tables=[large_table(found, texts, flops), cells_table(found), asked.as_table(met)],
        met=met,
        note=note,
        extras=[f"--texts {given.texts} --calls {given.calls}"],
    )
    speeds = {
        contender.key: len(texts) / found[contender.key].median
        for contender in large(given)
        if contender.key in found
    }
    own = [key for key in speeds if key.startswith(OURS)]
    charts.draw_bars(HERE / "gpu.svg", speeds, own, "texts a second (more is better)")
    print(markdown)


if __name__ == "__main__":
    main()
