"""One encoder measured in one precision or several, each in rounds that all figures share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from polyhead.batch import Row
from polyhead.bench.gemm import GemmSweep, flops_per_token
from polyhead.bench.latency import LatencyRounds
from polyhead.bench.precision import DTYPES
from polyhead.bench.report import BenchReport, PrecisionReport, Texts
from polyhead.bench.residents import MIXED_KINDS, Residents
from polyhead.bench.settings import BenchSettings
from polyhead.bench.surroundings import Surroundings
from polyhead.bench.throughput import ThroughputRounds
from polyhead.bench.workload import lengths, rows
from polyhead.contracts import EncoderShape, validate_config
from polyhead.encoder import Precision
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry

__all__ = ["measured"]

_HEAD: Final = "bench"
_LONGEST: Final = 128


def measured(
    backbone: str,
    make_model: Callable[[Precision], DistilBertModelWithHeads],
    precisions: Sequence[Precision],
    settings: BenchSettings,
    progress: Callable[[str], None],
) -> BenchReport:
    """Measures an encoder, one precision after the other.

    Args:
        backbone: What the report calls the encoder.
        make_model: Makes a model on it, in a precision.
        precisions: At least one.
        settings: How much to measure.
        progress: Is told what happens, in a sentence.

    Raises:
        ConfigError: The adapter is not understood, or does not fit the encoder.
        UnknownKindError: No installed plugin provides that kind of adapter.
        InputError: There is no memory for so many adapters.
    """
    registry().adapter_config(settings.adapter)  # before a checkpoint is read
    surroundings = Surroundings.here()
    found = []
    for precision in precisions:
        progress(f"Loading the encoder in {precision}.")
        model = make_model(precision)
        shape = model.shape
        texts = _texts(shape, settings)
        found.append(_measured(model, texts, precision, settings, progress))
        del model  # its memory is needed for the next
    return BenchReport(
        surroundings,
        backbone,
        shape,
        flops_per_token(shape),
        settings,
        (settings.adapter, *MIXED_KINDS),
        Texts.of(texts),
        tuple(found),
    )


def _texts(shape: EncoderShape, settings: BenchSettings) -> list[Row]:
    longest = min(_LONGEST, shape.max_positions)
    drawn = lengths(settings.n_texts, settings.seed, longest=longest)
    return rows(drawn, shape.vocab_size, settings.seed)


def _measured(
    model: DistilBertModelWithHeads,
    texts: Sequence[Row],
    precision: Precision,
    settings: BenchSettings,
    progress: Callable[[str], None],
) -> PrecisionReport:
    progress(f"Adding {settings.n_adapters:,} adapters.")
    _add_head(model)
    residents = Residents(model, settings.adapter, settings.n_adapters, settings.seed)
    sweep = GemmSweep(model.shape, DTYPES[precision])
    bulk = ThroughputRounds(model, _HEAD, texts, residents, settings.seed)
    single = LatencyRounds(model, _HEAD, residents.names[0], DTYPES[precision])
    bulk.warm_up()
    for number in range(1, settings.n_rounds + 1):
        progress(f"{precision}, round {number} of {settings.n_rounds}.")
        sweep.round()
        bulk.round()
        single.round()
    peak = sweep.peak()
    return PrecisionReport(precision, peak, bulk.results(peak), single.results(), residents.cost)


def _add_head(model: DistilBertModelWithHeads) -> None:
    """Adds a head that tells two labels apart."""
    # by its kind: the core knows no head by name
    kind = registry().head("classification")
    config = validate_config(kind.Config, {"labels": ("no", "yes")}, "head kind 'classification'")
    model.add_head(_HEAD, config, adapter=None)
