"""How long does one text take, by its length?

Batch 1, one adapter on our side and none on the others', every contender with every length in
turns, the linear layers as bare matrix products among them. Medians and 95th percentiles. Writes
`latency.json`, `latency.md` and `latency.svg` next to this file.

Run it from the root of the repository, in the environment polyhead is installed in:

    python benchmarks/speed/latency.py --peer-python ../peers/bin/python
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.speed import asked, charts, options, results, rounds  # noqa: E402
from benchmarks.speed.asked import Asked, at_most, ratio  # noqa: E402
from benchmarks.speed.rounds import Contender, Measured  # noqa: E402
from benchmarks.speed.sides import OURS, SideError  # noqa: E402
from polyhead.bench import rows  # noqa: E402
from polyhead.bench.kernels import kernels  # noqa: E402
from polyhead.bench.timing import p95  # noqa: E402
from polyhead.encoder import DistilBertConfig  # noqa: E402

if TYPE_CHECKING:
    import argparse

LENGTHS = (8, 32, 128, 512)
SDPA = "transformers sdpa, no adapter"
PEERS: dict[str, tuple[str, dict[str, object]]] = {
    SDPA: ("transformers", {}),
    "ONNX Runtime fp32, no adapter": ("onnxruntime", {"dtype": "float32"}),
    "ONNX Runtime int8, no adapter": ("onnxruntime", {"dtype": "int8"}),
}
OURS_WAYS = {
    "polyhead fp32, one seq_bn": "float32",
    "polyhead int8, one seq_bn": "int8",
    "polyhead bf16, one seq_bn": "bfloat16",
}
OURS_FP32, OURS_INT8, _ = OURS_WAYS
MOST = {8: 0.80, 32: 0.80, 128: 0.90, 512: 0.95}
"""Of the latency of transformers, by length."""

MOST_INT8 = 0.55
PRODUCTS = "bare products"


def key_of(name: str, length: int) -> str:
    """Return the key of one contender with one length."""
    return f"{name}: {length}"


def contenders(given: argparse.Namespace) -> list[Contender]:
    """Return everyone with every length."""
    found = []
    for number, row in enumerate(rows(LENGTHS, DistilBertConfig().vocab_size)):
        texts = [row.ids]
        for name, (side, spec) in PEERS.items():
            trial = {"trial": number == 0, "trial_rows": trial_rows()} if "dtype" in spec else {}
            full = {**spec, **trial, "batch": 1, "sorted": False}
            same = None if name == SDPA else key_of(SDPA, len(row))
            found.append((name, side, full, texts, same))
        for name, precision in OURS_WAYS.items():
            full = {"kind": "answer", "precision": precision, "adapters": ["given"]}
            found.append((name, OURS, full, texts, None))
        for kernel in kernels(torch.float32):
            full = {"kind": "bare_products", "dtype": "float32", "kernel": kernel.name}
            found.append((f"{PRODUCTS} by {kernel.name}", OURS, full, texts, None))
    return [
        Contender(key_of(name, len(texts[0])), side, full, texts, same, given.calls + 1)
        for name, side, full, texts, same in found
        if side in given.sides
    ]


def trial_rows() -> list[tuple[int, ...]]:
    """Return texts of all lengths, to choose ONNX Runtime's settings by."""
    return [row.ids for row in rows(LENGTHS, DistilBertConfig().vocab_size, seed=1)]


def products_s(found: Mapping[str, Measured], length: int) -> float | None:
    """Return the bare products' time by the fastest kernel."""
    times = [
        measured.median
        for key, measured in found.items()
        if key.startswith(PRODUCTS) and key.endswith(f": {length}")
    ]
    return min(times, default=None)


def as_table(found: Mapping[str, Measured]) -> str:
    """Format a row for each contender, median and 95th percentile for each length."""
    cells = []
    names = dict.fromkeys(key.rpartition(": ")[0] for key in found)
    for name in names:
        row = [name]
        for length in LENGTHS:
            measured = found.get(key_of(name, length))
            other = found.get(key_of(SDPA, length))
            if measured is None:
                row.append("")
                continue
            figures = [1000 * measured.median, 1000 * p95(measured.figures)]
            times = ratio(measured.median, other.median if other else None)
            told = "" if times is None else f" ({times:.2f})"
            row.append(f"{figures[0]:.1f} / {figures[1]:.1f} ms{told}")
        cells.append(row)
    header = ["Median / 95 % (times transformers)", *(f"{length} tokens" for length in LENGTHS)]
    return report.table(header, cells)


def overhead_table(found: Mapping[str, Measured]) -> str:
    """Format what float32 takes above the bare products of as many tokens."""
    cells = []
    for length in LENGTHS:
        bare, measured = products_s(found, length), found.get(key_of(OURS_FP32, length))
        if bare is not None and measured is not None:
            above_ms = 1000 * (measured.median - bare)
            times = measured.median / bare
            cells.append(
                [str(length), f"{1000 * bare:.1f} ms", f"{above_ms:.1f} ms", f"{times:.2f}"]
            )
    header = ["Tokens", "bare products, fastest kernel", f"{OURS_FP32}: above them", "times"]
    return report.table(header, cells)


def figures(found: Mapping[str, Measured]) -> list[Asked]:
    """Return what was asked of this table."""

    def median(name: str, length: int) -> float | None:
        key = key_of(name, length)
        return found[key].median if key in found else None

    asked_of = []
    for name, bounds in ((OURS_FP32, MOST), (OURS_INT8, dict.fromkeys(LENGTHS, MOST_INT8))):
        for length, most in bounds.items():
            times = ratio(median(name, length), median(SDPA, length))
            what = f"{name}, {length} tokens, times transformers"
            asked_of.append(at_most(what, most, times))
    return asked_of


def main() -> None:
    """Measure, write the results, print the tables."""
    parser = options.parser_of(__doc__, rounds=10, sides=(OURS, "transformers", "onnxruntime"))
    parser.add_argument("--calls", type=int, default=3, help="kept of each contender in a round")
    given = parser.parse_args()
    versions = options.checked_peers(parser, given)
    taking_part = contenders(given)
    try:
        found = rounds.measure_all(taking_part, given)
    except SideError as error:
        sys.exit(str(error))
    met = figures(found)
    note = (
        f"Batch 1. {given.rounds * given.calls} calls of each, {given.calls} in a row behind one "
        "that is not kept. Ours with one adapter and its answer decoded; the bare products are "
        "those of all linear layers, each layer with weights of its own."
    )
    markdown = results.save(
        *(HERE, "latency", given),
        versions=versions,
        contenders=taking_part,
        found=found,
        tables=[as_table(found), overhead_table(found), asked.as_table(met)],
        met=met,
        note=note,
        extras=[f"--calls {given.calls}"],
    )
    draw(found)
    print(markdown)


def draw(found: Mapping[str, Measured]) -> None:
    """Plot the medians of everyone who has all lengths."""
    names = dict.fromkeys(key.rpartition(": ")[0] for key in found)
    values = {
        name: [1000 * found[key_of(name, length)].median for length in LENGTHS]
        for name in names
        if all(key_of(name, length) in found for length in LENGTHS)
    }
    title = "one text, milliseconds (less is better)"
    charts.draw_lines(HERE / "latency.svg", LENGTHS, values, list(OURS_WAYS), title)


if __name__ == "__main__":
    main()
