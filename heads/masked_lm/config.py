"""The configuration of a masked-language-model head."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from polyhead.contracts import HeadConfig, check_activation

__all__ = ["MaskedLMHeadConfig"]


class MaskedLMHeadConfig(HeadConfig):
    """The words behind masks: trains an adapter on unlabelled text, and fills masks."""

    activation: Annotated[str, AfterValidator(check_activation)] = Field(
        default="gelu", description="Activation behind the dense layer."
    )
    mask_probability: float = Field(
        default=0.15,
        gt=0,
        le=1,
        description="The chance of each token, or word, to be asked for in a training step.",
    )
    mask_share: float = Field(
        default=0.8, ge=0, le=1, description="Share of the asked tokens that become [MASK]."
    )
    random_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the asked tokens that become another one, drawn from the whole "
        "vocabulary; what remains is left as it is.",
    )
    whole_words: bool = Field(
        default=False, description="Whether all tokens of a word are asked for together."
    )
    top_k: int = Field(default=5, ge=1, description="How many tokens are given for each mask.")

    @model_validator(mode="after")
    def _shares_of_one(self) -> Self:
        if self.mask_share + self.random_share > 1 + 1e-9:  # 0.9 and 0.1 may add up to a bit more
            raise ValueError(
                f"mask_share {self.mask_share:g} and random_share {self.random_share:g} are more "
                "than 1 together"
            )
        return self
