"""The configuration of prompt adapters.

Fields carry the names and the meaning that the `adapters` library (AdapterHub) gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from polyhead.adapters.seeded_config import SeededConfig

__all__ = ["PRESETS", "PromptConfig"]

_LONGEST: Final = 4_096  # far above any use; keeps a mistyped length from asking for all memory


class PromptConfig(SeededConfig):
    """Learned rows among the embeddings of each text, as if it had more sub-words."""

    prompt_length: int = Field(
        default=10, ge=1, le=_LONGEST, strict=True, description="How many rows are learned."
    )
    prompt_init: Literal["random_uniform", "from_string"] = Field(
        default="random_uniform",
        description="What they are at first: random, or the word embeddings of a text.",
    )
    prompt_init_text: str | None = Field(
        default=None,
        min_length=1,
        max_length=65_536,
        description="That text; it is repeated, or cut off, to fill the prompt.",
    )
    random_uniform_scale: float = Field(
        default=0.5,
        gt=0,
        le=1_000,
        strict=True,
        description="Random ones lie between this number and its negative.",
    )
    combine: Literal["prefix", "prefix_after_bos"] = Field(
        default="prefix",
        description="Where the prompt goes: in front of a text's tokens, or behind the first one.",
    )
    cls: Literal["token", "prompt"] = Field(
        default="token",
        description="What heads read as the first token's state: 'token', its own; 'prompt', that "
        "of the prompt's first row, as the adapters library does with combine='prefix'.",
    )

    @model_validator(mode="after")
    def _check_fields_together(self) -> Self:
        if self.prompt_init == "from_string" and self.prompt_init_text is None:
            raise ValueError("prompt_init='from_string' needs prompt_init_text")
        if self.prompt_init != "from_string" and self.prompt_init_text is not None:
            raise ValueError("prompt_init_text needs prompt_init='from_string'")
        return self


PRESETS: Final[Mapping[str, PromptConfig]] = MappingProxyType({"prompt_tuning": PromptConfig()})
"""Configurations by name: Lester et al. 2021 (arXiv:2104.08691)."""
