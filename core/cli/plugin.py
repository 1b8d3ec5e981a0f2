"""`polyhead plugin new`: a plugin of one's own to start from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from polyhead.cli.failures import reported
from polyhead.cli.options import JsonOption
from polyhead.cli.output import note, print_json, print_line

if TYPE_CHECKING:
    from polyhead.scaffold import PluginNames

__all__ = ["plugin"]

plugin = typer.Typer(
    name="plugin", help="Write a plugin: a kind of head or adapter, by pip.", no_args_is_help=True
)


def new(
    *,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Of the distribution to publish, such as my-head; its package, its kind and its "
            "classes are named after it.",
        ),
    ],
    kind: Annotated[
        Literal["head", "adapter"], typer.Option("--kind", help="What the plugin provides.")
    ] = "head",
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The folder to write; without it, one called NAME here."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a complete distribution: a working head or adapter, its tests, everything to publish.

    Replace the example with what you have in mind, file by file; the tests say what is missing.
    The pages docs/writing-a-head.md and docs/writing-an-adapter.md explain each part.
    """
    from polyhead.registry import registry
    from polyhead.scaffold import PluginNames, check_untaken, plugin_files, write_plugin

    names = PluginNames.of(name, kind)
    check_untaken(names, registry())
    folder = Path(names.distribution) if output is None else output
    files = plugin_files(names)
    write_plugin(folder, files)
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "distribution": names.distribution,
                "package": names.package,
                names.sort: names.kind,
                "files": list(files),
            }
        )
        return
    print_line(f"Wrote {folder}: a distribution with the {kind} kind {names.kind!r} and its tests.")
    _show_next(folder, names)


def _show_next(folder: Path, names: "PluginNames") -> None:
    import shlex

    print_line("What to type next:")
    print_line(f"  cd {shlex.quote(str(folder))}")
    print_line("  python -m pip install -e '.[test]'")
    print_line("  python -m pytest")
    note(
        f"Then make it yours: src/{names.package}/{names.sort}.py. "
        f"polyhead {names.sort}s {names.kind} shows what users will see."
    )


plugin.command()(reported(new))
