"""The plots that are kept beside the tables; they need matplotlib, the extra `plot`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report

OURS_COLOUR, PEERS_COLOUR = "#c2410c", "#64748b"
WIDTH_INCHES = 8.0
BAR_INCHES = 0.27


def draw_bars(path: Path, values: Mapping[str, float], ours: Sequence[str], title: str) -> None:
    """Draw one horizontal bar for each value, the first on top; ours have a colour of their own."""
    plots = _pyplot(path)
    if plots is None:
        return
    size = (WIDTH_INCHES, 1.0 + BAR_INCHES * len(values))
    figure, axes = plots.subplots(figsize=size, layout="constrained")
    colours = [OURS_COLOUR if name in ours else PEERS_COLOUR for name in values]
    bars = axes.barh(list(values), list(values.values()), color=colours)
    axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=10)
    _save(figure, axes, path)


def draw_lines(
    path: Path,
    lengths: Sequence[int],
    values: Mapping[str, Sequence[float]],
    ours: Sequence[str],
    title: str,
) -> None:
    """Draw a line for each contender over the lengths, both axes logarithmic."""
    plots = _pyplot(path)
    if plots is None:
        return
    figure, axes = plots.subplots(figsize=(WIDTH_INCHES, 4.5), layout="constrained")
    styles = ("-", "--", ":", "-.")
    count = {True: 0, False: 0}
    for name, found in values.items():
        is_ours = name in ours
        style = styles[count[is_ours] % len(styles)]
        count[is_ours] += 1
        colour = OURS_COLOUR if is_ours else PEERS_COLOUR
        axes.plot(lengths, found, style, color=colour, marker="o", markersize=3, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(list(lengths), list(map(str, lengths)))
    axes.set_xlabel("tokens")
    axes.legend(fontsize=8, frameon=False)
    axes.set_title(title, loc="left", fontsize=10)
    _save(figure, axes, path)


def _pyplot(path: Path) -> Any:
    """Return matplotlib's plots, drawing files alone; None, with a remark, where it is absent."""
    if importlib.util.find_spec("matplotlib") is None:
        report.progress(f"no {path.name}: matplotlib, the extra `plot`, is not installed")
        return None
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    # the same figures make the same file, with text as text
    matplotlib.rcParams.update({"svg.hashsalt": "polyhead", "svg.fonttype": "none"})
    return importlib.import_module("matplotlib.pyplot")


def _save(figure: Any, axes: Any, path: Path) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    figure.savefig(path, metadata={"Date": None})
    importlib.import_module("matplotlib.pyplot").close(figure)
