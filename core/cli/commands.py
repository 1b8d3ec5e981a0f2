"""All commands: our own, and those of plugins, which are loaded where ours do not do."""

from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from polyhead.cli.failures import reported
from polyhead.errors import listing

if TYPE_CHECKING:
    from polyhead.host import Claim, PluginRecord

__all__ = ["Commands"]

_META = "polyhead.plugin"
"""Where a call keeps the record of the plugin whose command it runs."""


class Commands(TyperGroup):
    """Looks a command up among our own first: only another name costs the import of plugins.

    What a plugin's command raises is told as for our own; a mistake of the plugin goes up with its
    traceback, and names the distribution.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Our own command of that name, or else a plugin's, or None."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name.startswith("-"):
            return own
        from polyhead.host import host

        claim = host().command(cmd_name)
        if claim is None:
            return None
        ctx.meta[_META] = claim.record
        return _built(cmd_name, claim)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names; an unknown one is told with what there is."""
        command = self.get_command(ctx, args[0])
        if command is not None:
            return args[0], command, args[1:]
        if not (ctx.resilient_parsing or args[0].startswith("-")):
            ctx.fail(_no_such_command(args[0], self.commands))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was asked for."""
        return reported(_naming_plugins(super().invoke, ctx))(ctx)


def _built(name: str, claim: "Claim[Callable[..., Any]]") -> Any:
    """The command as typer runs it; a group keeps its own commands."""
    holder = typer.Typer(add_completion=False)
    if isinstance(claim.value, typer.Typer):
        holder.add_typer(claim.value, name=name)
    else:
        holder.command(name)(claim.value)
    return typer.main.get_group(holder).commands[name]


def _naming_plugins(run: Callable[[Any], Any], ctx: Any) -> Callable[[Any], Any]:
    """`run`, whose errors say at the end of their traceback which plugin's command it was."""

    def running(context: Any) -> Any:
        try:
            return run(context)
        except Exception as error:
            record: PluginRecord | None = ctx.meta.get(_META)
            if record is not None:
                error.add_note(
                    f"This was a command of the plugin {record}: report it to those who wrote it."
                )
            raise

    return running


def _no_such_command(name: str, own: Collection[str]) -> str:
    from polyhead.host import host

    known = sorted({*own, *host().command_names()})
    close = get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else ""
    parts = [f"No such command {name!r}; there are: {listing(known)}.", hint, host().suspects()]
    return " ".join(part for part in parts if part)
