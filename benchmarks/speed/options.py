"""What the commands here have in common: their options, and what must be there."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.speed import load
from benchmarks.speed.sides import CHECKPOINT_NEEDS, PEERS, SIDES, SideError, peer_versions

FEWEST_ROUNDS = 5


def parser_of(
    description: str | None,
    *,
    rounds: int,
    texts: int | None = None,
    sides: Sequence[str] = SIDES,
    peer_python: Path | None = None,
) -> argparse.ArgumentParser:
    """Return a parser with what all commands take that have peers.

    Args:
        description: The command's docstring.
        rounds: By default.
        texts: By default; None where a command has texts of its own.
        sides: That take part.
        peer_python: By default; None where it must be named.
    """
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument(
        "--peer-python",
        type=Path,
        required=peer_python is None,
        default=peer_python,
        help="python of the peers' environment",
    )
    parser.add_argument("--rounds", type=_count, default=rounds)
    parser.add_argument("--threads", type=_count, default=report.cpu_count(), help="of each side")
    parser.add_argument("--sides", nargs="+", choices=sides, default=list(sides), metavar="SIDE")
    parser.add_argument(
        "--patience", type=float, default=load.LIMIT_S, help="longest wait for a quiet machine, s"
    )
    parser.add_argument("--note", default="", help="what else there is to say, for the results")
    if texts is not None:
        parser.add_argument("--texts", type=_count, default=texts)
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is too few")
    return number


def checked_peers(
    parser: argparse.ArgumentParser,
    given: argparse.Namespace,
    checkpoint: Sequence[str] = CHECKPOINT_NEEDS,
) -> dict[str, str]:
    """Return the versions in the peers' environment; end with a sentence where it will not do.

    Args:
        parser: It tells what is wrong.
        given: The command's options.
        checkpoint: What writing the checkpoint needs.
    """
    given.peer_python = given.peer_python.absolute()  # a link to python finds its environment
    needed = dict.fromkeys(checkpoint)
    for side in given.sides:
        needed |= dict.fromkeys(PEERS.get(side, ()))
    if given.rounds < FEWEST_ROUNDS:
        report.progress(f"fewer than {FEWEST_ROUNDS} rounds: not for results to keep")
    try:
        return peer_versions(given.peer_python, list(needed))
    except SideError as error:
        parser.error(str(error))


def command_of(name: str, given: argparse.Namespace, extras: Sequence[str] = ()) -> str:
    """Return the command as it is written in the results."""
    parts = [f"python benchmarks/speed/{name}.py --peer-python PEER_PYTHON"]
    parts += [f"--rounds {given.rounds} --threads {given.threads}", *extras]
    parts.append(f"--sides {' '.join(given.sides)}")
    return " ".join(parts)
