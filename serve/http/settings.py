"""What a server lets in, and how long and how much of it."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from polyhead.contracts import explain
from polyhead.errors import ConfigError

__all__ = ["ServerSettings"]

_KEY = re.compile(r"[!-~]{1,512}")


def _checked(key: SecretStr) -> SecretStr:
    if _KEY.fullmatch(key.get_secret_value()) is None:
        raise ValueError("a key is 1 to 512 ASCII characters without spaces")
    return key


Key = Annotated[SecretStr, AfterValidator(_checked)]


class ServerSettings(BaseModel):
    """Keys, limits, and what is kept of each request."""

    # a key that is refused must not be shown for it
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_keys: tuple[Key, ...] = Field(
        default=(), description="Any of them lets a request in; without one all are let in."
    )
    admin_keys: tuple[Key, ...] = Field(
        default=(),
        description="Any of them may change tasks, and do what an API key may; without one nobody "
        "may change tasks.",
    )
    protect_metrics: bool = Field(
        default=False, description="Whether /metrics needs a key, as predictions do."
    )
    max_body_bytes: int = Field(default=2_000_000, ge=1, description="Most bytes of a body.")
    max_text_chars: int = Field(default=100_000, ge=1, description="Most characters of a text.")
    max_rows: int = Field(
        default=1024, ge=1, description="Most answers of one request: inputs times tasks."
    )
    default_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long an answer is waited for where the request does not say.",
    )
    access_log: bool = Field(
        default=True, description="Whether each request is one line of the log polyhead.access."
    )

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if self.protect_metrics and not (self.api_keys or self.admin_keys):
            raise ValueError("protect_metrics needs an API key or an admin key")
        return self

    @classmethod
    def of(cls, **values: object) -> Self:
        """The settings with these values.

        Raises:
            ConfigError: One is unknown or out of range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            if any(
                problem["loc"][:1] in {("api_keys",), ("admin_keys",)} for problem in error.errors()
            ):
                raise ConfigError(
                    "not settings of a server: a key is 1 to 512 ASCII characters without spaces."
                ) from None
            raise ConfigError(f"not settings of a server: {explain(error)}.") from None
