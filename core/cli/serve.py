"""`polyhead serve`: one process that answers for every task in a folder."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from polyhead.cli.keys import keys_of
from polyhead.cli.loading import BackboneSource
from polyhead.cli.options import (
    CacheDirOption,
    OfflineOption,
    OptionalBackboneOption,
    PrecisionOption,
    RevisionOption,
)
from polyhead.cli.output import note
from polyhead.cli.serving.listening import address_of, is_local, listen
from polyhead.cli.serving.logs import LogLevel, set_up_logs
from polyhead.cli.serving.parts import serve_plan
from polyhead.cli.serving.plan import ServerPlan, check_packages
from polyhead.cli.sizes import bytes_of
from polyhead.errors import ConfigError

__all__ = ["serve"]

_ADDRESS = "Address"
_ACCESS = "Who may ask"
_TASKS = "Tasks in memory"
_LIMITS = "Limits"
_LOGS = "Logs"


def serve(
    *,
    tasks: Annotated[Path, typer.Option("--tasks", help="Folder with the folders of tasks.")],
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="Address to listen on; 0.0.0.0 for all of this machine.",
            rich_help_panel=_ADDRESS,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port", min=0, max=65535, help="0 for any that is free.", rich_help_panel=_ADDRESS
        ),
    ] = 8000,
    root_path: Annotated[
        str,
        typer.Option(
            "--root-path",
            help="The prefix under which a proxy has the server.",
            rich_help_panel=_ADDRESS,
        ),
    ] = "",
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            "--api-key-file",
            help="Keys of those who may ask, one a line; without it those of POLYHEAD_API_KEYS, "
            "with commas between; without any, everybody may.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    admin_key_file: Annotated[
        Path | None,
        typer.Option(
            "--admin-key-file",
            help="Keys of those who may load, unload, pin and roll back; without it those of "
            "POLYHEAD_ADMIN_KEYS; without any, nobody may.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    preload: Annotated[
        list[str] | None,
        typer.Option(
            "--preload",
            help="Task to load before the first request; give it once for each, or 'all' or "
            "'none'. Others are loaded when they are first asked.",
            rich_help_panel=_TASKS,
        ),
    ] = None,
    max_resident: Annotated[
        str,
        typer.Option(
            "--max-resident",
            metavar="SIZE",
            help="Memory for tasks; those asked least recently make room.",
            rich_help_panel=_TASKS,
        ),
    ] = "1GB",
    watch: Annotated[
        float | None,
        typer.Option(
            "--watch",
            metavar="SECONDS",
            min=0.1,
            help="Look for new and changed tasks so often; without it, when an admin asks.",
            rich_help_panel=_TASKS,
        ),
    ] = None,
    result_cache: Annotated[
        str | None,
        typer.Option(
            "--result-cache",
            metavar="SIZE",
            help="Memory for answers to texts that come again.",
            rich_help_panel=_TASKS,
        ),
    ] = None,
    private: Annotated[
        list[str] | None,
        typer.Option(
            "--private",
            metavar="TASK",
            help="Task whose texts no cache may know of; give it once for each.",
            rich_help_panel=_TASKS,
        ),
    ] = None,
    target_ms: Annotated[
        float,
        typer.Option(
            "--target-ms", min=1, help="Time that a batch may take.", rich_help_panel=_LIMITS
        ),
    ] = 200,
    max_wait_ms: Annotated[
        float,
        typer.Option(
            "--max-wait-ms",
            min=1,
            help="Requests are refused while what waits would take longer.",
            rich_help_panel=_LIMITS,
        ),
    ] = 2000,
    timeout_s: Annotated[
        float,
        typer.Option(
            "--timeout-s",
            min=0.001,
            max=3600,
            help="How long an answer is waited for where a request does not say.",
            rich_help_panel=_LIMITS,
        ),
    ] = 30,
    max_rows: Annotated[
        int,
        typer.Option(
            "--max-rows", min=1, help="Inputs times tasks of a request.", rich_help_panel=_LIMITS
        ),
    ] = 1024,
    max_body: Annotated[
        str,
        typer.Option(
            "--max-body", metavar="SIZE", help="Body of a request.", rich_help_panel=_LIMITS
        ),
    ] = "2MB",
    drain_s: Annotated[
        float,
        typer.Option(
            "--drain-s",
            min=0,
            help="After SIGTERM or Ctrl-C, how long what was taken may still be answered.",
            rich_help_panel=_LIMITS,
        ),
    ] = 30,
    access_log: Annotated[
        str,
        typer.Option(
            "--access-log",
            metavar="FILE|-|off",
            help="A JSON line for each request, without texts; '-' is standard output.",
            rich_help_panel=_LOGS,
        ),
    ] = "-",
    log_level: Annotated[
        LogLevel,
        typer.Option("--log-level", help="Of standard error.", rich_help_panel=_LOGS),
    ] = "info",
    ui: Annotated[
        bool, typer.Option("--ui", help="Have the playground at /ui; starts seconds later.")
    ] = False,
    backbone: OptionalBackboneOption = None,
    revision: RevisionOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
    precision: PrecisionOption = "float32",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Tell the address as a JSON line on standard output as well."),
    ] = False,
) -> None:
    """Serve all tasks of a folder over HTTP, until SIGTERM or Ctrl-C.

    What was taken by then is still answered. Tasks may be added and replaced while it runs.
    """
    started = time.perf_counter()
    check_packages(ui=ui)
    if not tasks.is_dir():
        raise ConfigError(f"--tasks {tasks} is no folder; make it, or name another.")
    api_keys = keys_of(api_key_file, "POLYHEAD_API_KEYS")
    plan = ServerPlan(
        folder=tasks,
        backbone=BackboneSource(backbone, revision, cache_dir, offline, precision),
        preload=_preload(preload or []),
        private=tuple(private or ()),
        result_cache=None if result_cache is None else bytes_of(result_cache, "--result-cache"),
        watch_s=watch,
        api_keys=api_keys,
        ui=ui,
        root_path=_checked_root(root_path),
        drain_s=drain_s,
        engine={"target_s": target_ms / 1000, "max_wait_s": max_wait_ms / 1000},
        store={"max_bytes": bytes_of(max_resident, "--max-resident")},
        server={
            "api_keys": api_keys,
            "admin_keys": keys_of(admin_key_file, "POLYHEAD_ADMIN_KEYS"),
            "max_body_bytes": bytes_of(max_body, "--max-body"),
            "max_rows": max_rows,
            "default_timeout_s": timeout_s,
            "access_log": set_up_logs(access_log, log_level),
        },
    )
    with listen(host, port) as listener:
        if not (api_keys or is_local(listener)):
            note(
                f"Everybody who reaches {address_of(listener)} may ask: there is no --api-key-file."
            )
        serve_plan(plan, listener, started, as_json=as_json)


def _preload(given: Sequence[str]) -> tuple[str, ...] | None:
    """The tasks to load; None for all.

    Raises:
        ConfigError: 'all' or 'none' is given beside names.
    """
    words = {"all", "none"} & set(given)
    if words and len(set(given)) > 1:
        raise ConfigError(f"--preload {min(words)} goes alone; leave it out beside names of tasks.")
    if "all" in words:
        return None
    return () if words else tuple(dict.fromkeys(given))


def _checked_root(path: str) -> str:
    if path and not (path.startswith("/") and path.isascii() and path.isprintable()):
        raise ConfigError(f"--root-path {path!r} is no prefix; it is like /models.")
    return path.rstrip("/")
