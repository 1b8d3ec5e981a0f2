"""The tokens that a tokenizer knows: its vocabulary, the added ones, the special ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, overload

from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend

from polyhead.distilbert.tokenization.backend import with_tokens
from polyhead.distilbert.tokenization.options import TOKEN_NAMES
from polyhead.errors import ConfigError, InputError, shown
from polyhead.tokenizer.wordpiece import frame

__all__ = ["TokenVocabulary"]

_EXTRA = ("additional_special_tokens", "extra_special_tokens")
_MOST_IDS = 2**32  # the library's
_CHANGING = Lock()
"""Held while tokens are added, which is rare: one for all, so that tokenizers can be pickled."""


class _NamedToken:
    """`pad_token` and its like: the token, or None where there is none."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, tokenizer: None, owner: type) -> _NamedToken: ...
    @overload
    def __get__(self, tokenizer: TokenVocabulary, owner: type) -> str | None: ...
    def __get__(self, tokenizer: TokenVocabulary | None, owner: type) -> _NamedToken | str | None:
        return self if tokenizer is None else tokenizer._named[self.name]  # noqa: SLF001 - its part

    def __set__(self, tokenizer: TokenVocabulary, token: str | AddedToken | None) -> None:
        if token is None:
            with _CHANGING:
                tokenizer._name({self.name: None})  # noqa: SLF001 - its part
            return
        _check_token(token, self.name)
        if str(token) not in tokenizer:
            raise ConfigError(
                f"{self.name}: the vocabulary has no token {str(token)!r}; add it with "
                f"add_special_tokens({{{self.name!r}: {str(token)!r}}})."
            )
        tokenizer.add_special_tokens({self.name: token})


