"""Random numbers that depend on a seed alone, and leave the caller's untouched."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["seeded"]


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Inside, torch's random numbers follow from `seed`; afterwards they go on as before.

    A task's fresh weights are drawn when the task is added, so a reproducible run adds it inside:

        with seeded(settings.seed):
            model.add_task("sentiment", head=config)
        Trainer(model, settings).fit("sentiment", examples)

    Args:
        seed: Any number that torch takes as a seed.
        device: A CUDA device whose numbers are seeded too; those of the CPU always are.
    """
    cuda = device is not None and device.type == "cuda"
    number = (device.index or 0) if device is not None and cuda else 0
    with torch.random.fork_rng(devices=[number] if cuda else []):
        # not torch.manual_seed: it would reseed every accelerator, forked or not
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(number):
                torch.cuda.manual_seed(seed)
        yield
