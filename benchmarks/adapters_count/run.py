"""Does an adapter, or a call, cost more when many adapters are resident?

For each count a model is filled with that many `seq_bn` adapters. Adding is timed on the last ten
to arrive. Calling is timed with all models in memory and taking turns, once with the
same adapter each time and once with another adapter each time, so that neither a busy moment of
the machine nor a warm cache favours one count. Writes `results.json` and `results.md` next to
this file.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

import polyhead as ph

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)

ADAPTER = "seq_bn"
KEPT_ADDS = 10
SMALLEST_ID, LARGEST_ID = 1000, 20000  # ordinary words of the vocabulary
WARM_UP = 5


@dataclass
class Filled:
    """A model with its adapters, and the seconds measured on it."""

    model: ph.DistilBertModelWithHeads
    names: list[str]
    add_s: list[float]
    same_s: list[float] = field(default_factory=list)
    other_s: list[float] = field(default_factory=list)


def fill(count: int) -> Filled:
    """Build a model with `count` adapters, timing the last adds.

    A count below `KEPT_ADDS` is built more than once, so that its median is of as many adds.
    """
    names = [f"a{number}" for number in range(1, count + 1)]
    kept: list[float] = []
    while len(kept) < KEPT_ADDS:
        model = ph.DistilBertModelWithHeads.from_pretrained("minilm")
        model.eval()
        kept += [timed_add(model, name) for name in names][-KEPT_ADDS:]
    return Filled(model, names, kept)


def timed_add(model: ph.DistilBertModelWithHeads, name: str) -> float:
    """Time one `add_adapter`."""
    started = time.perf_counter()
    model.add_adapter(name, ADAPTER)
    return time.perf_counter() - started


def call(filled: Filled, ids: torch.Tensor, mask: torch.Tensor, name: str) -> float:
    """Time one forward call with the named adapter and no head."""
    started = time.perf_counter()
    filled.model(input_ids=ids, attention_mask=mask, adapter_names=name, head=None)
    return time.perf_counter() - started


def measure_calls(models: list[Filled], calls: int, tokens: int) -> None:
    """Call every model in turns; the first turns are not kept."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(SMALLEST_ID, LARGEST_ID, (1, tokens), generator=generator)
    mask = torch.ones_like(ids)
    chooser = random.Random(0)  # noqa: S311  (which adapter to call, not a secret)
    with torch.inference_mode():
        for turn in range(-WARM_UP, calls):
            for filled in models:
                same = call(filled, ids, mask, filled.names[0])
                other = call(filled, ids, mask, chooser.choice(filled.names))
                if turn >= 0:
                    filled.same_s.append(same)
                    filled.other_s.append(other)


def summary(filled: Filled) -> dict[str, float]:
    """Return the medians of one model."""
    return {
        "adapters": len(filled.names),
        "add_median_s": statistics.median(filled.add_s),
        "same_adapter_call_median_s": statistics.median(filled.same_s),
        "other_adapter_call_median_s": statistics.median(filled.other_s),
    }


def as_markdown(results: list[dict[str, float]], note: str) -> str:
    """Format the results for a README."""
    columns = ("add_median_s", "same_adapter_call_median_s", "other_adapter_call_median_s")
    header = ["Adapters resident", "`add_adapter`", "call, same adapter", "call, another each time"]
    rows = [
        [f"{result['adapters']:,}", *(f"{1000 * result[column]:.2f} ms" for column in columns)]
        for result in results
    ]
    return f"{report.table(header, rows)}\n\n{note}\n"


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--calls", type=int, default=200, help="kept calls of each kind and model")
    parser.add_argument("--tokens", type=int, default=16, help="length of the one row of a call")
    arguments = parser.parse_args()
    report.progress("warming up")
    fill(KEPT_ADDS)
    models = []
    for count in arguments.counts:
        report.progress(f"adding {count} adapters")
        models.append(fill(count))
    report.progress(f"{arguments.calls} calls of each kind on each model")
    measure_calls(models, arguments.calls, arguments.tokens)
    results = [summary(filled) for filled in models]
    facts = report.surroundings() | {"threads": torch.get_num_threads()}
    note = (
        f"Medians: the last {KEPT_ADDS} adds, {arguments.calls} calls of one row of "
        f"{arguments.tokens} tokens, encoder `minilm`, adapter `{ADAPTER}`. "
        f"{facts['threads']} threads. {report.describe(facts)}"
    )
    markdown = as_markdown(results, note)
    report.write(HERE, {"surroundings": facts, **vars(arguments), "results": results}, markdown)
    print(markdown)


if __name__ == "__main__":
    main()
