"""`polyhead plugins`, `heads` and `adapters`: what is installed and what can be configured."""

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyhead.cli.options import JsonOption
from polyhead.cli.output import note, print_json, print_line, print_table

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from polyhead.contracts import Head, Recipe

__all__ = ["adapters", "heads", "plugins"]

KindArgument = Annotated[
    str | None, typer.Argument(help="Show the fields of this one, for config strings.")
]


def heads(*, kind: KindArgument = None, as_json: JsonOption = False) -> None:
    """List the kinds of heads, or the fields of one: of its examples and of its config strings."""
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
                    "summary": _summary(head.Config, head),
                    "example": list(head.Example.model_fields),
                    "recipe": head.recipe.model_dump(mode="json"),
                    "config": head.Config.model_json_schema(),
                }
                for name, head in found.items()
            ]
        )
    elif kind is None:
        rows = [
            [name, _summary(head.Config, head), str(kinds.provider_of_head(name))]
            for name, head in found.items()
        ]
        print_table(["head", "what it does", "from"], rows)
        note("polyhead heads KIND shows the fields of one.")
    else:
        _print_examples(found[kind])
        _print_fields(kind, found[kind].Config)
        print_line(f"Where nothing else is said: polyhead train {_options(found[kind].recipe)}")


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


def _summary(*described: type) -> str:
    """The first line of the first docstring; an inherited one would speak of its base."""
    docs = (own.__doc__ for own in described if own.__doc__)
    return inspect.cleandoc(next(docs, "")).partition("\n")[0]


def _print_examples(head: "type[Head]") -> None:
    """What one line of a data file holds."""
    example = head.Example
    rows = []
    for name, field in example.model_fields.items():
        if field.is_required():
            needed = "always"
        elif name in example.target_fields:
            needed = "one of them to train" if len(example.target_fields) > 1 else "to train"
        else:
            needed = "no"
        rows.append([name, needed, field.description or ""])
    print_table(["column of a data file", "needed", "meaning"], rows)


def _options(recipe: "Recipe") -> str:
    """The options of `polyhead train` that say what a recipe does."""
    values = {
        "adapter": recipe.adapter or "none",
        "epochs": recipe.epochs,
        "lr": recipe.lr,
        "head-lr": recipe.head_lr,
        "batch-size": recipe.batch_size,
        "max-length": recipe.text.max_length,
    }
    return " ".join(f"--{name} {value}" for name, value in values.items() if value is not None)


def _print_fields(
    name: str, config_class: "type[BaseModel]", config: "BaseModel | None" = None
) -> None:
    """The fields of a config, with their values in `config` or else their defaults."""
    from polyhead.contracts import field_names

    rows = []
    for field_name in field_names(config_class):
        field = config_class.model_fields[field_name]
        if config is not None:
            value = repr(getattr(config, field_name))
        else:
            value = "required" if field.is_required() else repr(_default(field))
        rows.append([field_name, value, field.description or ""])
    print_table([f"field of {name}", "default", "meaning"], rows)
    note(f"In a config string: {name}[{rows[0][0]}=...]" if rows else f"{name} has no fields.")


def _default(field: "FieldInfo") -> Any:
    return field.get_default(call_default_factory=True)


def _differences(config: "BaseModel") -> str:
    fields = type(config).model_fields
    changed = [
        f"{name}={getattr(config, name)!r}"
        for name, field in fields.items()
        if field.is_required() or getattr(config, name) != _default(field)
    ]
    return ", ".join(changed) or "nothing"
