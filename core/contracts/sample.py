"""What an example of a head may look like: for suggestions, messages and model cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic.fields import FieldInfo

    from polyhead.contracts.examples import Example

__all__ = ["sample_of", "text_fields"]


def sample_of(example_class: type[Example], also: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a made-up example that is to be answered.

    They are its first one, those that it must have, and `also` these. A value is the first of the
    field's `examples`, or else some words with its name.
    """
    fields = example_class.model_fields
    first = next(iter(fields), None)
    return {
        name: _value(name, field)
        for name, field in fields.items()
        if name == first or name in also or field.is_required()
    }


def text_fields(example_class: type[Example]) -> tuple[str, ...]:
    """The fields that are one text each and are read in prediction, in their order."""
    return tuple(
        name
        for name, field in example_class.model_fields.items()
        if name not in example_class.target_fields and field.annotation in {str, str | None}
    )


def _value(name: str, field: FieldInfo) -> Any:
    return field.examples[0] if field.examples else f"a {name} of yours"
