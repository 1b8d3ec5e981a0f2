"""What `polyhead bench` measures: speed, latency and memory of an encoder with many adapters."""

from polyhead.bench.gemm import GemmPeak, GemmSweep, flops_per_token, gemm_peak, measured_peak
from polyhead.bench.latency import Latency
from polyhead.bench.measuring import measured
from polyhead.bench.precision import DTYPES, checked_precisions
from polyhead.bench.report import BenchReport, PrecisionReport, Texts
from polyhead.bench.residents import ResidentCost
from polyhead.bench.settings import BenchSettings
from polyhead.bench.surroundings import Surroundings
from polyhead.bench.throughput import Throughput
from polyhead.bench.workload import lengths, rows

__all__ = [
    "DTYPES",
    "BenchReport",
    "BenchSettings",
    "GemmPeak",
    "GemmSweep",
    "Latency",
    "PrecisionReport",
    "ResidentCost",
    "Surroundings",
    "Texts",
    "Throughput",
    "checked_precisions",
    "flops_per_token",
    "gemm_peak",
    "lengths",
    "measured",
    "measured_peak",
    "rows",
]
