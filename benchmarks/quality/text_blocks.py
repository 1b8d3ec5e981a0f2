"""Cut paragraphs into blocks that fit a window, so that both sides model the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

N_SPECIAL = 2  # [CLS] and [SEP]


def cut(
    text: str, window: int, count_pieces: Callable[[Sequence[str]], Sequence[int]]
) -> list[str]:
    """Cut one paragraph at white space into blocks, each as long as fits.

    Args:
        text: The paragraph.
        window: Tokens of a block, special tokens included.
        count_pieces: Returns the number of sub-words of each of the words given.

    Returns:
        The blocks in order; joined with spaces they are the paragraph's words.
    """
    words = text.split()
    blocks: list[list[str]] = [[]]
    used = N_SPECIAL
    for word, n_pieces in zip(words, count_pieces(words), strict=True):
        if blocks[-1] and used + n_pieces > window:
            blocks.append([])
            used = N_SPECIAL
        blocks[-1].append(word)
        used += n_pieces
    return [" ".join(block) for block in blocks if block]


def cut_all(
    texts: Iterable[str], window: int, count_pieces: Callable[[Sequence[str]], Sequence[int]]
) -> list[str]:
    """Cut every paragraph; a block never holds parts of two."""
    return [block for text in texts for block in cut(text, window, count_pieces)]
