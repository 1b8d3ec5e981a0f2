"""WordPiece tokenisation over the `tokenizers` library."""

from __future__ import annotations

import json
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer as Backend
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from polyhead.batch import Row
from polyhead.errors import CheckpointError, InputError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Encoding

__all__ = ["TextSettings", "Tokenizer", "Truncation"]

_LEAST_OF_A_PAIR = 2  # one token of each text

Truncation = Literal["longest_first", "only_first", "only_second", "refuse"]


class TextSettings(BaseModel):
    """How a task's texts become tokens; saved with the task, so serving reads as training did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_length: int = Field(
        default=128, ge=3, description="Most tokens of one row, special tokens included."
    )
    truncation: Truncation = Field(
        default="longest_first",
        description="Which text of a pair loses the tokens that do not fit; 'refuse' makes a text "
        "that is too long an error.",
    )


class Tokenizer:
    """Turns texts and pairs of texts into rows of token ids.

    It holds no state of a call, so many threads use one tokenizer at once: truncation and special
    tokens are applied here and not by the library, whose settings for them are shared.

    Attributes:
        settings: How long a row may be, and what happens to a longer one.
        cls_id: Id of the token that starts a row.
        sep_id: Id of the token that ends each text of a row.
        pad_id: Id that stands for no token in padded tensors.
    """

    def __init__(self, backend: Backend, settings: TextSettings | None = None) -> None:
        """Wraps a tokenizer of the `tokenizers` library.

        Args:
            backend: Its truncation and padding are switched off for good.
            settings: How long a row may be; `TextSettings()` when not given.

        Raises:
            CheckpointError: The vocabulary has no [CLS] or [SEP].
        """
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self.settings = settings or TextSettings()
        self.cls_id = self._special("[CLS]")
        self.sep_id = self._special("[SEP]")
        self.pad_id = backend.token_to_id("[PAD]") or 0

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
                return cls(_from_vocabulary(vocabulary, folder / "tokenizer_config.json"))
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

    @property
    def vocab_size(self) -> int:
        """Number of token ids, added tokens included."""
        size: int = self._backend.get_vocab_size(with_added_tokens=True)
        return size

    def rows(
        self,
        texts: Sequence[str],
        pairs: Sequence[str | None] | None = None,
        *,
        offsets: bool = False,
    ) -> list[Row]:
        """One row a text: [CLS] text [SEP], or [CLS] text [SEP] pair [SEP].

        Args:
            texts: Texts of any length; Unicode is normalised as the vocabulary's file says.
            pairs: The second text of each row, None where there is none.
            offsets: Whether to keep each token's place in its text.

        Raises:
            InputError: A text has no token (it is empty, or white space and control characters
                only), or is too long under `truncation="refuse"`.
        """
        firsts = self._encode(texts, offsets=offsets)
        seconds: list[Encoding | None] = [None] * len(firsts)
        if pairs is not None:
            places = [place for place, pair in enumerate(pairs) if pair is not None]
            encoded = self._encode([pairs[place] or "" for place in places], offsets=offsets)
            for place, encoding in zip(places, encoded, strict=True):
                seconds[place] = encoding
        return [
            self._row(number, first, second, texts[number], offsets=offsets)
            for number, (first, second) in enumerate(zip(firsts, seconds, strict=True))
        ]

    def decode(self, ids: Sequence[int]) -> str:
        """The text that `ids` stand for, special tokens left out."""
        text: str = self._backend.decode(list(ids), skip_special_tokens=True)
        return text

    def _encode(self, texts: Sequence[str], *, offsets: bool) -> list[Encoding]:
        # checked here: the library takes a tuple for a pair and joins its texts
        for text in texts:
            if not isinstance(text, str):
                raise InputError(f"a text must be a str, not {type(text).__name__}.")
        encode = self._backend.encode_batch if offsets else self._backend.encode_batch_fast
        try:
            return encode(list(texts), add_special_tokens=False)
        except (TypeError, UnicodeEncodeError):  # which of them depends on the library's version
            raise InputError("a text holds half of a surrogate pair; it is not Unicode.") from None

    def _row(
        self, number: int, first: Encoding, second: Encoding | None, text: str, *, offsets: bool
    ) -> Row:
        for encoding, which in ((first, "text"), (second, "second text")):
            if encoding is not None and len(encoding) == 0:
                raise InputError(
                    f"{which} {number + 1} has no words: it is empty or white space only."
                )
        n_first, n_second = self._lengths(number, first, second, text)
        encodings = [(first, n_first)] if second is None else [(first, n_first), (second, n_second)]
        ids = [self.cls_id]
        spans: list[tuple[int, int]] = [(0, 0)]
        segments = [-1]
        for segment, (encoding, kept) in enumerate(encodings):
            ids += [*encoding.ids[:kept], self.sep_id]
            if offsets:
                spans += [*encoding.offsets[:kept], (0, 0)]
                segments += [*[segment] * kept, -1]
        dropped = len(first) - n_first + (len(second) - n_second if second is not None else 0)
        return Row(
            ids=tuple(ids),
            offsets=tuple(spans) if offsets else None,
            segments=tuple(segments) if offsets else None,
            n_dropped=dropped,
        )

    def _lengths(
        self, number: int, first: Encoding, second: Encoding | None, text: str
    ) -> tuple[int, int]:
        """How many tokens of each text are kept."""
        n_first, n_second = len(first), 0 if second is None else len(second)
        room = self.settings.max_length - (2 if second is None else 3)
        excess = n_first + n_second - room
        if excess <= 0:
            return n_first, n_second
        if second is not None and room < _LEAST_OF_A_PAIR:
            raise InputError(
                f"max_length {self.settings.max_length} leaves no room for a pair of texts; the "
                "least is 5."
            )
        match self.settings.truncation:
            case "longest_first":
                return _cut_longest(n_first, n_second, room)
            case "only_first" if excess < n_first:
                return n_first - excess, n_second
            case "only_second" if excess < n_second:
                return n_first, n_second - excess
            case "only_first" | "only_second":
                which = "first" if self.settings.truncation == "only_first" else "second"
                raise InputError(
                    f"row {number + 1} has {excess} tokens too many, more than its {which} text "
                    "has; raise max_length or choose truncation='longest_first'."
                )
            case "refuse":
                raise InputError(
                    f"text {number + 1} ({shown(text)}) has {n_first + n_second} tokens and {room} "
                    f"fit; shorten it, raise max_length or choose truncation='longest_first'."
                )

    def _special(self, token: str) -> int:
        number = self._backend.token_to_id(token)
        if number is None:
            raise CheckpointError(
                f"the vocabulary has no {token} token; DistilBERT and BERT have it."
            )
        return int(number)


def _cut_longest(n_first: int, n_second: int, room: int) -> tuple[int, int]:
    """Takes tokens from the longer text until both fit; neither is left without any."""
    half = room // 2
    if n_first <= half:
        return n_first, room - n_first if n_second else 0
    if n_second <= half:
        return min(n_first, room - n_second), n_second
    return room - half, half


def _from_vocabulary(vocabulary: Path, config_file: Path) -> Backend:
    config: dict[str, Any] = {}
    if config_file.is_file():
        config = json.loads(config_file.read_text(encoding="utf-8"))
    lowercase = bool(config.get("do_lower_case", True))
    tokenizer = BertWordPieceTokenizer(
        vocab=str(vocabulary),
        clean_text=True,
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
        strip_accents=config.get("strip_accents"),
        lowercase=lowercase,
    )
    return Backend.from_str(tokenizer.to_str())
