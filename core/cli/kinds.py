"""`polyhead heads` and `polyhead adapters`: the kinds there are, and what can be configured."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from polyhead.cli.options import JsonOption
from polyhead.cli.output import note, print_json, print_line, print_table
from polyhead.errors import DuplicateKindError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from polyhead.contracts import Head, Recipe

__all__ = ["adapters", "heads"]

T = TypeVar("T")
R = TypeVar("R")

KindArgument = Annotated[
    str | None, typer.Argument(help="Show the fields of this one, for config strings.")
]


def heads(*, kind: KindArgument = None, as_json: JsonOption = False) -> None:
    """List the kinds of heads, or the fields of one: of its examples and of its config strings."""
    from polyhead.registry import registry

    kinds = registry()
    found = (
        _undisputed(kinds.head_kinds(), kinds.head) if kind is None else {kind: kinds.head(kind)}
    )
    providers = {name: str(kinds.provider_of_head(name)) for name in found}
    if as_json:
        print_json(
            _each(
                found,
                lambda name, head: {
                    "kind": name,
                    "provider": providers[name],
                    "summary": _summary(head.Config, head),
                    "example": list(head.Example.model_fields),
                    "recipe": head.recipe.model_dump(mode="json"),
                    "config": head.Config.model_json_schema(),
                },
            )
        )
    elif kind is None:
        print_table(
            ["head", "what it does", "from"],
            _each(found, lambda name, head: [name, _summary(head.Config, head), providers[name]]),
        )
        note("polyhead heads KIND shows the fields of one.")
    else:
        _print_examples(found[kind])
        _print_fields(kind, found[kind].Config)
        print_line(f"Where nothing else is said: polyhead train {_options(found[kind].recipe)}")


def adapters(*, kind: KindArgument = None, as_json: JsonOption = False) -> None:
    """List the kinds and presets of adapters, or the fields of one."""
    from polyhead.registry import registry

    if kind is not None:
        config = registry().adapter_config(kind)
        if as_json:
            print_json({"name": kind, "config": config.model_dump(mode="json")})
        else:
            _print_fields(kind, type(config), config)
        return
    kinds = registry()
    found = _undisputed(kinds.adapter_kinds(), kinds.adapter)
    providers = {name: str(kinds.provider_of_adapter(name)) for name in found}
    kind_of = {cls.Config: name for name, cls in found.items()}
    presets = {
        name: config
        for name, config in sorted(kinds.adapter_presets().items())
        if type(config) in kind_of
    }
    if as_json:
        described = _each(
            found,
            lambda name, adapter: {
                "kind": name,
                "provider": providers[name],
                "summary": _summary(adapter),
                "config": adapter.Config.model_json_schema(),
            },
        )
        of_presets = _each(
            presets,
            lambda name, config: (
                name,
                {"kind": kind_of[type(config)], "config": config.model_dump(mode="json")},
            ),
        )
        print_json({"kinds": described, "presets": dict(of_presets)})
        return
    print_table(
        ["adapter", "what it does", "from"],
        _each(found, lambda name, adapter: [name, _summary(adapter), providers[name]]),
    )
    print_table(
        ["preset", "kind", "differs from the kind's defaults in"],
        _each(presets, lambda name, config: [name, kind_of[type(config)], _differences(config)]),
    )
    note("polyhead adapters NAME shows the fields of one.")


def _undisputed(names: Iterable[str], find: Callable[[str], T]) -> dict[str, T]:
    """What each name stands for; one that two plugins claim is left out with a remark."""
    found = {}
    for name in names:
        try:
            found[name] = find(name)
        except DuplicateKindError as error:
            note(f"Left out: {error}")
    return found


def _each(found: Mapping[str, T], describe: Callable[[str, T], R]) -> list[R]:
    """What there is to say of each; a plugin's class that fails at it is left out with a remark."""
    described = []
    for name, thing in found.items():
        try:
            described.append(describe(name, thing))
        except Exception as error:  # noqa: BLE001 - a stranger's class may raise anything
            note(f"Left out: {name!r} cannot be described: {type(error).__name__}: {error}")
    return described


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
