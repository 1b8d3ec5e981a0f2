"""What a call of a tokenizer returns: the model's inputs, and where each token came from."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tokenizers import Encoding

from polyhead.distilbert.tokenization.tensors import check_tensor_type, tensors_of
from polyhead.errors import InputError, shown

if TYPE_CHECKING:
    import torch

__all__ = ["BatchEncoding", "CharSpan", "TokenSpan"]


class CharSpan(NamedTuple):
    """Characters `start` to `end`, the last not included, of the text a token came from."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens `start` to `end`, the last not included, of a row."""

    start: int
    end: int


class BatchEncoding(UserDict[str, Any]):
    """The inputs of a model by name, as keys and as attributes, so `model(**encoding)` works.

    An int as key is the `tokenizers.Encoding` of that row. The methods say which tokens, words and
    characters belong together; of their two numbers the first is the row, and may be left out where
    there is one row.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        encoding: Encoding | Sequence[Encoding] | None = None,
        tensor_type: str | None = None,
        prepend_batch_axis: bool = False,
        n_sequences: int | None = None,
    ) -> None:
        """Wraps inputs.

        Args:
            data: The inputs: `input_ids`, `attention_mask`, ...
            encoding: The rows they were made from, which the methods below need.
            tensor_type: "pt" or "np" to make them tensors.
            prepend_batch_axis: Whether they are one row without an axis for rows, which tensors
                then get.
            n_sequences: How many texts a row has.

        Raises:
            InputError: Tensors are asked for and rows differ in length.
        """
        super().__init__(data or {})
        rows = [encoding] if isinstance(encoding, Encoding) else encoding
        self._encodings = None if rows is None else list(rows)
        if n_sequences is None and self._encodings:
            n_sequences = self._encodings[0].n_sequences
        self._n_sequences = n_sequences
        self.convert_to_tensors(tensor_type, prepend_batch_axis)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.data[key]
        if isinstance(key, int) and self._encodings is not None:
            return self._row(key)
        if isinstance(key, slice):
            if self._encodings is not None:
                return self._encodings[key]
            return {name: value[key] for name, value in self.data.items()}
        raise KeyError(key)

    def __getattr__(self, name: str) -> Any:
        # not through self: while it is copied or unpickled it has no data yet
        data = self.__dict__.get("data", {})
        if name in data:
            return data[name]
        raise AttributeError(f"this encoding has no {name!r}; it has: {', '.join(data)}")

    @property
    def n_sequences(self) -> int | None:
        """How many texts a row has: 1, 2, or None where that is not known."""
        return self._n_sequences

    @property
    def is_fast(self) -> bool:
        """Whether the methods below work: not for what `pad` returns."""
        return self._encodings is not None

    @property
    def encodings(self) -> list[Encoding] | None:
        """The rows of the `tokenizers` library, or None."""
        return self._encodings

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of a row."""
        return list(self._row(batch_index).tokens)

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of a row 0 or 1, the text it is of; None for special tokens."""
        return list(self._row(batch_index).sequence_ids)

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of a row the word of its text; None for special tokens."""
        return list(self._row(batch_index).word_ids)

    def token_to_sequence(
        self, batch_or_token_index: int, token_index: int | None = None
    ) -> int | None:
        """The text, 0 or 1, that a token is of; None for a special token."""
        row, token = self._token(batch_or_token_index, token_index)
        return row.token_to_sequence(token)

    def token_to_word(
        self, batch_or_token_index: int, token_index: int | None = None
    ) -> int | None:
        """The word of its text that a token is of; None for a special token."""
        row, token = self._token(batch_or_token_index, token_index)
        return row.token_to_word(token)

    def token_to_chars(
        self, batch_or_token_index: int, token_index: int | None = None
    ) -> CharSpan | None:
        """The characters of its text that a token is made from; None for a special token."""
        row, token = self._token(batch_or_token_index, token_index)
        span = row.token_to_chars(token)
        return None if span is None else CharSpan(*span)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The tokens of a word of a text; None where the row has none of it."""
        row, word = self._place(batch_or_word_index, word_index)
        span = row.word_to_tokens(word, sequence_index)
        return None if span is None else TokenSpan(*span)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word of a text; None where the row has nothing of it."""
        row, word = self._place(batch_or_word_index, word_index)
        span = row.word_to_chars(word, sequence_index)
        return None if span is None else CharSpan(*span)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The token that a character of a text is part of; None where no token has it."""
        row, character = self._place(batch_or_char_index, char_index)
        return row.char_to_token(character, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The word that a character of a text is part of; None where no word has it."""
        row, character = self._place(batch_or_char_index, char_index)
        return row.char_to_word(character, sequence_index)

    def convert_to_tensors(
        self, tensor_type: str | None = None, prepend_batch_axis: bool = False
    ) -> Self:
        """Makes the values tensors, in place.

        Args:
            tensor_type: "pt", "np", or None to leave them.
            prepend_batch_axis: Whether they get an axis for rows in front.

        Raises:
            InputError: Rows differ in length.
        """
        kind = check_tensor_type(tensor_type)
        if kind is not None:
            data = {name: [value] for name, value in self.data.items()}
            self.data = tensors_of(data if prepend_batch_axis else self.data, kind)
        return self

    def to(self, device: str | torch.device | int, *, non_blocking: bool = False) -> Self:
        """Moves the tensors to a device, in place.

        Raises:
            InputError: `device` is none, for instance a dtype.
        """
        import torch  # noqa: PLC0415 - slow to import, and lists do without it

        if not isinstance(device, str | int | torch.device):
            raise InputError(f"an encoding goes to a device, and {shown(device)} is none.")
        self.data = {
            name: value.to(device=device, non_blocking=non_blocking)
            if isinstance(value, torch.Tensor)
            else value
            for name, value in self.data.items()
        }
        return self

    def _row(self, index: int) -> Encoding:
        if not self._encodings:
            raise InputError("this encoding does not know its texts; call the tokenizer on them.")
        if not -len(self._encodings) <= index < len(self._encodings):
            raise InputError(f"there is no row {index}; there are {len(self._encodings)}.")
        return self._encodings[index]

    def _place(self, row_or_place: int, place: int | None) -> tuple[Encoding, int]:
        """The row, and the word or character, that one or two numbers mean."""
        row, found = (0, row_or_place) if place is None else (row_or_place, place)
        if found < 0:
            raise InputError(f"words and characters count from 0; there is none at {found}.")
        return self._row(row), found

    def _token(self, row_or_token: int, token: int | None) -> tuple[Encoding, int]:
        """The row and the token that one or two numbers mean; -1 is the last token."""
        index, found = (0, row_or_token) if token is None else (row_or_token, token)
        row = self._row(index)
        if not -len(row) <= found < len(row):
            raise InputError(f"there is no token {found}; row {index} has {len(row)}.")
        return row, found % len(row)
