"""An index of texts as one safetensors file.

Dimensions: C texts, W width of an embedding.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from polyhead.errors import ArtifactError, InputError, OutputExistsError, WriteError, listing
from polyhead.heads.embedding.similarity import unit_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

__all__ = ["IndexedTexts", "check_ids", "read_index", "write_index"]


@dataclass(frozen=True)
class IndexedTexts:
    """What an index holds.

    Attributes:
        ids: What each text is called.
        texts: The texts.
        vectors: Their vectors, of length 1; None where there is none. Shape: (C, W), float32.
    """

    ids: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    vectors: Tensor | None = None


def check_ids(ids: Sequence[str], taken: Sequence[str], n_texts: int) -> None:
    """Refuses ids that are not one for each text, each another.

    Raises:
        InputError: They are not.
    """
    if len(ids) != n_texts:
        raise InputError(f"{len(ids)} ids are given for {n_texts} texts.")
    odd = next((given for given in ids if not isinstance(given, str)), None)
    if odd is not None:
        raise InputError(f"an id must be a str, not {type(odd).__name__}.")
    counts = Counter(ids) + Counter(set(taken))
    twice = [given for given, count in counts.items() if count > 1]
    if twice:
        raise InputError(f"these ids are in the index already or given twice: {listing(twice)}.")


def write_index(path: Path, held: IndexedTexts, *, overwrite: bool) -> None:
    """Writes all of it or nothing.

    Raises:
        OutputExistsError: The file is there, and `overwrite` was not asked for.
        WriteError: It could not be written; what was at `path` before is untouched.
    """
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists; choose another place, or ask to overwrite it.")
    # a tensor of bytes, since a file's header is limited in size
    records = json.dumps({"ids": held.ids, "texts": held.texts}).encode()
    content = save(
        {
            "records": torch.frombuffer(bytearray(records), dtype=torch.uint8),
            "vectors": torch.zeros(0, 0) if held.vectors is None else held.vectors,
        }
    )
    # beside the file first: a rename cannot stop half-way
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(f"{path} could not be written: {reason}. Nothing was changed.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_index(path: Path) -> IndexedTexts:
    """What the file holds.

    Raises:
        ArtifactError: It is missing or damaged, or is no index.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} is not a file.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{path} is damaged or is not a safetensors file: {error}.") from None
    if tensors.keys() != {"records", "vectors"}:
        raise ArtifactError(f"{path} is not an index; those are written by EmbeddingIndex.save.")
    try:
        return _parsed(tensors)
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged: {error}") from None


def _parsed(tensors: Mapping[str, Tensor]) -> IndexedTexts:
    records = json.loads(bytes(tensors["records"].tolist()))
    ids, texts = tuple(records["ids"]), tuple(records["texts"])
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("it holds something that is no text.")
    check_ids(ids, (), len(texts))
    check_ids(ids, (), len(tensors["vectors"]))
    vectors = unit_vectors(tensors["vectors"])
    return IndexedTexts(ids, texts, vectors if ids else None)
