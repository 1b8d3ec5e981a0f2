"""What a pipeline can be asked for, given when it is made or in a call."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from polyhead.contracts import validate_config
from polyhead.errors import ConfigError

__all__ = ["PipelineOptions", "TokenizerOptions", "read_options"]


class PipelineOptions(BaseModel):
    """Base of every pipeline's options: immutable, unknown ones refused.

    Attributes:
        reading: Those that say how texts become tokens. A task that was trained here reads texts as
            it did in training, so they are refused for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    reading: ClassVar[frozenset[str]] = frozenset()

    def has(self, name: str) -> bool:
        """Whether the option was given."""
        return name in self.model_fields_set


class TokenizerOptions(PipelineOptions):
    """The arguments of a tokenizer's call that make sense in front of a model."""

    # the tokenizer checks their values, which are of several types
    truncation: Any = Field(default=None, description="Whether texts that are too long are cut.")
    max_length: Any = Field(default=None, description="Most tokens of a row.")
    padding: Any = Field(default=None, description="Whether rows are filled up; it costs nothing.")
    padding_side: Any = Field(default=None, description="'left' or 'right'.")
    pad_to_multiple_of: Any = Field(default=None, description="What padded lengths divide by.")
    add_special_tokens: Any = Field(default=None, description="Whether [CLS] and [SEP] are added.")
    split_special_tokens: Any = Field(
        default=None, description="Whether '[SEP]' in a text is split as text is."
    )

    def arguments(self) -> dict[str, Any]:
        """The arguments that were given."""
        names = TokenizerOptions.model_fields.keys() & self.model_fields_set
        return {name: getattr(self, name) for name in sorted(names)}


OptionsT = TypeVar("OptionsT", bound=PipelineOptions)


def read_options(options: type[OptionsT], given: Mapping[str, Any], what: str) -> OptionsT:
    """The options that were given, checked.

    Args:
        options: Their class.
        given: Their values by name.
        what: What takes them, for messages: "a 'fill-mask' pipeline".

    Raises:
        ConfigError: One is unknown or out of range.
    """
    known = list(options.model_fields)
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigError(f"{what} takes no {name!r}; it takes: {', '.join(known)}.{hint}")
    return validate_config(options, given, what)
