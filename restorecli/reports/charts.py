"""Charts of a bench as SVG that stands inside a page and takes on its colours.

Matplotlib draws them; it comes with the extra `[report]` and is imported when it is needed.
"""

import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from restorecli.bench.measure import Bench
from restorecli.errors import PlanError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNTOUCHED = "untouched"
ALL = "all"
WIDTH = 5.0  # inches; of 72 px each, so that letters stay readable on a phone
_MARKS = "sD^vPX*"  # of the classical filters
# Colours that nobody else uses stand for those of the page until the SVG is written.
_OURS, _OTHER, _INK, _RULE = "#010101", "#020202", "#030303", "#040404"
_VARIABLES = {_OURS: "--ours", _OTHER: "--other", _INK: "--ink", _RULE: "--rule"}
_STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be read, found and coloured
    "svg.hashsalt": "restore",  # equal charts, equal bytes
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "text.parse_math": False,  # a family may be called "$"
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def require() -> ModuleType:
    """Import Matplotlib.

    Raises:
        PlanError: It is not installed.
    """
    try:
        import matplotlib as library
    except ImportError as error:
        raise PlanError(
            "bench --report: its charts need Matplotlib, which is not installed. "
            "Use: pip install matplotlib"
        ) from error
    return library


def by_family(bench: Bench, metric: str) -> str:
    """Draw the mean score of every method by pattern family; ours with its 95 % interval.

    Returns:
        An `svg` element. Means that are not finite are left out.
    """
    families = (ALL, *bench.families)
    with _drawing():
        figure, axes = _axes(height=0.9 + 0.3 * len(families) + 0.12 * len(bench.methods))
        places = range(len(families))
        for number, method in reversed(list(enumerate(bench.methods))):
            means = [
                bench.estimate(method, metric, None if family == ALL else family)
                for family in families
            ]
            finite = [(mean, y) for mean, y in zip(means, places, strict=True)
                      if math.isfinite(mean.mean)]  # fmt: skip
            ours = number == 0
            for mean, y in finite if ours else ():
                if mean.interval is not None:
                    axes.plot(mean.interval, (y, y), color=_OURS, linewidth=1.5, zorder=3)
            axes.scatter(
                [mean.mean for mean, _ in finite],
                [y for _, y in finite],
                marker="o" if ours else _MARKS[(number - 1) % len(_MARKS)],
                s=42 if ours else 22,
                facecolors=_OURS if ours else "none",
                edgecolors=_OURS if ours else _OTHER,
                label=method,
                zorder=4 if ours else 2,
            )
        axes.set_yticks(list(places), labels=list(families))
        axes.invert_yaxis()
        axes.grid(axis="x", color=_RULE, linewidth=0.7)
        axes.set_xlabel(metric.upper())
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=2, frameon=False)
        return _svg(figure, f"{metric.upper()} by pattern family")


def input_against_output(bench: Bench, metric: str) -> str:
    """Draw a point for each photo: its score as it came, and as it was restored.

    Returns:
        An `svg` element. Scores that are not finite are left out.
    """
    inputs, outputs = (bench.of(method) for method in (UNTOUCHED, bench.methods[0]))
    points = [
        (before.scores[metric], after.scores[metric])
        for before, after in zip(inputs, outputs, strict=True)
        if math.isfinite(before.scores[metric]) and math.isfinite(after.scores[metric])
    ]
    with _drawing():
        figure, axes = _axes(height=0.9 * WIDTH)
        values = [value for point in points for value in point] or [0.0, 1.0]
        ends = (min(values), max(values))
        axes.plot(ends, ends, color=_OTHER, linewidth=1, linestyle=(0, (4, 3)))
        axes.scatter(
            [before for before, _ in points],
            [after for _, after in points],
            s=max(8, 36 - len(points) / 10),
            color=_OURS,
            alpha=0.65,
            linewidths=0,
        )
        axes.set_aspect("equal", adjustable="datalim")
        axes.grid(color=_RULE, linewidth=0.7)
        axes.set_xlabel(f"{metric.upper()} of the input")
        axes.set_ylabel(f"{metric.upper()} of the output")
        return _svg(figure, f"{metric.upper()} of the output against that of the input")


@contextmanager
def _drawing() -> Iterator[None]:
    """Draw in our style. Letters that Matplotlib's font lacks are the browser's to find."""
    with require().rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _axes(height: float) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.set_axisbelow(True)
    axes.tick_params(color=_RULE)
    for spine in axes.spines.values():
        spine.set_color(_RULE)
    return figure, axes


def _svg(figure: "Figure", title: str) -> str:
    """The element alone, in the colours of the page, as wide as there is room."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'^<svg [^>]*?viewBox="([^"]+)"[^>]*>',
                  rf'<svg viewBox="\1" role="img" aria-label="{title}">', text)  # fmt: skip
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would rule the whole page
    text = re.sub(r' id="[\w.]+_\d+"', "", text)  # two charts in a page would share them
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return text
