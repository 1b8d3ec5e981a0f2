"""What an answer follows from, as one digest: the key under which it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from polyhead.caches.part_digests import PartDigests, digest_of
from polyhead.composition import Average, Block, Fuse, Split, fusion_of
from polyhead.contracts import FusingAdapter
from polyhead.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from polyhead.composition import AdapterSetup
    from polyhead.contracts import Adapter, Encoded, Head
    from polyhead.encoder import Encoder
    from polyhead.model.parts import ModelParts
    from polyhead.model.prediction import Question

__all__ = ["AnswerContext", "AnswerKeys", "encoder_context"]


def encoder_context(encoder: Encoder, digests: PartDigests) -> bytes:
    """The digest of what hidden states follow from beside their rows, and of who may read them.

    On a GPU these are calls of one stream: on another, they might not be there yet.

    Args:
        encoder: It is part of that, with where and how it computes.
        digests: What it is.
    """
    device = encoder.norm.weight.device
    stream = torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0
    return digest_of(_computing(encoder, digests), str(stream))


def _computing(encoder: Encoder, digests: PartDigests) -> bytes:
    device = encoder.norm.weight.device
    is_cast = torch.is_autocast_enabled(device.type)
    cast = str(torch.get_autocast_dtype(device.type)) if is_cast else ""
    return digest_of(digests.of_encoder(encoder), str(device), cast)


class AnswerContext(NamedTuple):
    """What the answers to a question follow from beside its examples.

    Attributes:
        digest: Of all of it.
        parts: The head and the adapters themselves; they tell whether others came between.
    """

    digest: bytes
    parts: tuple[Head | Adapter, ...]


class AnswerKeys:
    """The keys of a model's answers."""

    def __init__(self, model: ModelParts, digests: PartDigests) -> None:
        """Looks at nothing yet.

        Args:
            model: Whose tasks are asked.
            digests: What its parts are.
        """
        self._model = model
        self._digests = digests

    def contexts(self, questions: Sequence[Question]) -> list[AnswerContext | None]:
        """For each question what its answers follow from beside the examples.

        None where that cannot be told: a part of the task is not there, or is not the one that read
        the examples.
        """
        model = self._model
        own = digest_of(
            _computing(model.encoder, self._digests),
            self._digests.of_tokenizer(model.tokenizer),
        )
        return [self._context(own, question) for question in questions]

    def of(self, question: Question, context: AnswerContext | None) -> list[bytes | None]:
        """The key of each of a question's answers; None for one that shall not be kept."""
        if context is None:
            return [None] * len(question.encoded)
        return [_key(context.digest, encoded) for encoded in question.encoded]

    def _context(self, own: bytes, question: Question) -> AnswerContext | None:
        task, head = question.task, question.head
        if self._model.heads.get(task.head) is not head:
            return None
        try:
            adapters = self._model.adapters_of(task.adapter).values()
            setup = self._setup(task.adapter)
        except (UnknownNameError, ConfigError):  # whoever computes the answers will say so
            return None
        text = task.text.model_dump_json()
        digest = digest_of(own, text, self._digests.of(head), setup)
        return AnswerContext(digest, (head, *adapters))

    def _setup(self, setup: AdapterSetup) -> bytes:
        """The digest of what acts on a task's rows, whatever the adapters are called."""
        adapters = self._model.adapter_table
        if setup is None:
            return b""
        if isinstance(setup, str):
            adapter = adapters.find(setup)
            fused = adapter.fused if isinstance(adapter, FusingAdapter) else ()
            return digest_of("adapter", self._digests.of(adapter), *map(self._setup, fused))
        parts = [self._setup(child) for child in setup.children]
        return digest_of(type(setup).__name__, self._detail(setup), *parts)

    def _detail(self, block: Block) -> bytes | str:
        """What a block says beside its children."""
        match block:
            case Average(weights=weights):
                return repr(weights)
            case Split(splits=splits):
                return repr(splits)
            case Fuse():
                table = self._model.adapter_table
                return self._digests.of(table.find(fusion_of(block, table)))
        return ""


def _key(context: bytes, encoded: Encoded) -> bytes | None:
    """The key of one example's answer."""
    example = encoded.example
    owner = type(example)
    try:
        # both: JSON has one form for NaN and None, and a field may be left out of the other
        written = example.model_dump_json(), repr(example)
        return digest_of(
            context, owner.__module__, owner.__qualname__, *written, repr(encoded.rows)
        )
    except ValueError:  # pydantic's own errors among them: it holds what cannot be written down
        return None
