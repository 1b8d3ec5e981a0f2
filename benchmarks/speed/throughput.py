"""How many texts a second, beside what a user would otherwise pick?

All sides load one random DistilBERT, and one random `seq_bn` adapter, so that their answers can be
compared before anything is timed. Every contender answers the same texts once a round, in an order
that changes; medians count. Writes `throughput.json`, `throughput.md` and `throughput.svg` next to
this file.

Run it from the root of the repository, in the environment polyhead is installed in:

    python benchmarks/speed/throughput.py --peer-python ../peers/bin/python
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.speed import asked, charts, lineup, options, results, rounds  # noqa: E402
from benchmarks.speed.asked import Asked, at_least, at_most, ratio  # noqa: E402
from benchmarks.speed.rounds import Measured  # noqa: E402
from benchmarks.speed.sides import OURS, SideError  # noqa: E402
from polyhead.bench import flops_per_token  # noqa: E402
from polyhead.encoder import DistilBertConfig  # noqa: E402

if TYPE_CHECKING:
    import argparse


def as_table(found: Mapping[str, Measured], texts: Sequence[Sequence[int]], flops: int) -> str:
    """Format a row for each contender that answers texts."""
    peak = found[lineup.PEAK].median if lineup.PEAK in found else None
    adapters = texts_per_s(found, lineup.ADAPTERS, len(texts))
    n_tokens = sum(map(len, texts))
    cells = []
    for key, measured in found.items():
        speed = texts_per_s(found, key, len(texts))
        if speed is None or not answers_texts(key):
            continue
        share = ratio(n_tokens / measured.median * flops, peak)
        times = ratio(speed, adapters)
        difference = measured.difference
        cells.append(
            [
                key,
                f"{speed:.1f}",
                f"{n_tokens / measured.median:.0f}",
                "" if share is None or " int8" in key or " bf16" in key else f"{100 * share:.0f} %",
                "" if times is None else f"{times:.2f}",
                "" if difference is None else f"{difference:.1e}",
            ]
        )
    header = ["Contender", "texts/s", "useful tokens/s", "of the GEMM peak", "times `adapters`"]
    return report.table([*header, "difference"], cells)


def answers_texts(key: str) -> bool:
    """Whether a contender answers texts, and is not a figure by itself."""
    others = (lineup.PEAK, lineup.CHOOSING, lineup.ANOTHER, lineup.ADDING)
    return not key.startswith(tuple(name.partition("{")[0] for name in others))


def texts_per_s(found: Mapping[str, Measured], key: str, n_texts: int) -> float | None:
    """Return the speed of a contender; None where it did not take part."""
    return n_texts / found[key].median if key in found else None


def figures(
    found: Mapping[str, Measured], texts: Sequence[Sequence[int]], flops: int, resident: int
) -> list[Asked]:
    """Return what was asked of this table."""

    def speed(key: str) -> float | None:
        return texts_per_s(found, key, len(texts))

    def median(key: str) -> float | None:
        return found[key].median if key in found else None

    one, tokens = speed(lineup.OURS_ONE), sum(map(len, texts)) / len(texts)
    rate = None if one is None else one * tokens * flops
    choosing = ratio(median(lineup.CHOOSING.format(resident)), 1e-6)
    adding = ratio(median(lineup.ADDING.format(resident - 1)), median(lineup.ADDING.format(0)))
    adapters, int8 = speed(lineup.ADAPTERS), speed(lineup.OURS_INT8)
    mixed, drawn = speed(lineup.OURS_MIXED), speed(lineup.OURS_RESIDENT)
    in_each, own_heads = speed(lineup.OURS_EACH), speed(lineup.OURS_OWN_HEADS)
    onnx = speed(lineup.ORT_INT8_SORTED)
    named = "one seq_bn, fp32"
    return [
        at_least(f"{named}, times adapters in arrival order", 5, ratio(one, adapters)),
        at_least(f"{named}, of the GEMM peak", 0.88, ratio(rate, median(lineup.PEAK)), "%"),
        at_least("32 adapters of mixed kinds, of one", 0.95, ratio(mixed, one), "%"),
        at_least("the same, all 32 in each batch, of one", 0.95, ratio(in_each, one), "%"),
        at_least(f"{resident} resident, drawn at random, of one", 0.93, ratio(drawn, one), "%"),
        at_least("the same, each with a head of its own", 0.93, ratio(own_heads, one), "%"),
        at_most(f"choosing among {resident}", 10, choosing, " us"),
        at_most(f"adding number {resident}, times the first", 1.25, adding),
        at_least("int8, times adapters in arrival order", 8, ratio(int8, adapters)),
        at_least("int8, times ONNX Runtime int8 sorted", 1.25, ratio(int8, onnx)),
    ]


def parse_options() -> tuple[argparse.Namespace, dict[str, str]]:
    """Read the command line; return it with the peers' versions."""
    parser = options.parser_of(__doc__, rounds=5, texts=256)
    parser.add_argument("--resident", type=int, default=1000, help="adapters in one model")
    given = parser.parse_args()
    if given.resident <= 1:
        parser.error("--resident takes at least 2")
    return given, options.checked_peers(parser, given)


def main() -> None:
    """Measure, write the results, print the tables."""
    given, versions = parse_options()
    taking_part = lineup.contenders(given)
    try:
        found = rounds.measure_all(taking_part, given)
    except SideError as error:
        sys.exit(str(error))
    texts = next(contender.rows for contender in taking_part if contender.rows)
    flops = flops_per_token(DistilBertConfig().shape)
    met = figures(found, texts, flops, given.resident)
    note = (
        f"Medians of {given.rounds} rounds. {len(texts)} texts of {sum(map(len, texts))} tokens in "
        f"arrival order, batches of {lineup.BATCH} for the peers, padded; `sorted`: longest first. "
        f"The GEMM peak counts {flops / 1e6:.0f} MFLOP a token, `difference` is the largest of any "
        "logit from transformers (without adapter) or `adapters` (with one)."
    )
    markdown = results.save(
        *(HERE, "throughput", given),
        versions=versions,
        contenders=taking_part,
        found=found,
        tables=[as_table(found, texts, flops), extra_table(found), asked.as_table(met)],
        met=met,
        note=note,
        extras=[f"--texts {given.texts} --resident {given.resident}"],
    )
    speeds = {key: len(texts) / found[key].median for key in found if answers_texts(key)}
    own = [contender.key for contender in taking_part if contender.side == OURS]
    charts.draw_bars(HERE / "throughput.svg", speeds, own, "texts a second (more is better)")
    print(markdown)


def extra_table(found: Mapping[str, Measured]) -> str:
    """Format what is no speed of texts."""
    cells = []
    for key, measured in found.items():
        if key == lineup.PEAK:
            cells.append([f"{lineup.PEAK}, float32", f"{measured.median / 1e9:.0f} GFLOP/s"])
        elif not answers_texts(key):
            cells.append([key, f"{1e6 * measured.median:.1f} us"])
    facts: dict[str, Any] = {
        key: measured.facts["setting"] for key, measured in found.items() if measured.facts
    }
    cells += [[f"{key}: fastest setting", setting] for key, setting in facts.items()]
    return report.table(["Besides", "median"], cells)


if __name__ == "__main__":
    main()
