"""Digests of what a model is made of, each computed once for as long as its part stays as it is."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, ref

from torch import Tensor, nn

from polyhead.encoder.tensor_bytes import add_bytes
from polyhead.encoder.tensor_writes import n_writes

if TYPE_CHECKING:
    from polyhead.contracts import Adapter, Head
    from polyhead.encoder import Encoder
    from polyhead.tokenizer import Tokenizer

__all__ = ["DIGEST_BYTES", "PartDigests", "digest_of"]

DIGEST_BYTES: Final = 32
"""The length of every digest: nobody finds two contents of one digest."""


def digest_of(*values: str | bytes) -> bytes:
    """A digest of values, in their order."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for value in values:
        content = value.encode() if isinstance(value, str) else value
        digest.update(len(content).to_bytes(8, "big"))  # so that no two lists run together
        digest.update(content)
    return digest.digest()


class PartDigests:
    """What adapters, heads, encoders and tokenizers are, as digests of their content.

    Equal digests mean equal answers, whatever a part is called and in whichever model it is. Parts
    are remembered weakly. That one has changed is seen by its config, and by each weight's place in
    memory and torch's count of writes in place; what is written past that count is not seen: call
    `forget` then. Any number of threads may ask at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[object, _Known] = WeakKeyDictionary()

    def of(self, part: Adapter | Head) -> bytes:
        """The digest of an adapter or a head: its class, config and weights."""
        return self._of(part, lambda: _part_digest(part))

    def of_encoder(self, encoder: Encoder) -> bytes:
        """The digest of an encoder: its fingerprint and its precision."""
        return self._of(encoder, lambda: digest_of(encoder.fingerprint(), encoder.precision))

    def of_tokenizer(self, tokenizer: Tokenizer | None) -> bytes:
        """The digest of a tokenizer without its settings."""
        if tokenizer is None:
            return b""
        return self._of(tokenizer, lambda: digest_of(tokenizer.to_json()))

    def forget(self) -> None:
        """Digests every part anew when it is next asked for."""
        with self._lock:
            # a new one: what other threads are digesting meanwhile goes to the old one
            self._known = WeakKeyDictionary()

    def _of(self, part: object, make: Callable[[], bytes]) -> bytes:
        config, weights = getattr(part, "config", None), _weights_of(part)
        with self._lock:
            known = self._known
            found = known.get(part)
        if found is not None and found.is_of(config, weights):
            return found.digest
        # first what tells of changes, then the content: what changes in between is seen next time
        seen = tuple(map(_Seen.of, weights))
        digest = make()
        is_sure = not any(map(_may_be_learning, weights))
        with self._lock:
            known.pop(part, None)
            if is_sure:
                known[part] = _Known(config, seen, digest)
        return digest


class _Seen(NamedTuple):
    """A weight as it was when it was digested.

    Attributes:
        weight: Itself.
        memory: The same memory, held so that no other weight can come to lie in it.
        writes: How often it had been written in place.
    """

    weight: ReferenceType[Tensor]
    memory: Tensor
    writes: int

    @classmethod
    def of(cls, weight: Tensor) -> _Seen:
        return cls(ref(weight), weight.detach(), n_writes(weight))

    def is_of(self, weight: Tensor) -> bool:
        return (
            self.weight() is weight
            and self.memory.data_ptr() == weight.data_ptr()
            and self.memory.dtype == weight.dtype
            and self.writes == n_writes(weight)
            and not _may_be_learning(weight)
        )


@dataclass(frozen=True)
class _Known:
    """A part's digest, and what the part was like."""

    config: object
    weights: tuple[_Seen, ...]
    digest: bytes

    def is_of(self, config: object, weights: list[Tensor]) -> bool:
        return (
            self.config is config
            and len(self.weights) == len(weights)
            and all(seen.is_of(weight) for seen, weight in zip(self.weights, weights, strict=True))
        )


def _weights_of(part: object) -> list[Tensor]:
    return [*part.parameters(), *part.buffers()] if isinstance(part, nn.Module) else []


def _may_be_learning(weight: Tensor) -> bool:
    """Whether it may be written without being counted: fused optimizers do so."""
    return weight.is_inference() or (weight.is_leaf and weight.grad is not None)


def _part_digest(part: Adapter | Head) -> bytes:
    digest: Any = hashlib.blake2b(digest_size=DIGEST_BYTES)
    owner = type(part)
    digest.update(
        digest_of(owner.__module__, owner.__qualname__, part.kind, part.config.model_dump_json())
    )
    for name, weight in (*part.named_parameters(), *part.named_buffers()):
        digest.update(digest_of(name, str(weight.dtype), str(tuple(weight.shape))))
        add_bytes(digest, weight)
    found: bytes = digest.digest()
    return found
