"""Texts that are found by what they say.

Dimensions: C texts, W width of an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self, overload

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from polyhead.contracts import Prediction
from polyhead.errors import ArtifactError, InputError
from polyhead.heads.embedding.head import EmbeddingPrediction
from polyhead.heads.embedding.index_file import IndexedTexts, check_ids, read_index, write_index
from polyhead.heads.embedding.similarity import CHUNK, nearest, unit_vectors

__all__ = ["Embed", "EmbeddingIndex", "FoundText"]

Embed = Callable[[Sequence[str]], Tensor | Sequence[Prediction]]
"""Makes vectors of texts: a model's `predict` for a task, or any function with a tensor, (n, W)."""

_LEAST_COSINE: Final = 0.99
"""Of one text embedded twice, in whatever precision."""


class FoundText(BaseModel):
    """A text that was found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="What the text is called in the index.")
    text: str = Field(description="The text.")
    score: float = Field(description="The cosine of its vector and the query's.")


class EmbeddingIndex:
    """Texts and their vectors, searched by cosine; every text is compared, none is missed.

        index = EmbeddingIndex(partial(model.predict, task="similar"))
        index.add(["How do I get my money back?", "Where is my parcel?"])
        index.search("refund", k=1)

    Many threads may search at once, also while one thread adds.

    Attributes:
        embed: Makes the vectors.
    """

    def __init__(self, embed: Embed) -> None:
        """Makes an empty index.

        Args:
            embed: Called with lists of texts. It must go on giving a text the same vector.
        """
        self.embed = embed
        self._held = IndexedTexts()

    def __len__(self) -> int:
        return len(self._held.ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """What the texts are called, in the order of adding."""
        return self._held.ids

    @property
    def vectors(self) -> Tensor:
        """Their vectors, of length 1. Shape: (C, W), float32, on the CPU."""
        held = self._held.vectors
        return torch.zeros(0, 0) if held is None else held

    def add(self, texts: Sequence[str], ids: Sequence[str] | None = None) -> None:
        """Embeds texts and keeps them; many at once are faster than one by one.

        Args:
            texts: The texts.
            ids: What each is called; its number in the order of adding, from "0" on, when not
                given.

        Raises:
            InputError: A text cannot be embedded, or an id is taken; nothing is added then.
        """
        texts = _as_texts(texts)
        held = self._held
        if ids is None:
            ids = [str(number) for number in range(len(held.ids), len(held.ids) + len(texts))]
        check_ids(ids, held.ids, len(texts))
        if not texts:
            return
        vectors_CW = self._embedded(texts)
        if held.vectors is not None:
            vectors_CW = torch.cat([held.vectors, vectors_CW])
        # in one statement: who searches meanwhile finds either the old texts or all of them
        self._held = IndexedTexts((*held.ids, *ids), (*held.texts, *texts), vectors_CW)

    @overload
    def search(  # type: ignore[overload-overlap]  # a str is a Sequence[str] too
        self, queries: str, k: int = 10
    ) -> list[FoundText]: ...
    @overload
    def search(self, queries: Sequence[str], k: int = 10) -> list[list[FoundText]]: ...
    def search(
        self, queries: str | Sequence[str], k: int = 10
    ) -> list[FoundText] | list[list[FoundText]]:
        """The texts that are most like a query.

        Args:
            queries: A text, or several.
            k: How many to find; all of them where the index holds fewer.

        Returns:
            The texts found, the most alike first; for several queries a list for each.

        Raises:
            InputError: A query cannot be embedded, or `k` is below 1.
        """
        asked = [queries] if isinstance(queries, str) else _as_texts(queries)
        held = self._held
        parts = () if held.vectors is None else torch.split(held.vectors, CHUNK)
        vectors_QW = self._embedded(asked) if asked else torch.zeros(0, self.vectors.shape[1])
        scores_QK, places_QK = nearest(vectors_QW, parts, k)
        found = [
            [
                FoundText(id=held.ids[place], text=held.texts[place], score=score)
                for score, place in zip(scores, places, strict=True)
            ]
            for scores, places in zip(scores_QK.tolist(), places_QK.tolist(), strict=True)
        ]
        return found[0] if isinstance(queries, str) else found

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Writes texts, ids and vectors to a safetensors file; `embed` is not in it.

        Raises:
            OutputExistsError: The file is there, and `overwrite` was not asked for.
            WriteError: It could not be written; what was at `path` before is untouched.
        """
        write_index(Path(path), self._held, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path, embed: Embed) -> Self:
        """The index that was saved.

        Args:
            path: The file.
            embed: What it was made with: a text of the index is embedded again to see.

        Raises:
            ArtifactError: The file is damaged or no index, or was made with another `embed`.
        """
        index = cls(embed)
        index._held = read_index(Path(path))
        if len(index) and not index._embeds_as_before():
            raise ArtifactError(
                f"{path} was made with another task or model: its first text now has another "
                "vector. Load the task that it was made with, or add the texts to a new index."
            )
        return index

    def _embeds_as_before(self) -> bool:
        """Whether the first text still has the vector that is kept."""
        try:
            again_1W = self._embedded(self._held.texts[:1])
        except InputError:
            return False
        return float((again_1W @ self.vectors[:1].T).item()) >= _LEAST_COSINE

    def _embedded(self, texts: Sequence[str]) -> Tensor:
        """The texts' vectors, of length 1 and of the width of those that are there."""
        found = self.embed(list(texts))
        vectors = found if isinstance(found, Tensor) else [_vector_of(item) for item in found]
        unit_CW = unit_vectors(vectors).detach().cpu()
        if len(unit_CW) != len(texts):
            raise InputError(f"embed gave {len(unit_CW)} vectors for {len(texts)} texts.")
        held = self._held.vectors
        if held is not None and held.shape[1] != unit_CW.shape[1]:
            raise InputError(
                f"embed gave vectors of width {unit_CW.shape[1]}, and the index holds vectors of "
                f"width {held.shape[1]}; use the task that it was made with."
            )
        return unit_CW


def _vector_of(prediction: object) -> list[float]:
    if not isinstance(prediction, EmbeddingPrediction):
        raise InputError(
            f"embed must give a tensor or embedding predictions, not {type(prediction).__name__}; "
            "use predict with a task whose head is 'embedding'."
        )
    return prediction.embedding


def _as_texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise InputError("texts must be a list of texts; put a single one in a list.")
    found = list(texts)
    odd = next((n for n, text in enumerate(found) if not isinstance(text, str)), None)
    if odd is not None:
        raise InputError(f"a text must be a str, not {type(found[odd]).__name__}.", index=odd)
    return found
