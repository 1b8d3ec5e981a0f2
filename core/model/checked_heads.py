"""Heads called so that a mistake in one is said of it, and of the distribution it came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from polyhead.contracts import Encoded, Prediction
from polyhead.errors import ContractError, PolyheadError
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.batch import Hidden
    from polyhead.contracts import Head, HeadOutput
    from polyhead.tokenizer import Tokenizer

__all__ = ["decoded_by", "encoded_by", "output_of"]


def encoded_by(head: Head, examples: Sequence[Any], tokenizer: Tokenizer) -> list[Encoded]:
    """What `head.encode` makes of examples, one entry each.

    Raises:
        InputError: An example cannot be used.
        ContractError: `encode` failed, or does not answer every example.
    """
    with _blamed(head, "encode"):
        encoded = head.encode(examples, tokenizer)
    _check_list(head, "encode", encoded, Encoded, len(examples))
    return encoded


def output_of(head: Head, hidden: Hidden) -> HeadOutput:
    """What `head` computes of the hidden states of its rows.

    Raises:
        ContractError: `forward` failed, or its output has another first dimension than it must.
    """
    with _blamed(head, "forward"):
        output: HeadOutput = head(head.select(hidden))
    n_answers = _n_answers(head, hidden)
    must = (
        "it must return a tensor or a dict of tensors, whose first dimension has one place for "
        f"each {head.answers}: {n_answers}"
    )
    for part in output.values() if isinstance(output, dict) else (output,):
        if part is hidden.word_embeddings:  # passed on for the loss and the answers to read
            continue
        if not isinstance(part, Tensor):
            raise _mistake(head, "forward", f"returned a {type(part).__name__}", must)
        if part.shape[:1] != (n_answers,):
            shape = tuple(part.shape)
            raise _mistake(head, "forward", f"returned a tensor of shape {shape}", must)
    return output


def decoded_by(head: Head, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
    """The answers that `head` reads from its output, one for each example.

    Raises:
        InputError: No answer can be read from it.
        ContractError: `decode` failed, or does not answer every example.
    """
    with _blamed(head, "decode"):
        answers = head.decode(output, encoded)
    _check_list(head, "decode", answers, Prediction, len(encoded))
    return answers


def _n_answers(head: Head, hidden: Hidden) -> int:
    """What the first dimension of the output counts, as `answers` says."""
    match head.answers:
        case "token":
            return hidden.packing.n_tokens
        case "example" if hidden.row_counts is not None:
            return len(hidden.row_counts)
        case _:
            return hidden.n_rows


def _check_list(head: Head, method: str, found: object, of: type, n_examples: int) -> None:
    must = f"it must return a list with one polyhead.{of.__name__} for each example: {n_examples}"
    if not isinstance(found, list | tuple):
        raise _mistake(head, method, f"returned a {type(found).__name__}", must)
    odd = next((entry for entry in found if not isinstance(entry, of)), None)
    if odd is not None:
        raise _mistake(head, method, f"returned a list with a {type(odd).__name__}", must)
    if len(found) != n_examples:
        raise _mistake(head, method, f"returned a list of {len(found)}", must)


@contextmanager
def _blamed(head: Head, method: str) -> Iterator[None]:
    """Turns what a head raises by mistake into an error that names it."""
    try:
        yield
    except (PolyheadError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        told = f"{type(error).__name__}: {reason}".removesuffix(": ")
        must = "for what users can put right it must raise a polyhead.PolyheadError"
        raise _mistake(head, method, f"failed with {told}", must) from error


def _mistake(head: Head, method: str, did: str, must: str) -> ContractError:
    return ContractError(
        f"{method} of the head kind {head.kind!r} of {_origin(head)} {did}; {must}. Report it to "
        "those who wrote the head."
    )


def _origin(head: Head) -> str:
    """The distribution that the head came from, or else its module."""
    try:
        return str(registry().provider_of_head(head.kind))
    except PolyheadError:  # never registered, or claimed by several
        return f"the module {type(head).__module__}"
