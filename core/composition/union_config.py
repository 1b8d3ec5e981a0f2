"""The configuration of several adapters in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_serializer, field_validator

from polyhead.contracts import AdapterConfig, validate_config
from polyhead.errors import ConfigError, PolyheadError
from polyhead.registry import registry

__all__ = ["UnionConfig"]


class UnionConfig(AdapterConfig):
    """Several adapters that are named, trained and saved as one: `prefix_tuning|par_bn`."""

    parts: tuple[AdapterConfig, ...] = Field(
        min_length=1,
        max_length=16,
        description="The configurations of its parts, in the order in which they act where several "
        "act at one place: config strings, or mappings with a kind and its fields.",
    )

    @field_validator("parts", mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            raise ValueError("give a list of configurations")  # noqa: TRY004 - pydantic wants this one
        parts: list[AdapterConfig] = []
        for part in value:
            try:
                config = _read_part(part)
            except PolyheadError as error:
                raise ValueError(str(error)) from None
            parts += config.parts if isinstance(config, cls) else [config]
        return tuple(parts)

    @field_serializer("parts")
    def _write(self, value: tuple[AdapterConfig, ...]) -> list[dict[str, Any]]:
        return [
            {"kind": registry().adapter_for(part).kind, **part.model_dump(mode="json")}
            for part in value
        ]


def _read_part(part: object) -> AdapterConfig:
    if not isinstance(part, Mapping):
        return registry().adapter_config(part)  # type: ignore[arg-type]  # it refuses other types
    fields = {str(name): value for name, value in part.items()}
    kind = fields.pop("kind", None)
    if not isinstance(kind, str):
        raise ConfigError("a part of a union needs a field 'kind'")
    return validate_config(registry().adapter(kind).Config, fields, f"adapter kind {kind!r}")
