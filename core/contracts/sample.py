"""What an example of a head may look like: for suggestions, messages and model cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from polyhead.contracts.head import Example

__all__ = ["sample_of", "text_fields"]


def sample_of(example_class: type[Example]) -> dict[str, Any]:
    """A made-up example to be answered: its first field, and the others that it must have.

    A value is the first of the field's `examples`, or else some words with its name.
    """
    fields = example_class.model_fields
    first = next(iter(fields), None)
    return {
        name: _value(name, field)
        for name, field in fields.items()
        if name == first or field.is_required()
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
