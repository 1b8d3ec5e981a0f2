"""WordPiece tokenisation over the `tokenizers` library."""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer as Backend

from polyhead.batch import Row
from polyhead.errors import CheckpointError, InputError
from polyhead.tokenizer.pieces import Pieces, joined
from polyhead.tokenizer.settings import TextSettings
from polyhead.tokenizer.truncation import kept_lengths
from polyhead.tokenizer.wordpiece import backend_from_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokenizers import Encoding

__all__ = ["Tokenizer"]

_NAMES = ("text", "second text")


class Tokenizer:
    """Turns texts and pairs of texts into rows of token ids.

    It holds no state of a call, so many threads use one tokenizer at once: truncation and special
    tokens are applied here and not by the library, whose settings for them are shared.

    Attributes:
        settings: How long a row may be, and what happens to a longer one.
        cls_id: Id of the token that starts a row.
        sep_id: Id of the token that ends each text of a row.
        unk_id: Id of the token for what the vocabulary cannot spell.
        pad_id: Id that stands for no token in padded tensors.
        mask_id: Id of the token that hides another, or None where the vocabulary has none.
    """

    def __init__(self, backend: Backend, settings: TextSettings | None = None) -> None:
        """Wraps a tokenizer of the `tokenizers` library.

        Args:
            backend: Its truncation and padding are switched off for good.
            settings: How long a row may be; `TextSettings()` when not given.

        Raises:
            CheckpointError: The vocabulary has no [CLS], [SEP] or [UNK].
        """
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self.settings = settings or TextSettings()
        self.cls_id = self._special("[CLS]")
        self.sep_id = self._special("[SEP]")
        self.unk_id = self._special("[UNK]")
        self.pad_id = backend.token_to_id("[PAD]") or 0
        self.mask_id: int | None = backend.token_to_id("[MASK]")
        self._spelled_before: dict[tuple[str, bool], Pieces] | None = None

    @classmethod
    def from_folder(cls, folder: Path) -> Tokenizer:
        """The tokenizer of a checkpoint folder: `tokenizer.json`, else `vocab.txt`.

        Raises:
            CheckpointError: Neither file is there, or it cannot be read.
        """
        fast, vocabulary = folder / "tokenizer.json", folder / "vocab.txt"
        try:
            if fast.is_file():
                return cls(Backend.from_file(str(fast)))
            if vocabulary.is_file():
                return cls(backend_from_files(vocabulary, folder / "tokenizer_config.json"))
        except CheckpointError:
            raise
        except Exception as error:  # the library raises bare Exception for unreadable files
            raise CheckpointError(f"the tokenizer in {folder} cannot be read: {error}") from error
        raise CheckpointError(
            f"{folder} has no tokenizer; a checkpoint needs tokenizer.json or vocab.txt."
        )

    def with_settings(self, settings: TextSettings) -> Tokenizer:
        """The same vocabulary under other settings."""
        # not through __init__: it writes to the library's object, which other threads may be using
        other = copy(self)
        other.settings = settings
        return other

    def remembering(self) -> Tokenizer:
        """The same tokenizer for one call: it spells each text once, under whatever settings.

        Several tasks that read the same texts are given it in turn.
        """
        other = copy(self)
        other._spelled_before = {}  # noqa: SLF001 - a copy of our own
        return other

    def to_json(self) -> str:
        """The content of a `tokenizer.json` from which the same tokenizer can be made."""
        content: str = self._backend.to_str(pretty=False)
        return content

    @property
    def vocab_size(self) -> int:
        """Number of token ids, added tokens included."""
        size: int = self._backend.get_vocab_size(with_added_tokens=True)
        return size

    def rows(
        self,
        texts: Sequence[str | Sequence[str]],
        pairs: Sequence[str | None] | None = None,
        *,
        offsets: bool = False,
    ) -> list[Row]:
        """One row a text: [CLS] text [SEP], or [CLS] text [SEP] pair [SEP].

        Args:
            texts: Texts of any length, or lists of words; Unicode is normalised as the vocabulary's
                file says.
            pairs: The second text of each row, None where there is none.
            offsets: Whether to keep each token's place in its text.

        Raises:
            InputError: A text has no token (it is empty, or white space and control characters
                only), or is too long under `truncation="refuse"`.
        """
        firsts, seconds = self._both(texts, pairs, offsets=offsets)
        rows = []
        for number, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
            with _numbered(number):
                n_first, n_second = kept_lengths(
                    self.settings,
                    len(first),
                    None if second is None else len(second),
                    joined(texts[number]),
                )
                cut = None if second is None else second.part(0, n_second)
                dropped = len(first) - n_first + (0 if second is None else len(second) - n_second)
                row = self._row(first.part(0, n_first), cut, offsets=offsets)
                rows.append(replace(row, n_dropped=dropped) if dropped else row)
        return rows

    def windows(
        self,
        texts: Sequence[str | Sequence[str]],
        pairs: Sequence[str] | None = None,
        *,
        overlap: int,
        names: tuple[str, str] = _NAMES,
    ) -> list[tuple[Row, ...]]:
        """As many rows a text as cover it, with offsets; nothing is cut off.

        With pairs it is the second text that the windows cover, and each row has all of the first.

        Args:
            texts: Texts of any length, or lists of words.
            pairs: The second text of each.
            overlap: How many sub-words a window shares with the one before; at most half of a
                window.
            names: What messages call the text and its pair.

        Raises:
            InputError: A text has no token, or the first text of a pair leaves no room for the
                second.
        """
        firsts, seconds = self._both(texts, pairs, offsets=True, names=names)
        rows = []
        for number, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
            with _numbered(number):
                rows.append(tuple(self._windows(first, second, overlap, names)))
        return rows

    def token(self, number: int) -> str:
        """The token of an id, as the vocabulary spells it."""
        found: str | None = self._backend.id_to_token(number)
        return found or "[UNK]"

    def token_id(self, token: str) -> int | None:
        """The id of a token, or None where the vocabulary does not have it."""
        found: int | None = self._backend.token_to_id(token)
        return found

    def decode(self, ids: Sequence[int], *, keep_special: bool = False) -> str:
        """The text that `ids` stand for, special tokens left out unless they are to be kept."""
        text: str = self._backend.decode(list(ids), skip_special_tokens=not keep_special)
        return text

    def _both(
        self,
        texts: Sequence[str | Sequence[str]],
        pairs: Sequence[str | None] | None,
        *,
        offsets: bool,
        names: tuple[str, str] = _NAMES,
    ) -> tuple[list[Pieces], list[Pieces | None]]:
        firsts = self._pieces(texts, names[0], offsets=offsets)
        seconds: list[Pieces | None] = [None] * len(firsts)
        if pairs is not None:
            places = [place for place, pair in enumerate(pairs) if pair is not None]
            given = [pair for pair in pairs if pair is not None]
            found = self._pieces(given, names[1], places, offsets=offsets) if given else []
            for place, pieces in zip(places, found, strict=True):
                seconds[place] = pieces
        return firsts, seconds

    def _pieces(
        self,
        texts: Sequence[str | Sequence[str]],
        what: str,
        places: Sequence[int] | None = None,
        *,
        offsets: bool,
    ) -> list[Pieces]:
        """The sub-words of each text; `places` says where it stands among the caller's."""
        places = range(len(texts)) if places is None else places
        for text, place in zip(texts, places, strict=True):
            if not isinstance(text, str):
                _check_words(text, what, place)
        try:
            pieces = self._spelled(texts, offsets=offsets)
        except (TypeError, UnicodeEncodeError):  # which of them depends on the library's version
            number = next(n for n, text in enumerate(texts) if not _is_unicode(joined(text)))
            raise InputError(
                f"the {what} holds half of a surrogate pair; it is not Unicode.",
                index=places[number],
            ) from None
        for number, found in enumerate(pieces):
            if not found:
                raise InputError(
                    f"the {what} has no words: it is empty or white space only.",
                    index=places[number],
                )
        return pieces

    def _spelled(self, texts: Sequence[str | Sequence[str]], *, offsets: bool) -> list[Pieces]:
        """The sub-words of texts and of lists of words, each kind by one call of the library."""
        known = self._spelled_before
        if known is not None and all(isinstance(text, str) for text in texts):
            return self._spelled_once([str(text) for text in texts], known, offsets=offsets)
        whole = [number for number, text in enumerate(texts) if isinstance(text, str)]
        split = [number for number, text in enumerate(texts) if not isinstance(text, str)]
        pieces: dict[int, Pieces] = {}
        encodings = self._encode([texts[number] for number in whole], is_fast=not offsets)
        for number, encoding in zip(whole, encodings, strict=True):
            pieces[number] = Pieces.of_text(encoding, offsets=offsets)
        encodings = self._encode([list(texts[number]) for number in split], is_fast=False)
        for number, encoding in zip(split, encodings, strict=True):
            pieces[number] = Pieces.of_words(encoding, texts[number], self.unk_id)
        return [pieces[number] for number in range(len(texts))]

    def _spelled_once(
        self, texts: Sequence[str], known: dict[tuple[str, bool], Pieces], *, offsets: bool
    ) -> list[Pieces]:
        new = list(dict.fromkeys(text for text in texts if (text, offsets) not in known))
        encodings = self._encode(new, is_fast=not offsets)
        for text, encoding in zip(new, encodings, strict=True):
            known[text, offsets] = Pieces.of_text(encoding, offsets=offsets)
        return [known[text, offsets] for text in texts]

    def _encode(self, texts: Sequence[str | Sequence[str]], *, is_fast: bool) -> list[Encoding]:
        if not texts:
            return []
        encode = self._backend.encode_batch_fast if is_fast else self._backend.encode_batch
        is_split = not isinstance(texts[0], str)
        return encode(list(texts), add_special_tokens=False, is_pretokenized=is_split)

    def _row(self, first: Pieces, second: Pieces | None, *, offsets: bool, start: int = 0) -> Row:
        ids = [self.cls_id]
        spans: list[tuple[int, int]] = [(0, 0)]
        segments, words = [-1], [-1]
        for segment, pieces in enumerate((first,) if second is None else (first, second)):
            ids += [*pieces.ids, self.sep_id]
            if offsets:
                spans += [*pieces.offsets, (0, 0)]
                segments += [*[segment] * len(pieces), -1]
                words += [*pieces.words, -1]
        if not offsets:
            return Row(ids=tuple(ids), start=start)
        return Row(
            ids=tuple(ids),
            offsets=tuple(spans),
            segments=tuple(segments),
            words=tuple(words),
            start=start,
        )

    def _windows(
        self, first: Pieces, second: Pieces | None, overlap: int, names: tuple[str, str]
    ) -> Iterator[Row]:
        if second is None:
            room = self.settings.max_length - 2
            for start, stop in first.windows(room, overlap):
                yield self._row(first.part(start, stop), None, offsets=True, start=start)
            return
        room = self.settings.max_length - 3 - len(first)
        if room < 1:
            raise InputError(
                f"the {names[0]} has {len(first)} tokens, and a window of "
                f"{self.settings.max_length} has no room for the {names[1]} beside it; shorten it "
                "or raise max_length."
            )
        for start, stop in second.windows(room, overlap):
            yield self._row(first, second.part(start, stop), offsets=True, start=start)

    def _special(self, token: str) -> int:
        number = self._backend.token_to_id(token)
        if number is None:
            raise CheckpointError(
                f"the vocabulary has no {token} token; DistilBERT and BERT have it."
            )
        return int(number)


@contextmanager
def _numbered(number: int) -> Iterator[None]:
    """Inside, what is refused is refused as the example of that number."""
    try:
        yield
    except InputError as error:
        raise InputError(error.reason, index=number) from None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_words(words: object, what: str, number: int) -> None:
    # checked here: the library takes a tuple for a pair and joins its texts
    if not isinstance(words, list):
        raise InputError(
            f"a {what} must be a str or a list of words, not {type(words).__name__}.", index=number
        )
    odd = [type(word).__name__ for word in words if not isinstance(word, str)]
    if odd:
        raise InputError(f"a word must be a str, not {odd[0]}.", index=number)
