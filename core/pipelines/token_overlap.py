"""What was found twice, by two windows of a text that overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["Found", "without_overlap"]

Found = dict[str, Any]
"""An entity or a token, with its `start`, `end` and `score`."""


def without_overlap(found: Sequence[Found]) -> list[Found]:
    """Of entities that begin within one another the longer, and of equally long ones the surer.

    Args:
        found: What each window answers, in the order of the windows.

    Returns:
        Those that are left, in the order of the text.

    Source: transformers.pipelines.token_classification, version 5.23.
    """
    kept: list[Found] = []
    for entity in sorted(found, key=lambda entity: int(entity["start"])):
        if not kept or not kept[-1]["start"] <= entity["start"] < kept[-1]["end"]:
            kept.append(entity)
        elif _rank(entity) > _rank(kept[-1]):
            kept[-1] = entity
    return kept


def _rank(entity: Found) -> tuple[int, float]:
    return entity["end"] - entity["start"], entity["score"]
