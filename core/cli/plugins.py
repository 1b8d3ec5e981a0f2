"""`polyhead plugins`, `heads` and `adapters`: what is installed and what can be configured."""

import inspect
from typing import TYPE_CHECKING, Annotated

import typer

from polyhead.cli.options import JsonOption
from polyhead.cli.output import note, print_json, print_line, print_table

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["adapters", "heads", "plugins"]

KindArgument = Annotated[
    str | None, typer.Argument(help="Show the fields of this one, for config strings.")
]


def heads(*, kind: KindArgument = None, as_json: JsonOption = False) -> None:
    """List the kinds of heads, or the fields of one."""
    from polyhead.registry import registry

    kinds = registry()
    names = kinds.head_kinds() if kind is None else [kind]
    found = {name: kinds.head(name) for name in names}
    if as_json:
        print_json(
            [
                {
                    "kind": name,
                    "provider": str(kinds.provider_of_head(name)),
                    "summary": _summary(head),
                    "example": list(head.Example.model_fields),
                    "config": head.Config.model_json_schema(),
                }
                for name, head in found.items()
            ]
        )
    elif kind is None:
        rows = [
            [name, _summary(head), str(kinds.provider_of_head(name))]
            for name, head in found.items()
        ]
        print_table(["head", "what it does", "from"], rows)
        note("polyhead heads KIND shows the fields of one.")
    else:
        _print_fields(kind, found[kind].Config)


def adapters(*, kind: KindArgument = None, as_json: JsonOption = False) -> None:
    """List the kinds and presets of adapters, or the fields of one."""
    from polyhead.registry import registry

    kinds = registry()
    presets = kinds.adapter_presets()
    found = {name: kinds.adapter(name) for name in kinds.adapter_kinds()}
    if kind is not None:
        config = kinds.adapter_config(kind)
        if as_json:
            print_json({"name": kind, "config": config.model_dump(mode="json")})
        else:
            _print_fields(kind, type(config), config)
        return
    if as_json:
        print_json(
            {
                "kinds": [
                    {
                        "kind": name,
                        "provider": str(kinds.provider_of_adapter(name)),
                        "summary": _summary(adapter),
                        "config": adapter.Config.model_json_schema(),
                    }
                    for name, adapter in found.items()
                ],
                "presets": {
                    name: {
                        "kind": kinds.adapter_for(config).kind,
                        "config": config.model_dump(mode="json"),
                    }
                    for name, config in presets.items()
                },
            }
        )
        return
    print_table(
        ["adapter", "what it does", "from"],
        [
            [name, _summary(adapter), str(kinds.provider_of_adapter(name))]
            for name, adapter in found.items()
        ],
    )
    print_table(
        ["preset", "kind", "differs from the kind's defaults in"],
        [
            [name, kinds.adapter_for(config).kind, _differences(config)]
            for name, config in sorted(presets.items())
        ],
    )
    note("polyhead adapters NAME shows the fields of one.")


def plugins(*, as_json: JsonOption = False) -> None:
    """List the installed plugins, what they provide and what failed."""
    from polyhead.registry import registry

    records = registry().plugins()
    if as_json:
        print_json(
            [
                {
                    "name": record.name,
                    "provider": str(record.provider),
                    "target": record.target,
                    "provides": record.provides,
                    "import_s": round(record.import_s, 4),
                    "failure": record.failure,
                    "traceback": record.traceback,
                }
                for record in records
            ]
        )
        return
    print_table(
        ["plugin", "from", "provides"],
        [
            [
                record.name,
                str(record.provider),
                f"FAILED: {record.failure}" if record.failure else ", ".join(record.provides),
            ]
            for record in records
        ],
    )
    for record in records:
        if record.traceback:
            print_line(f"{record.name} of {record.provider}:\n{record.traceback}")


def _summary(described: type) -> str:
    """The first line of the docstring."""
    return (inspect.getdoc(described) or "").partition("\n")[0]


def _print_fields(
    name: str, config_class: "type[BaseModel]", config: "BaseModel | None" = None
) -> None:
    """The fields of a config, with their values in `config` or else their defaults."""
    rows = []
    for field_name, field in config_class.model_fields.items():
        if config is not None:
            value = repr(getattr(config, field_name))
        else:
            value = "required" if field.is_required() else repr(field.get_default())
        rows.append([field_name, value, field.description or ""])
    print_table([f"field of {name}", "default", "meaning"], rows)
    note(f"In a config string: {name}[{rows[0][0]}=...]" if rows else f"{name} has no fields.")


def _differences(config: "BaseModel") -> str:
    fields = type(config).model_fields
    changed = [
        f"{name}={getattr(config, name)!r}"
        for name, field in fields.items()
        if field.is_required() or getattr(config, name) != field.get_default()
    ]
    return ", ".join(changed) or "nothing"
