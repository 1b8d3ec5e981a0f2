"""The first passes of an engine, whose cost nobody who asks should pay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.serve.scheduling.pace import Pace

__all__ = ["warm_up"]

_LENGTH: Final = 16
_BATCHES: Final = (1, 1, 4, 16)
"""Texts of each pass; the first one prepares weights, and is not learnt from."""


def warm_up(model: DistilBertModelWithHeads, pace: Pace, most_tokens: int) -> None:
    """Runs the bare encoder a few times, and learns how fast it is.

    Args:
        model: The model.
        pace: Learns from each pass but the first.
        most_tokens: Of a batch.
    """
    length = min(_LENGTH, model.shape.max_positions)
    for number, n_texts in enumerate(_BATCHES):
        texts = torch.arange(max(1, min(n_texts, most_tokens // length)))
        # each text another: equal ones are computed once
        ids = (texts[:, None] + torch.arange(length)) % model.shape.vocab_size
        started = time.perf_counter()
        with torch.inference_mode():
            model(input_ids=ids, adapter_names=None, head=None)
        if number:
            pace.learn(ids.numel(), time.perf_counter() - started)
