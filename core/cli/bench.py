"""`polyhead bench`: how fast an encoder with many adapters is on this machine."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from polyhead.cli.options import JsonOption
from polyhead.cli.output import note, print_json, print_line, print_table, readable_size
from polyhead.errors import InputError

if TYPE_CHECKING:
    from polyhead.bench import BenchReport, Throughput
    from polyhead.encoder import Precision
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["bench"]

RANDOM_BASE: Final = "distilbert-base"
"""The shape of DistilBERT-base with random weights: it takes what the real one takes."""


def bench(
    *,
    backbone: Annotated[
        str,
        typer.Option(
            "--backbone",
            help=f"Checkpoint folder, named backbone or hub id; {RANDOM_BASE!r} is an encoder of "
            "that shape with random weights, which needs no file.",
        ),
    ] = RANDOM_BASE,
    adapter: Annotated[
        str, typer.Option("--adapter", help="Config string of the adapters.")
    ] = "seq_bn",
    adapters: Annotated[
        int, typer.Option("--adapters", min=1, help="How many of them are resident at once.")
    ] = 1000,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            help="float32, int8 or bfloat16; give it several times, or with commas between; "
            "float32 when not given.",
        ),
    ] = None,
    texts: Annotated[
        int, typer.Option("--texts", min=1, help="How many texts are computed in bulk.")
    ] = 96,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", min=1, help="Threads to compute with; without it, one for each core."
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="How often all is measured; medians are told.")
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Decides texts and adapters drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure speed on this machine: bulk, single texts, and the cost of many adapters.

    Speed is told beside what the machine's own matrix products reach in the same minute.
    """
    from polyhead.bench import BenchSettings, checked_precisions, measured

    precisions = checked_precisions(precision or ["float32"])
    settings = BenchSettings(
        adapter=adapter, n_adapters=adapters, n_texts=texts, n_rounds=rounds, seed=seed
    )
    _use_threads(threads)
    report = measured(backbone, partial(_model, backbone), precisions, settings, note)
    if as_json:
        print_json(report.as_json())
    else:
        _show(report)


def _use_threads(n: int | None) -> None:
    """Sets how many threads compute.

    Raises:
        InputError: They could not run at once.
    """
    from polyhead.machine import limit_threads, usable_processors

    most = usable_processors()
    if n is not None and n > most:
        raise InputError(
            f"--threads {n} is more than this process has processors, which is {most}; give 1 to "
            f"{most}."
        )
    limit_threads(n)


def _model(backbone: str, precision: "Precision") -> "DistilBertModelWithHeads":
    from polyhead.encoder import DistilBertConfig
    from polyhead.model import DistilBertModelWithHeads

    if backbone == RANDOM_BASE:
        return DistilBertModelWithHeads.from_config(DistilBertConfig(), precision=precision)
    return DistilBertModelWithHeads.from_pretrained(backbone, precision=precision)


def _show(report: "BenchReport") -> None:
    place = report.surroundings
    print_line(
        f"{place.processor}, {_counted(place.n_cores, 'core')}, "
        f"{_counted(place.n_threads, 'thread')}, {place.instruction_set}"
        f"{', bfloat16' if place.bfloat16 else ''}; {place.system}, Python "
        f"{place.python}, torch {place.torch}, polyhead {place.polyhead}"
    )
    print_line(
        f"{report.backbone}: {report.shape}, {report.flops_per_token / 1e6:.1f} million operations "
        "a token in its linear layers"
    )
    for show in (_show_peaks, _show_throughput, _show_latency, _show_residents):
        print_line()
        show(report)


def _show_peaks(report: "BenchReport") -> None:
    print_line("This machine's matrix products at their best, bare:")
    numbers = ["rows", "GFLOP/s"]
    rows = [
        [each.precision, peak.kernel, str(peak.n_rows), f"{peak.flops_per_s / 1e9:.1f}"]
        for each in report.precisions
        for peak in [each.peak]
    ]
    print_table(["precision", "kernel", *numbers], rows, right=numbers)


def _show_throughput(report: "BenchReport") -> None:
    texts = report.texts
    print_line(
        f"{texts.n_texts} texts of {texts.shortest_tokens} to {texts.longest_tokens} tokens, "
        f"{texts.n_tokens} together; mixed kinds are {', '.join(report.mixed_kinds)}:"
    )
    numbers = ["texts/s", "tokens/s", "of GEMM peak"]
    rows = [
        [
            each.precision,
            _in_words(found),
            f"{found.texts_per_s:.1f}",
            f"{found.tokens_per_s:.0f}",
            f"{found.share_of_peak:.0%}",
        ]
        for each in report.precisions
        for found in each.throughput
    ]
    print_table(["precision", "adapters", *numbers], rows, right=numbers)


def _in_words(found: "Throughput") -> str:
    return {
        "bare": "none",
        "one": "one",
        "mixed": f"{found.n_adapters}, mixed kinds",
        "resident": f"{found.n_adapters}, drawn at random",
    }[found.case]


def _show_latency(report: "BenchReport") -> None:
    print_line("One text, one adapter, beside the bare products of as many tokens:")
    numbers = ["tokens", "median", "p95", "products", "times products"]
    rows = [
        [
            each.precision,
            str(found.n_tokens),
            _ms(found.median_s),
            _ms(found.p95_s),
            _ms(found.products_s),
            f"{found.times_products:.2f}",
        ]
        for each in report.precisions
        for found in each.latency
    ]
    print_table(["precision", *numbers], rows, right=numbers)


def _show_residents(report: "BenchReport") -> None:
    print_line(f"Adapters, each {report.settings.adapter}:")
    numbers = ["resident", "add first", "add last", "weights", "memory", "choose one"]
    rows = []
    for each in report.precisions:
        cost = each.residents
        memory = "unknown" if cost.resident_bytes is None else readable_size(cost.resident_bytes)
        rows.append(
            [
                each.precision,
                f"{cost.n_adapters:,}",
                _ms(cost.add_first_s),
                _ms(cost.add_last_s),
                readable_size(cost.adapter_bytes),
                memory,
                f"{cost.choose_s * 1e6:.1f} µs",
            ]
        )
    print_table(["precision", *numbers], rows, right=numbers)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
