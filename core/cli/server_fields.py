"""What a server's task reads of a record, by the schema that the server has of its examples."""

from collections.abc import Mapping
from typing import Any

from polyhead.errors import ServerError
from polyhead.records import RecordFields

__all__ = ["fields_of"]


def fields_of(task: Mapping[str, Any], columns: Mapping[str, str]) -> RecordFields:
    """Where the fields of a task's examples are; what is to be predicted is not read.

    Args:
        task: What the server says of it.
        columns: For fields whose column has another name, that name; those of other tasks too.

    Raises:
        ServerError: The server does not know what the task reads.
    """
    schema = (task.get("schemas") or {}).get("example")
    if not isinstance(schema, dict):
        raise ServerError(
            f"the server cannot tell what {task.get('name')!r} reads: "
            f"{task.get('error') or 'it has no schema'}.",
            code="bad_response",
        )
    fields: Mapping[str, Any] = schema.get("properties", {})
    targets = set(task.get("target_fields") or ())
    read = [name for name in fields if name not in targets]
    own = {field: column for field, column in columns.items() if field in read}
    return RecordFields(
        {name: own.get(name, name) for name in read},
        needed=frozenset({*schema.get("required", ())} - targets | own.keys()),
        texts=frozenset(name for name in read if _is_text(fields[name])),
    )


def _is_text(schema: Mapping[str, Any]) -> bool:
    """Whether a value may be a text."""
    return schema.get("type") == "string" or any(map(_is_text, schema.get("anyOf", ())))
