"""What a DistilBERT tokenizer is made with, under the names of its documents."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from tokenizers import AddedToken

from polyhead.contracts import explain
from polyhead.errors import ConfigError

__all__ = ["NO_LIMIT", "TEXT_OPTIONS", "TOKEN_NAMES", "Side", "TokenizerOptions", "read_options"]

NO_LIMIT = int(1e30)
"""`model_max_length` of a tokenizer that knows no limit."""

TOKEN_NAMES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
"""The special tokens that have a name, in the order in which new ones get their ids."""

TEXT_OPTIONS = frozenset(
    {
        "do_lower_case",
        "do_basic_tokenize",
        "never_split",
        "tokenize_chinese_chars",
        "strip_accents",
        "clean_text",
    }
)
"""The options that say how text becomes words."""

Side = Literal["left", "right"]


def _as_token(value: object) -> object:
    """A token as files spell it: a string, or an object of its content and how it matches."""
    if not isinstance(value, Mapping):
        return value
    fields = {key: value[key] for key in ("single_word", "lstrip", "rstrip") if key in value}
    fields |= {key: value[key] for key in ("normalized", "special") if key in value}
    if not isinstance(value.get("content"), str):
        raise ValueError("a token's object needs a 'content' that is a string")  # noqa: TRY004
    return AddedToken(value["content"], **fields)


def _as_tokens(value: object) -> object:
    if isinstance(value, Mapping):  # transformers 4 has such tokens by names of their own
        return list(value.values())
    return list(value or ()) if isinstance(value, (tuple, type(None))) else value


def _as_words(value: object) -> object:
    """Any collection of words; a string is one of characters, and not meant so."""
    if value is not None and (isinstance(value, str) or not isinstance(value, Collection)):
        raise ValueError("must be a list of words")
    return value if value is None else tuple(value)


Token = Annotated[str | AddedToken, BeforeValidator(_as_token)]
Words = Annotated[tuple[str, ...] | None, BeforeValidator(_as_words)]
Tokens = Annotated[list[Token], BeforeValidator(_as_tokens)]


class TokenizerOptions(BaseModel):
    """The options of `DistilBertTokenizer`, checked; which of them were given is kept."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True
    )

    do_lower_case: bool = True
    do_basic_tokenize: bool = True
    never_split: Words = None
    tokenize_chinese_chars: bool = True
    strip_accents: bool | None = None
    clean_text: bool = True
    wordpieces_prefix: str = Field(default="##", min_length=1)
    bos_token: Token | None = None
    eos_token: Token | None = None
    unk_token: Token = "[UNK]"  # noqa: S105 - a word of a vocabulary
    sep_token: Token | None = "[SEP]"  # noqa: S105 - a word of a vocabulary
    pad_token: Token | None = "[PAD]"  # noqa: S105 - a word of a vocabulary
    cls_token: Token | None = "[CLS]"  # noqa: S105 - a word of a vocabulary
    mask_token: Token | None = "[MASK]"  # noqa: S105 - a word of a vocabulary
    additional_special_tokens: Tokens = []
    extra_special_tokens: Tokens = []
    added_tokens_decoder: dict[int, Token] = {}
    model_max_length: int = Field(default=NO_LIMIT, ge=1)
    padding_side: Side = "right"
    truncation_side: Side = "right"
    model_input_names: list[str] = Field(default=["input_ids", "attention_mask"], min_length=1)
    clean_up_tokenization_spaces: bool = False
    split_special_tokens: bool = False
    name_or_path: str = ""

    @property
    def special_tokens(self) -> list[str | AddedToken]:
        """The special tokens without a name; transformers 5 calls them extra, 4 additional."""
        return [*self.additional_special_tokens, *self.extra_special_tokens]

    def is_given(self, name: str) -> bool:
        """Whether an option was given, be it with its default."""
        return name in self.model_fields_set


def read_options(given: Mapping[str, Any]) -> TokenizerOptions:
    """The options that `given` names.

    Raises:
        ConfigError: One is unknown or of the wrong type; the message names each.
    """
    known = TokenizerOptions.model_fields
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigError(
                f"no tokenizer option {name!r}; the options are: {', '.join(known)}.{hint}"
            )
    try:
        return TokenizerOptions.model_validate(dict(given))
    except ValidationError as error:
        raise ConfigError(f"tokenizer options: {explain(error)}.") from None
