"""A side's half of the conversation in JSON lines: prepare a contender, run it, answer.

It runs in our environment and in that of the peers, and needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

Rows = Sequence[Sequence[int]]
Logits = list[list[float]]
Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Prepared:
    """Something that is ready to be timed.

    Attributes:
        run: Does it once.
        logits: What it computes for each row, in the order they came, to compare sides; None where
            there is nothing to compare.
        is_figure: Whether `run` returns the figure to keep, in place of the seconds it takes.
        facts: Anything for the results.
    """

    run: Callable[[], object]
    logits: Callable[[], Logits] | None = None
    is_figure: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)


Prepare = Callable[[Spec, Rows], Prepared]


def parse_options(description: str | None) -> argparse.Namespace:
    """Read what every side is started with."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="checkpoint, adapter, scratch")
    parser.add_argument("--threads", type=int, required=True)
    return parser.parse_args()


def answer_lines(prepare: Prepare) -> None:
    """Answer each line of standard input with one line, until there are no more.

    What libraries print goes to standard error. A request that fails is answered by its reason.
    """
    answers = _private_stdout()
    prepared: dict[str, Prepared] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), prepare, prepared)
        except Exception as error:  # noqa: BLE001  (whatever a library raises is the answer)
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def _private_stdout() -> TextIO:
    """Take standard output for the answers alone."""
    own = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return own


def _answer(
    request: dict[str, Any], prepare: Prepare, prepared: dict[str, Prepared]
) -> dict[str, object]:
    key = request["key"]
    if request["op"] == "run":
        return _timed(prepared[key], request["calls"])
    started = time.perf_counter()
    found = prepared[key] = prepare(request["spec"], request["rows"])
    # the first time is nobody's best, so it is not timed
    logits = None
    if found.logits is None:
        found.run()
    else:
        logits = found.logits()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "logits": logits, "facts": dict(found.facts)}


def _timed(prepared: Prepared, calls: int) -> dict[str, object]:
    """Run some times in a row; the first of several only wakes the threads up."""
    figures: list[object] = []
    cpu_before = time.process_time()
    for number in range(calls):
        started = time.perf_counter()
        result = prepared.run()
        seconds = time.perf_counter() - started
        if number > 0 or calls == 1:
            figures.append(result if prepared.is_figure else seconds)
    return {"figures": figures, "cpu_s": time.process_time() - cpu_before}
