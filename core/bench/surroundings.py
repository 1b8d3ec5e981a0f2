"""Where figures were measured: without that they say nothing."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

import torch

from polyhead.encoder.instructions import has_bfloat16_products
from polyhead.machine import processor_name, usable_cores

__all__ = ["Surroundings"]


@dataclass(frozen=True)
class Surroundings:
    """The machine and the software.

    Attributes:
        processor: Its name.
        instruction_set: The widest that torch's own kernels use, such as "AVX512".
        bfloat16: Whether the processor multiplies it.
        n_cores: Those that this process may use.
        n_threads: Those that torch computes with.
        system: Operating system and architecture.
        python: Version.
        torch: Version.
        polyhead: Version.
    """

    processor: str
    instruction_set: str
    bfloat16: bool
    n_cores: int
    n_threads: int
    system: str
    python: str
    torch: str
    polyhead: str

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process."""
        return cls(
            processor=processor_name(),
            instruction_set=torch.backends.cpu.get_cpu_capability(),
            bfloat16=has_bfloat16_products(),
            n_cores=usable_cores(),
            n_threads=torch.get_num_threads(),
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            torch=torch.__version__,
            polyhead=version("polyhead"),
        )
