"""The plot that is kept beside the tables; it needs matplotlib, the extra `plot`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.serve.contenders import OURS
from benchmarks.speed.charts import OURS_COLOUR, PEERS_COLOUR

SIZE_INCHES = (9.0, 4.0)
STYLES = ("-", "--", ":", "-.", (0, (1, 3)))


def draw(path: Path, found: Mapping[str, Any]) -> None:
    """Draw answers over offered load of each server, and latencies of ours at two loads."""
    if importlib.util.find_spec("matplotlib") is None:
        report.progress(f"no {path.name}: matplotlib, the extra `plot`, is not installed")
        return
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    # the same figures make the same file, with text as text
    matplotlib.rcParams.update({"svg.hashsalt": "polyhead", "svg.fonttype": "none"})
    plots = importlib.import_module("matplotlib.pyplot")
    figure, (left, right) = plots.subplots(1, 2, figsize=SIZE_INCHES, layout="constrained")
    _goodput(left, found.get("saturation", {}).get("sides", {}))
    _latency(right, found)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plots.close(figure)


def _goodput(axes: Any, sides: Mapping[str, Any]) -> None:
    for number, (key, side) in enumerate(sides.items()):
        offered, answered = zip(*side["curve"], strict=True)
        colour = OURS_COLOUR if key == OURS else PEERS_COLOUR
        style = STYLES[number % len(STYLES)]
        axes.plot(
            *(offered, answered),
            linestyle=style,
            color=colour,
            marker="o",
            markersize=3,
            label=side["name"],
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("requests offered a second", fontsize=8)
    axes.set_title("good answers a second", loc="left", fontsize=10)


def _latency(axes: Any, found: Mapping[str, Any]) -> None:
    for phase, share, style in (("steady", "70 %", "-"), ("overload", "300 %", "--")):
        latency = found.get(phase, {}).get("latency_ms", {})
        places = sorted((float(name[1:]), value) for name, value in latency.items())
        if places:
            shares, values = zip(*places, strict=True)
            label = f"at {share} of saturation"
            axes.plot(shares, values, linestyle=style, color=OURS_COLOUR, label=label)
    lone = found.get("steady", {}).get("lone_ms")
    if lone is not None:
        axes.axhline(lone, color=PEERS_COLOUR, linewidth=0.8, label="a lone request of 30 tokens")
    axes.set_yscale("log")
    axes.set_xlabel("per cent of the requests", fontsize=8)
    axes.set_title("latency from when it was due, ms", loc="left", fontsize=10)