class _NamedTokenId:
    """`pad_token_id` and its like: the id of the token of that name, or None."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.removesuffix("_id")

    @overload
    def __get__(self, tokenizer: None, owner: type) -> _NamedTokenId: ...
    @overload
    def __get__(self, tokenizer: TokenVocabulary, owner: type) -> int | None: ...
    def __get__(self, tokenizer: TokenVocabulary | None, owner: type) -> _NamedTokenId | int | None:
        if tokenizer is None:
            return self
        token = getattr(tokenizer, self.name)
        return None if token is None else tokenizer.backend_tokenizer.token_to_id(token)

    def __set__(self, tokenizer: TokenVocabulary, number: int | None) -> None:
        if number is None:
            setattr(tokenizer, self.name, None)
            return
        is_id = isinstance(number, int) and 0 <= number < _MOST_IDS
        token = tokenizer.backend_tokenizer.id_to_token(number) if is_id else None
        if token is None:
            raise ConfigError(
                f"{self.name}_id: no token has the id {number!r}; the ids go from 0 to "
                f"{len(tokenizer) - 1}."
            )
        setattr(tokenizer, self.name, token)


class TokenVocabulary:
    """Base of the documented tokenizers: which tokens there are, and under which names.

    Many threads may read it while one adds tokens: they see the tokens as before or as after.
    """

    bos_token, bos_token_id = _NamedToken(), _NamedTokenId()
    eos_token, eos_token_id = _NamedToken(), _NamedTokenId()
    unk_token, unk_token_id = _NamedToken(), _NamedTokenId()
    sep_token, sep_token_id = _NamedToken(), _NamedTokenId()
    pad_token, pad_token_id = _NamedToken(), _NamedTokenId()
    cls_token, cls_token_id = _NamedToken(), _NamedTokenId()
    mask_token, mask_token_id = _NamedToken(), _NamedTokenId()

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._named: dict[str, str | None] = dict.fromkeys(TOKEN_NAMES)
        self._extra: tuple[str, ...] = ()

    @property
    def backend_tokenizer(self) -> Backend:
        """The object of the `tokenizers` library that does the work; another after adding."""
        return self._backend

    @property
    def vocab_size(self) -> int:
        """How many tokens the vocabulary has, added ones not counted."""
        return int(self._backend.get_vocab_size(with_added_tokens=False))

    def __len__(self) -> int:
        """How many tokens there are, added ones too: what an embedding needs rows for."""
        return int(self._backend.get_vocab_size(with_added_tokens=True))

    def __bool__(self) -> bool:
        return True

    def __contains__(self, token: object) -> bool:
        return isinstance(token, str) and self._backend.token_to_id(token) is not None

    def get_vocab(self) -> dict[str, int]:
        """The ids of all tokens, added ones too."""
        return dict(self._backend.get_vocab(with_added_tokens=True))

    @property
    def vocab(self) -> dict[str, int]:
        """As `get_vocab`."""
        return self.get_vocab()

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The tokens that are matched in the text itself, special ones among them, by id."""
        return dict(sorted(self._backend.get_added_tokens_decoder().items()))

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        """The ids of those tokens, in the order of the ids."""
        return {token.content: number for number, token in self.added_tokens_decoder.items()}

    def get_added_vocab(self) -> dict[str, int]:
        """As `added_tokens_encoder`."""
        return self.added_tokens_encoder

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The special tokens that have a name, by it."""
        return {name: token for name, token in self._named.items() if token is not None}

    @property
    def additional_special_tokens(self) -> list[str]:
        """The special tokens without a name."""
        return list(self._extra)

    @property
    def extra_special_tokens(self) -> list[str]:
        """As `additional_special_tokens`, under the name of transformers 5."""
        return list(self._extra)

    @property
    def additional_special_tokens_ids(self) -> list[int]:
        """Their ids."""
        return self._ids_of(self._extra)

    @property
    def all_special_tokens(self) -> list[str]:
        """Every special token once: those with a name, then the others."""
        return list(dict.fromkeys([*self.special_tokens_map.values(), *self._extra]))

    @property
    def all_special_ids(self) -> list[int]:
        """Their ids."""
        return self._ids_of(self.all_special_tokens)

    def _ids_of(self, tokens: Iterable[str]) -> list[int]:
        found = [self._backend.token_to_id(token) for token in tokens]
        return [number for number in found if number is not None]

    def add_tokens(
        self,
        new_tokens: str | AddedToken | Sequence[str | AddedToken],
        special_tokens: bool = False,
    ) -> int:
        """Adds tokens, which are found in text before it is split; known ones keep their ids.

        Args:
            new_tokens: One or several, strings or `tokenizers.AddedToken`.
            special_tokens: Whether `skip_special_tokens` leaves them out.

        Returns:
            How many the library counts as added. A model that reads them needs an embedding of
            `len(tokenizer)` rows.

        Raises:
            InputError: One is neither a string nor an AddedToken, or is empty.
        """
        tokens = [new_tokens] if isinstance(new_tokens, str | AddedToken) else list(new_tokens)
        for token in tokens:
            _check_token(token, "a token")
        with _CHANGING:
            self._backend, n_added = with_tokens(self._backend, tokens, special=special_tokens)
        return n_added

    def add_special_tokens(
        self,
        special_tokens_dict: Mapping[str, Any],
        replace_extra_special_tokens: bool = True,
        *,
        replace_additional_special_tokens: bool | None = None,
    ) -> int:
        """Adds special tokens under their names, those the vocabulary has not at its end.

        A new `cls_token` or `sep_token` stands around texts from then on.

        Args:
            special_tokens_dict: A token for each name such as "pad_token"; a list for
                "additional_special_tokens" or "extra_special_tokens".
            replace_extra_special_tokens: Whether that list takes the place of the former one, whose
                tokens stay in the vocabulary.
            replace_additional_special_tokens: The same, as transformers 4 calls it.

        Returns:
            How many the library counts as added.

        Raises:
            ConfigError: There is no such name.
            InputError: A token is neither a string nor an AddedToken, or is empty.
        """
        replace = replace_extra_special_tokens
        if replace_additional_special_tokens is not None:
            replace = replace_additional_special_tokens
        tokens: dict[str, list[str | AddedToken]] = {}
        for name in sorted(special_tokens_dict, key=_EXTRA[0].__eq__):  # they get the last ids
            value = special_tokens_dict[name]
            if name not in TOKEN_NAMES and name not in _EXTRA:
                raise ConfigError(
                    f"no special token has the name {name!r}; the names are: "
                    f"{', '.join([*TOKEN_NAMES, *_EXTRA])}."
                )
            several = _several(value, name) if name in _EXTRA else [value]
            tokens[name] = [_special(token, name) for token in several]
        with _CHANGING:
            flat = [token for several in tokens.values() for token in several]
            backend, n_added = with_tokens(self._backend, flat, special=True)
            self._name(
                {name: str(tokens[name][0]) for name in tokens if name in TOKEN_NAMES}, backend
            )
            extra = [str(token) for name in tokens if name in _EXTRA for token in tokens[name]]
            if any(name in _EXTRA for name in tokens):
                self._extra = tuple(dict.fromkeys([*(() if replace else self._extra), *extra]))
        return n_added

    def _name(self, names: Mapping[str, str | None], backend: Backend | None = None) -> None:
        """Gives tokens their names; those around texts follow."""
        if names.get("unk_token", "") is None:
            raise ConfigError("unk_token cannot be None: WordPiece needs it for unknown words.")
        backend = with_tokens(self._backend, [], special=False)[0] if backend is None else backend
        named = {**self._named, **names}
        frame(backend, named["cls_token"], named["sep_token"])
        if "unk_token" in names:
            backend.model.unk_token = names["unk_token"]
        self._backend, self._named = backend, named


def _check_token(token: object, what: str) -> None:
    if not isinstance(token, str | AddedToken):
        raise InputError(f"{what} must be a str or an AddedToken, not {type(token).__name__}.")
    if not str(token):
        raise InputError(f"{what} must have at least one character.")


def _several(value: object, name: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{name} must be a list of tokens, not {shown(value)}.")
    return list(value)


def _special(token: Any, name: str) -> str | AddedToken:
    _check_token(token, name)
    return AddedToken(token, special=True, normalized=False) if isinstance(token, str) else token
