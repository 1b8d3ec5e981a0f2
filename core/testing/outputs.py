"""Outputs of a head taken apart, example by example, and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from polyhead.contracts import Encoded, Head, HeadOutput, Prediction
from polyhead.errors import InputError
from polyhead.testing.failure import ConformanceError, require

__all__ = ["TOLERANCE", "answers_of", "check_same", "check_same_answers", "parts_of"]

TOLERANCE: Final = 1e-5
"""How far float32 numbers may be apart, for numbers up to 1; larger ones by their size."""


def parts_of(head: Head, output: HeadOutput) -> dict[str, Tensor]:
    """The tensors of an output by name; "output" where there is one.

    Of an output with several parts it is the one that `logits` makes of them, if it makes one.
    """
    if isinstance(output, Tensor):
        return {"output": output}
    if not isinstance(output, Mapping):
        raise ConformanceError(
            f"{type(head).__name__}.forward returns a {type(output).__name__}; return a tensor "
            "or a dict of tensors."
        )
    try:
        return {"logits": head.logits(output)}
    except InputError:
        return dict(output)


def answers_of(
    head: Head, output: HeadOutput, encoded: Sequence[Encoded]
) -> list[dict[str, Tensor]]:
    """What each example has of an output.

    Raises:
        ConformanceError: The first dimension is not what `answers` says.
    """
    match head.answers:
        case "row":
            sizes = [len(item.rows) for item in encoded]
        case "token":
            sizes = [item.n_tokens for item in encoded]
        case _:
            sizes = [1] * len(encoded)
    answers: list[dict[str, Tensor]] = [{} for _ in encoded]
    for name, part in parts_of(head, output).items():
        is_split = isinstance(part, Tensor) and part.ndim > 0 and len(part) == sum(sizes)
        require(
            is_split,
            f"{name} is {_form(part)} for {len(encoded)} examples of "
            f"{sum(len(item.rows) for item in encoded)} rows and "
            f"{sum(item.n_tokens for item in encoded)} tokens; "
            f"{type(head).__name__}.answers is {head.answers!r}, so its first dimension must "
            f"be {sum(sizes)}. Correct `forward`, or `answers`.",
        )
        for answer, values in zip(answers, torch.split(part, sizes), strict=True):
            answer[name] = values
    return answers


def check_same(
    found: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    message: str,
    tolerance: float = TOLERANCE,
) -> None:
    """Fails with `message` where numbers differ; what `found` is padded with does not count."""
    for name, values in expected.items():
        require(
            found[name].ndim == values.ndim,
            f"{message} {name} is {_form(found[name])} and not {_form(values)}.",
        )
        same_place = tuple(slice(size) for size in values.shape)
        ours = found[name][same_place].detach().cpu().double()
        theirs = values.detach().cpu().double()
        require(
            ours.shape == theirs.shape,
            f"{message} {name} is {_form(found[name])} and not {_form(values)}.",
        )
        finite = theirs[theirs.isfinite()].abs()
        scale = max(1.0, float(finite.max())) if finite.numel() else 1.0
        is_same = (ours == theirs) | ((ours - theirs).abs() <= tolerance * scale)
        if not bool(is_same.all()):
            most = float((ours - theirs).abs().nan_to_num(torch.inf, torch.inf).max())
            raise ConformanceError(f"{message} {name} differs by up to {most:.1e}.")


def check_same_answers(
    found: Sequence[Prediction], expected: Sequence[Prediction], message: str
) -> None:
    """Fails with `message` where two lists of predictions differ by more than rounding."""
    require(
        len(found) == len(expected),
        f"{message} There are {len(found)} predictions and not {len(expected)}.",
    )
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        one, other = ours.model_dump(mode="json"), theirs.model_dump(mode="json")
        require(
            _is_close(one, other),
            f"{message} For example {number + 1}: {one} and not {other}.",
        )


def _is_close(one: object, other: object) -> bool:
    """Whether two JSON values are equal but for rounding of their numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= 10 * TOLERANCE * max(1.0, abs(other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_is_close(*pair) for pair in pairs)
    return one == other


def _form(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
