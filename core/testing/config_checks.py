"""Checks of a configuration: it is a value that files, command lines and people can hold."""

from __future__ import annotations

import json
from contextlib import suppress

from pydantic import ValidationError

from polyhead.contracts import AdapterConfig
from polyhead.registry import registry
from polyhead.testing.case import Config, ConformanceCase
from polyhead.testing.failure import advising, require

__all__ = ["ConfigChecks"]


class ConfigChecks(ConformanceCase):
    """What every configuration of a head or an adapter can do."""

    def test_its_config_is_frozen_and_refuses_unknown_fields(self, config: Config) -> None:
        """A config never changes under those who share it, and a mistyped option is an error."""
        name = type(config).__name__
        copy = config.model_copy()
        for field in type(config).model_fields:
            with suppress(ValidationError):
                setattr(copy, field, getattr(config, field))
                require(
                    holds=False,
                    message=f"{name} can be changed; leave `frozen=True` in its model_config.",
                )
        fields = {**config.model_dump(mode="json"), "no_such_field": 1}
        with suppress(ValidationError):
            type(config).model_validate(fields)
            require(
                holds=False,
                message=f"{name} takes fields that it does not have; leave `extra='forbid'` in its "
                "model_config, and let no validator drop them.",
            )

    def test_every_field_of_its_config_is_described(self, config: Config) -> None:
        """`polyhead heads KIND` and `polyhead adapters KIND` show a description of each field."""
        fields = type(config).model_fields
        silent = [name for name, field in fields.items() if not field.description]
        require(
            not silent,
            f"these fields of {type(config).__name__} have no description: "
            f"{', '.join(silent)}; write Field(..., description=...).",
        )

    def test_its_config_survives_json(self, config: Config) -> None:
        """Saved files hold the config as JSON."""
        name = type(config).__name__
        with advising(
            f"{name} has no JSON schema; use types that pydantic describes, or give the field a "
            "WithJsonSchema."
        ):
            json.dumps(type(config).model_json_schema())
        with advising(
            f"{name} cannot be read back from the JSON it is saved as; a validator has to take "
            "what a serializer writes."
        ):
            json.loads(config.model_dump_json())  # pydantic itself writes no NaN
            again = [
                type(config).model_validate_json(config.model_dump_json()),
                type(config).model_validate(config.model_dump(mode="json")),
            ]
        for read in again:
            require(
                read == config,
                f"{name} comes back from JSON as another one: {read!r} in place of {config!r}. "
                "Use field types and validators that JSON does not change.",
            )

    def test_its_config_can_be_written_as_a_string(self, config: Config) -> None:
        """People write `kind[field=value,...]` on the command line."""
        text = _as_string(self.subject().kind, config)
        with advising(
            f"the config string {text!r} is not understood; a field's type or validator has to "
            "take numbers, texts, true, false, none and lists of these."
        ):
            read = _from_string(text, type(config))
        require(
            read == config,
            f"the config string {text!r} makes {read!r} and not {config!r}. Let a validator take "
            "the field's value as it is written there.",
        )


def _as_string(kind: str, config: Config) -> str:
    fields = config.model_dump(mode="json", exclude_defaults=True)
    inside = ",".join(f"{name}={value!r}" for name, value in fields.items())
    return f"{kind}[{inside}]" if inside else kind


def _from_string(text: str, config_class: type[Config]) -> Config:
    if issubclass(config_class, AdapterConfig):
        return registry().adapter_config(text)
    _, options = registry().head_spec(text)
    return config_class.model_validate(options)
