"""Answers in the shape of transformers' token classification pipeline, by its own rules.

Where these differ from the head's answers: a word ends where a sub-word without the mark of a
continuation follows, even within a word that was given whole; and sub-words of one type stand
together whatever the scheme of their tags, so that plain tags form runs.

Source: transformers.pipelines.token_classification, version 5.23.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Final

from tokenizers.decoders import WordPiece

from polyhead.heads.tagging.aggregation import Strategy, aggregated
from polyhead.heads.tagging.scheme import OUTSIDE

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import Tokenizer

__all__ = ["Group", "Piece", "groups_of", "pieces_of"]

Group = dict[str, str | float | int]
"""`entity_group`, `score`, `word`, `start`, `end`; with "none" `entity` in place of the first, and
`index`."""


_SPELL: Final[Callable[[list[str]], str]] = WordPiece().decode


@dataclass(frozen=True, slots=True)
class Piece:
    """One sub-word.

    Attributes:
        word: As the vocabulary spells it; as the text does where the vocabulary cannot.
        start: Its first character in the text.
        end: The character after its last.
        index: Its place among the tokens of the text, which [CLS] begins.
        is_continuation: Whether it goes on with the word before it.
    """

    word: str
    start: int
    end: int
    index: int
    is_continuation: bool


@dataclass(frozen=True, slots=True)
class _Tagged:
    """A word or sub-word with its tag."""

    tag: str
    score: float
    pieces: Sequence[Piece]


def pieces_of(
    text: str, ids: Sequence[int], offsets: Sequence[tuple[int, int]], tokenizer: Tokenizer
) -> list[Piece]:
    """The sub-words of a text.

    Args:
        text: What the offsets count characters of.
        ids: Their token ids, without special tokens.
        offsets: Start and end of each.
        tokenizer: It has the vocabulary.
    """
    pieces = []
    for index, (token, (start, end)) in enumerate(zip(ids, offsets, strict=True), 1):
        word, spelled = tokenizer.token(token), text[start:end]
        if token == tokenizer.unk_id:
            pieces.append(Piece(spelled, start, end, index, is_continuation=False))
        else:
            # the mark of a continuation makes the difference
            is_continuation = len(word) != len(spelled)
            pieces.append(Piece(word, start, end, index, is_continuation))
    return pieces


def groups_of(
    pieces: Sequence[Piece],
    probabilities: Tensor,
    labels: Sequence[str],
    strategy: Strategy,
    *,
    ignored: Collection[str] = (OUTSIDE,),
    spell: Callable[[list[str]], str] = _SPELL,
) -> list[Group]:
    """What transformers' pipeline answers for one text.

    Args:
        pieces: The sub-words of the text.
        probabilities: Of each. Shape: (S, K).
        labels: The names of the tags.
        strategy: "none" gives a result for each sub-word, "simple" groups sub-words, and the others
            group words, each with one tag.
        ignored: Tags and types that are left out of the results.
        spell: Makes words of sub-words; the decoder of WordPiece vocabularies where not given.
    """
    if not pieces:
        return []
    tagged = _tagged(pieces, probabilities, labels, strategy)
    if strategy == "none":
        return [_single(item) for item in tagged if item.tag not in ignored]
    groups = (_group(items, spell) for items in _runs(tagged))
    return [group for group in groups if group["entity_group"] not in ignored]


def _tagged(
    pieces: Sequence[Piece], probabilities_SK: Tensor, labels: Sequence[str], strategy: Strategy
) -> list[_Tagged]:
    is_by_word = strategy not in {"none", "simple"}
    starts = [
        place
        for place, piece in enumerate(pieces)
        if not (is_by_word and piece.is_continuation) or place == 0
    ]
    scores_U, tags_U = aggregated(probabilities_SK, starts, strategy).max(dim=1)
    return [
        _Tagged(labels[tag], score, pieces[start:stop])
        for tag, score, start, stop in zip(
            tags_U.tolist(), scores_U.tolist(), starts, [*starts[1:], len(pieces)], strict=True
        )
    ]


def _runs(tagged: Sequence[_Tagged]) -> Iterator[list[_Tagged]]:
    """What stands together: neighbours of one type, up to the next B."""
    run: list[_Tagged] = []
    for item in tagged:
        if run and (item.tag.startswith("B-") or _type(item.tag) != _type(run[-1].tag)):
            yield run
            run = []
        run.append(item)
    if run:
        yield run


def _type(tag: str) -> str:
    return tag[2:] if tag.startswith(("B-", "I-")) else tag


def _single(item: _Tagged) -> Group:
    [piece] = item.pieces
    return {
        "entity": item.tag,
        "score": item.score,
        "index": piece.index,
        "word": piece.word,
        "start": piece.start,
        "end": piece.end,
    }


def _group(items: Sequence[_Tagged], spell: Callable[[list[str]], str]) -> Group:
    # words are spelled one by one first, as there: it decides where spaces are taken out
    words = [spell([piece.word for piece in item.pieces]) for item in items]
    return {
        "entity_group": items[0].tag.split("-", 1)[-1],
        "score": fmean(item.score for item in items),
        "word": spell(words),
        "start": items[0].pieces[0].start,
        "end": items[-1].pieces[-1].end,
    }
