"""The command `polyhead` and its sub-commands."""

import sys
from typing import Annotated

import typer

from polyhead.cli.bench import bench
from polyhead.cli.commands import Commands
from polyhead.cli.convert import convert
from polyhead.cli.evaluate import evaluate
from polyhead.cli.failures import reported
from polyhead.cli.inspect import inspect
from polyhead.cli.kinds import adapters, heads
from polyhead.cli.plugin import plugin
from polyhead.cli.plugins import plugins
from polyhead.cli.predict import predict
from polyhead.cli.pull import pull
from polyhead.cli.push import push
from polyhead.cli.quickstart import quickstart
from polyhead.cli.run import run
from polyhead.cli.serve import serve
from polyhead.cli.tasks import tasks
from polyhead.cli.train import train

__all__ = ["app", "main"]

app = typer.Typer(
    name="polyhead",
    cls=Commands,
    # to name them here would take 40 ms: benchmarks/plugins/help_time.py
    epilog="Plugins add commands, heads and adapters: polyhead plugins lists those installed.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

for command in (
    quickstart,
    train,
    evaluate,
    predict,
    serve,
    run,
    tasks,
    inspect,
    convert,
    push,
    pull,
    heads,
    adapters,
    plugins,
    bench,
):
    app.command()(reported(command))
app.add_typer(plugin)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"polyhead {version('polyhead')}")
        raise typer.Exit


def _switch_plugins_off(*, wanted: bool) -> None:
    if wanted:
        from polyhead.host import host

        host().switch_off_all("--no-plugins")


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
    no_plugins: Annotated[
        bool,
        typer.Option(
            "--no-plugins",
            help="Load no plugin but the built-in ones.",
            callback=_switch_plugins_off,
            is_eager=True,  # before the command is looked up
        ),
    ] = False,
) -> None:
    """One frozen encoder, many small adapters and heads, chosen per call and per row."""


def main() -> None:
    """Runs the command line of this process and leaves it with the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # a terminal that cannot show a character gets its escape, not a traceback
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="polyhead")
