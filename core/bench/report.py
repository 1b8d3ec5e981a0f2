"""The figures of one encoder on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from polyhead.batch import Row
from polyhead.bench.gemm import GemmPeak
from polyhead.bench.latency import Latency
from polyhead.bench.residents import ResidentCost
from polyhead.bench.settings import BenchSettings
from polyhead.bench.surroundings import Surroundings
from polyhead.bench.throughput import Throughput
from polyhead.contracts import EncoderShape
from polyhead.encoder import Precision

__all__ = ["BenchReport", "PrecisionReport", "Texts"]


@dataclass(frozen=True)
class PrecisionReport:
    """What was measured of the encoder in one precision.

    Attributes:
        precision: Of the encoder's linear layers.
        peak: What the machine's products reach.
        throughput: Of all texts together, a case each.
        latency: Of single texts, by length.
        residents: What many adapters cost.
    """

    precision: Precision
    peak: GemmPeak
    throughput: tuple[Throughput, ...]
    latency: tuple[Latency, ...]
    residents: ResidentCost


@dataclass(frozen=True)
class Texts:
    """The texts that are computed in bulk.

    Attributes:
        n_texts: How many.
        n_tokens: Of all of them.
        shortest_tokens: Of the shortest.
        longest_tokens: Of the longest.
    """

    n_texts: int
    n_tokens: int
    shortest_tokens: int
    longest_tokens: int

    @classmethod
    def of(cls, texts: Sequence[Row]) -> Texts:
        """What is told of these."""
        found = [len(row) for row in texts]
        return cls(len(found), sum(found), min(found), max(found))


@dataclass(frozen=True)
class BenchReport:
    """All figures.

    Attributes:
        surroundings: The machine and the software.
        backbone: The encoder's name.
        shape: Its sizes.
        flops_per_token: What its linear layers take.
        settings: How much was measured.
        mixed_kinds: The adapters that met in each batch.
        texts: Those computed in bulk.
        precisions: The figures of each.
    """

    surroundings: Surroundings
    backbone: str
    shape: EncoderShape
    flops_per_token: int
    settings: BenchSettings
    mixed_kinds: tuple[str, ...]
    texts: Texts
    precisions: tuple[PrecisionReport, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines: seconds, bytes and rates under names that end in their units."""
        told = asdict(self)
        return told | {"shape": self.shape.model_dump(), "settings": self.settings.model_dump()}
