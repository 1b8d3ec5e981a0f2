"""From texts to encodings: a call's work, done without changing what other calls use."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Encoding
from tokenizers import Tokenizer as Backend

from polyhead.distilbert.tokenization.backend import copy_of
from polyhead.distilbert.tokenization.cutting import check_cut
from polyhead.distilbert.tokenization.limits import Limits
from polyhead.distilbert.tokenization.texts import Text, Texts
from polyhead.errors import ConfigError, InputError

__all__ = ["encode_texts", "pad_rows"]


def encode_texts(
    backend: Backend,
    texts: Texts,
    limits: Limits,
    *,
    add_special_tokens: bool,
    split_special_tokens: bool,
) -> list[Encoding]:
    """One encoding a row, cut to the limits and not padded.

    How rows are cut is a setting of the library's object, so each call that needs another has a
    copy of its own: what threads share is never written.

    Args:
        backend: It is only read.
        texts: The rows.
        limits: How long they may be.
        add_special_tokens: Whether [CLS] and [SEP] are put around texts.
        split_special_tokens: Whether special tokens that stand in a text are split as text is.

    Raises:
        ConfigError: `max_length` leaves no room beside the special tokens, or no more than
            `stride`.
        InputError: A text is not Unicode, or cannot be cut as asked.
    """
    is_changed = backend.truncation is not None or backend.padding is not None  # by its owner
    if is_changed or backend.encode_special_tokens != split_special_tokens:
        backend = copy_of(backend)
        backend.encode_special_tokens = split_special_tokens
    if limits.truncation is None or limits.max_length is None:
        return _encode(backend, texts, add_special_tokens=add_special_tokens)
    rooms = _rooms(backend, texts, limits, with_special=add_special_tokens)
    # the library panics where a stride is too long for one text of a pair
    if limits.stride and True in rooms and not _surely_strides(backend, texts, rooms[True], limits):
        _check(backend, texts, rooms, limits)
    cutting = copy_of(backend)
    cutting.enable_truncation(
        limits.max_length,
        stride=limits.stride,
        strategy=limits.truncation,
        direction=limits.truncation_side,
    )
    try:
        return _encode(cutting, texts, add_special_tokens=add_special_tokens)
    except InputError:
        raise
    except Exception:  # the library's class for rows that it cannot cut
        _check(backend, texts, rooms, limits)
        raise


def pad_rows(encodings: Sequence[Encoding], limits: Limits, token: str, number: int) -> None:
    """Pads encodings, and what overflowed from them, in place.

    Args:
        encodings: Rows that no other call has.
        limits: To which length, and on which side.
        token: The padding token.
        number: Its id.
    """
    length = limits.max_length
    if limits.padding == "longest" or length is None:
        length = max(len(encoding) for encoding in encodings)
    length += -length % (limits.multiple or 1)
    for encoding in encodings:
        encoding.pad(
            length, direction=limits.padding_side, pad_id=number, pad_type_id=0, pad_token=token
        )


def _encode(backend: Backend, texts: Texts, *, add_special_tokens: bool) -> list[Encoding]:
    rows = [
        first if second is None else (first, second)
        for first, second in zip(texts.firsts, texts.seconds, strict=True)
    ]
    try:
        return list(
            backend.encode_batch(
                rows, is_pretokenized=texts.is_split, add_special_tokens=add_special_tokens
            )
        )
    except (TypeError, UnicodeEncodeError):  # which of them depends on the library's version
        place = next((n for n in range(len(rows)) if not _is_unicode(texts, n)), None)
        raise InputError(
            "a text holds half of a surrogate pair; it is not Unicode.",
            index=place if texts.is_batch else None,
        ) from None


def _is_unicode(texts: Texts, place: int) -> bool:
    words: list[str] = []
    for text in (texts.firsts[place], texts.seconds[place]):
        words += [text] if isinstance(text, str) else text or []
    return not any("\ud800" <= character <= "\udfff" for word in words for character in word)


def _rooms(
    backend: Backend, texts: Texts, limits: Limits, *, with_special: bool
) -> dict[bool, int]:
    """How many tokens of the texts fit into a row, for pairs (true) and single texts if any."""
    rooms = {}
    for is_pair in {second is not None for second in texts.seconds}:
        what = "a pair of texts" if is_pair else "a text"
        n_special = int(backend.num_special_tokens_to_add(is_pair)) if with_special else 0
        room = (limits.max_length or 0) - n_special
        if room < 0:
            raise ConfigError(
                f"max_length={limits.max_length} leaves no room: {n_special} special tokens stand "
                f"around {what}."
            )
        if limits.stride and limits.stride >= room:
            raise ConfigError(
                f"stride={limits.stride} is too much: {room} tokens of {what} fit into a row of "
                f"{limits.max_length}, and fewer than that can be shared."
            )
        rooms[is_pair] = room
    return rooms


def _surely_strides(backend: Backend, texts: Texts, room: int, limits: Limits) -> bool:
    """Whether every pair keeps more than the stride, told without reading the texts to be cut."""
    if limits.truncation == "longest_first":
        return limits.stride < room // 2
    others = texts.firsts if limits.truncation == "only_second" else texts.seconds
    return limits.stride < room - max(_lengths(backend, others, is_split=texts.is_split))


def _check(backend: Backend, texts: Texts, rooms: dict[bool, int], limits: Limits) -> None:
    """Refuses the first row that cannot be cut as asked."""
    firsts = _lengths(backend, texts.firsts, is_split=texts.is_split)
    seconds = _lengths(backend, texts.seconds, is_split=texts.is_split)
    for place, second in enumerate(texts.seconds):
        lengths = [firsts[place]] if second is None else [firsts[place], seconds[place]]
        try:
            check_cut(lengths, rooms[second is not None], limits)
        except InputError as error:
            raise InputError(error.reason, index=place if texts.is_batch else None) from None


def _lengths(backend: Backend, texts: Sequence[Text | None], *, is_split: bool) -> list[int]:
    """How many tokens each text has, 0 where there is none."""
    given = [([] if is_split else "") if text is None else text for text in texts]
    found = backend.encode_batch_fast(given, is_pretokenized=is_split, add_special_tokens=False)
    return [len(encoding) for encoding in found]
