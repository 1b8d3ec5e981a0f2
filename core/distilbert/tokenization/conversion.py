"""Between ids, tokens and text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, overload

from polyhead.distilbert.tokenization.vocabulary import TokenVocabulary
from polyhead.errors import InputError, shown

__all__ = ["TokenConversion"]

_MOST_IDS = 2**32  # the library's
_CONTRACTIONS = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


class TokenConversion(TokenVocabulary):
    """Adds to a vocabulary what turns ids into tokens and text, and tokens into ids.

    Attributes:
        clean_up_tokenization_spaces: Whether decoded text is cleaned up where the call does not
            say.
    """

    clean_up_tokenization_spaces: bool

    @overload  # a str holds strings, too, and is one token
    def convert_tokens_to_ids(self, tokens: str) -> int: ...  # type: ignore[overload-overlap]
    @overload
    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int]: ...
    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> int | list[int]:
        """The id of a token, or those of several; the unknown token's for what is none.

        Raises:
            InputError: A token is not a string.
        """
        if isinstance(tokens, str):
            return self._id_of(tokens)
        if not isinstance(tokens, Iterable):
            raise InputError(f"tokens must be a str or a list of str, not {shown(tokens)}.")
        return [self._id_of(token) for token in tokens]

    def _id_of(self, token: object) -> int:
        if not isinstance(token, str):
            raise InputError(f"a token must be a str, not {type(token).__name__}.")
        number = self._backend.token_to_id(token)
        return cast("int", self.unk_token_id if number is None else number)

    @overload
    def convert_ids_to_tokens(self, ids: int, skip_special_tokens: bool = ...) -> str | None: ...
    @overload
    def convert_ids_to_tokens(
        self, ids: Iterable[int], skip_special_tokens: bool = ...
    ) -> list[str | None]: ...
    def convert_ids_to_tokens(
        self, ids: int | Iterable[int], skip_special_tokens: bool = False
    ) -> str | list[str | None] | None:
        """The token of an id, or those of several; None for an id above the vocabulary's.

        Args:
            ids: A number, or a list, array or tensor of them.
            skip_special_tokens: Whether special tokens are left out of a list.

        Raises:
            InputError: An id is not a whole number, or is negative.
        """
        found = as_lists(ids)
        if isinstance(found, list):
            skipped = set(self.all_special_ids) if skip_special_tokens else set()
            numbers = self._checked(found)
            return [self._backend.id_to_token(n) for n in numbers if n not in skipped]
        return self._backend.id_to_token(self._checked([found])[0])

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The text that tokens stand for: word pieces joined, punctuation attached."""
        return str(self._backend.decoder.decode(list(tokens)))

    @overload
    def decode(
        self,
        token_ids: Sequence[Sequence[int]],
        skip_special_tokens: bool = ...,
        clean_up_tokenization_spaces: bool | None = ...,
    ) -> list[str]: ...
    @overload
    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = ...,
        clean_up_tokenization_spaces: bool | None = ...,
    ) -> Any: ...
    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> Any:
        """The text that ids stand for, or the texts of several rows.

        As transformers' fast tokenizers do, it always puts `.`, `?`, `!` and `,` next to the word
        before, and ids above the vocabulary's stand for nothing.

        Args:
            token_ids: A number, or a list, array or tensor of them, or rows of them.
            skip_special_tokens: Whether [CLS], [SEP], [PAD] and their like are left out.
            clean_up_tokenization_spaces: Whether English contractions (`don ' t`) are put together,
                too; None for the attribute of that name.

        Raises:
            InputError: An id is not a whole number, or is negative.
        """
        found = as_lists(token_ids)
        if isinstance(found, list) and found and isinstance(found[0], list):
            return [
                self._text(row, skip_special_tokens, clean_up_tokenization_spaces) for row in found
            ]
        row = found if isinstance(found, list) else [found]
        return self._text(row, skip_special_tokens, clean_up_tokenization_spaces)

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> list[str]:
        """As `decode`, and always a list."""
        texts = self.decode(sequences, skip_special_tokens, clean_up_tokenization_spaces)
        return [texts] if isinstance(texts, str) else list(texts)

    def _text(self, row: list[Any], skip_special: bool, clean_up: bool | None) -> str:
        text = self._backend.decode(self._checked(row), skip_special_tokens=skip_special)
        if self.clean_up_tokenization_spaces if clean_up is None else clean_up:
            for spaced, joined in _CONTRACTIONS:
                text = text.replace(spaced, joined)
        return str(text)

    def _checked(self, ids: list[Any]) -> list[int]:
        for number in ids:
            if not isinstance(number, int) or isinstance(number, bool):
                raise InputError(f"token ids must be whole numbers, not {shown(number)}.")
            if not 0 <= number < _MOST_IDS:
                hint = (
                    " Labels that are not counted (-100) stand for no token." if number < 0 else ""
                )
                raise InputError(f"{number} is not a token's id.{hint}")
        return ids

    def build_inputs_with_special_tokens(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """[CLS] first [SEP], or [CLS] first [SEP] second [SEP]."""
        start, end = self._frame()
        second = [] if token_ids_1 is None else [*token_ids_1, *end]
        return [*start, *token_ids_0, *end, *second]

    def create_token_type_ids_from_sequences(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """0 for [CLS] first [SEP], then 1 for second [SEP]; DistilBERT's models do not read it."""
        n_first = len(self.build_inputs_with_special_tokens(token_ids_0))
        n_all = len(self.build_inputs_with_special_tokens(token_ids_0, token_ids_1))
        return [0] * n_first + [1] * (n_all - n_first)

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Sequence[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 where a special token stands, 0 elsewhere.

        Args:
            token_ids_0: The first text's ids, or all of a row's.
            token_ids_1: The second text's ids.
            already_has_special_tokens: Whether `token_ids_0` is a row with its special tokens;
                otherwise the mask is that of the row they would make.

        Raises:
            InputError: There are second ids although the first are a whole row.
        """
        if not already_has_special_tokens:
            blank = (
                [-1] * len(token_ids_0),
                None if token_ids_1 is None else [-1] * len(token_ids_1),
            )
            return [int(number >= 0) for number in self.build_inputs_with_special_tokens(*blank)]
        if token_ids_1 is not None:
            raise InputError("ids that already have special tokens are one row; give them alone.")
        special = set(self.all_special_ids)
        return [int(number in special) for number in self._checked(as_lists(token_ids_0))]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens stand around a text, or around two."""
        return int(self._backend.num_special_tokens_to_add(pair))

    def _frame(self) -> tuple[list[int], list[int]]:
        start, end = self.cls_token_id, self.sep_token_id
        return [] if start is None else [start], [] if end is None else [end]


def as_lists(ids: Any) -> Any:
    """Ids as numbers and lists of numbers, whatever holds them: a tensor, an array, an encoding."""
    if isinstance(ids, Mapping):
        ids = ids.get("input_ids", ids)
    if hasattr(ids, "tolist"):  # torch's tensors, numpy's arrays and numbers
        return ids.tolist()
    if isinstance(ids, list | tuple):
        return [item if type(item) is int else as_lists(item) for item in ids]
    return ids
