"""Draw the logs of training runs: `python -m training.engine.plot RUN -o curve.svg`.

Losses on the left, validation scores on the right, over optimiser steps. Several runs are drawn one
after the other where each starts from the last one's weights (`--chain`), else over each other.
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

_SCORES = (
    "ssim",
    "psnr",
    "error",
    "recall",
    "precision",
    "steep",
    "far",
)  # how a validation score's name begins


def draw(logs: Sequence[Path], target: Path, *, chain: bool = False) -> None:
    """Draw logs as an SVG; equal logs give equal bytes.

    Args:
        logs: CSV files as the training loop writes them: `step` and one column a loss or score.
        target: Where to put the picture.
        chain: Let each run begin at the step where the one before it ended.
    """
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    begin = 0.0
    for number, log in enumerate(logs):
        columns = read(log)
        steps = [begin + step for step in columns.pop("step")]
        begin = steps[-1] if chain else 0.0
        for place, (name, values) in enumerate(columns.items()):
            if name == "seconds":
                continue
            axes = scores if name.startswith(_SCORES) else losses
            label = name if number == 0 else None
            axes.plot(steps, values, label=label, color=f"C{place}", marker=".", linewidth=1)
    for axes, title in ((losses, "losses"), (scores, "held-out photos")):
        axes.set(xlabel="steps", title=title)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False)
    with mpl.rc_context({"svg.hashsalt": "restore"}):
        figure.savefig(target, format="svg", metadata={"Date": None})


def read(log: Path) -> dict[str, list[float]]:
    """Read a log into columns; a step that was run twice counts once, as it was run last."""
    with log.open(newline="", encoding="utf-8") as file:
        rows = {float(row["step"]): row for row in csv.DictReader(file)}
    ordered = [rows[step] for step in sorted(rows)]
    return {name: [float(row[name]) for row in ordered] for name in ordered[0]}


def main() -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the SVG to write")
    parser.add_argument("--chain", action="store_true", help="each run goes on from the last")
    arguments = parser.parse_args()
    draw([run / "log.csv" for run in arguments.runs], arguments.out, chain=arguments.chain)


if __name__ == "__main__":
    main()
