"""The arguments of one call of a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

from polyhead.errors import ConfigError

__all__ = ["Arguments"]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What a call asks for beside its texts, as `TokenizerCalls.__call__` says."""

    add_special_tokens: bool
    padding: bool | str
    truncation: bool | str | None
    max_length: int | None
    stride: int
    is_split_into_words: bool
    pad_to_multiple_of: int | None
    padding_side: str | None
    return_tensors: str | None
    return_token_type_ids: bool | None
    return_attention_mask: bool | None
    return_overflowing_tokens: bool
    return_special_tokens_mask: bool
    return_offsets_mapping: bool
    return_length: bool
    verbose: bool
    split_special_tokens: bool | None

    def with_more(self, more: Mapping[str, Any]) -> Arguments:
        """These with others by name.

        Raises:
            ConfigError: There is no such argument.
        """
        names = [field.name for field in fields(self)]
        for name in more:
            if name not in names:
                close = get_close_matches(name, names, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise ConfigError(
                    f"a tokenizer's call has no argument {name!r}; it has: {', '.join(names)}."
                    f"{hint}"
                )
        return replace(self, **more)
