"""A bench's result to be read by people (a table), by programs (JSON) and by spreadsheets (CSV)."""

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from restorecli.bench.measure import RESAMPLES, Bench, Estimate
from restorecli.metrics import CONVENTIONS

INTERVAL = f"95 % interval of the mean: percentile bootstrap, {RESAMPLES} resamples"
_DIGITS = {"ssim": 4, "psnr": 2, "psnr-y": 2}


def to_text(bench: Bench) -> str:
    """Tables of all methods, by family too, with everything needed to compare them below."""
    blocks = [title(bench), *map(align, tables(bench))]
    lines = notes(bench)
    if bench.failures:
        lines.append(f"{bench.count} pairs scored, {len(bench.failures)} failed:")
        lines += [f"  {failure.name}: {failure.reason}" for failure in bench.failures]
    return "\n\n".join([*blocks, "\n".join(lines)]) + "\n"


def title(bench: Bench) -> str:
    """The set, its size and its scales."""
    scales = sorted({row.scale for row in bench.rows})
    return f"{bench.dataset}: {bench.count} pairs, x{', x'.join(map(str, scales))}"


def tables(bench: Bench) -> list[list[list[str]]]:
    """Lines of cells: all methods with their intervals, then the families under each metric."""
    families = bench.metrics if bench.families else ()
    return [_overall(bench), *(_by_family(bench, metric) for metric in families)]


def notes(bench: Bench) -> list[str]:
    """How the scores are defined, and what they were measured on."""
    setting = bench.setting
    return [
        *(CONVENTIONS[metric] for metric in bench.metrics),
        INTERVAL,
        f"weights {setting.weights}, device {setting.device}, precision {setting.precision}",
    ]


def format_score(score: float, metric: str) -> str:
    """A score with the digits that mean something."""
    return f"{score:.{_DIGITS[metric]}f}"


def to_json(bench: Bench) -> str:
    """The whole result; infinite scores are null, since JSON has no word for them."""
    setting = bench.setting
    content = {
        "dataset": bench.dataset,
        "pairs": bench.count,
        "weights": setting.weights,
        "device": setting.device,
        "precision": setting.precision,
        "conventions": {metric: CONVENTIONS[metric] for metric in bench.metrics},
        "interval": INTERVAL,
        "methods": {method: _method(bench, method) for method in bench.methods},
        "photos": [
            {
                "name": row.name,
                "family": row.family,
                "method": row.method,
                "scale": row.scale,
                **{metric: _finite(score) for metric, score in row.scores.items()},
                "seconds": row.seconds,
                "megapixels": row.megapixels,
            }
            for row in bench.rows
        ],
        "failures": [
            {"name": failure.name, "reason": failure.reason} for failure in bench.failures
        ],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(bench: Bench) -> str:
    """One line a photo and method, scores unrounded; failed pairs are not in it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "family", "method", "scale", *bench.metrics, "seconds", "megapixels"))
    for row in bench.rows:
        scores = (row.scores[metric] for metric in bench.metrics)
        writer.writerow(
            (row.name, row.family, row.method, row.scale, *scores, row.seconds, row.megapixels)
        )
    return text.getvalue()


def _overall(bench: Bench) -> list[list[str]]:
    lines = [["method", *(f"{metric.upper()} [95 %]" for metric in bench.metrics)]]
    lines[0] += ["s/photo", "Mpx/s"]
    for method in bench.methods:
        scores = [
            _with_interval(bench.estimate(method, metric), metric) for metric in bench.metrics
        ]
        speed = bench.megapixels_per_second(method)
        lines.append([method, *scores, f"{bench.seconds_per_photo(method):.3f}", f"{speed:.3g}"])
    return lines


def _by_family(bench: Bench, metric: str) -> list[list[str]]:
    lines = [[f"{metric.upper()} by family", "pairs", *bench.methods]]
    for family in bench.families:
        count = len(bench.of(bench.methods[0], family))
        means = [_mean([row.scores[metric] for row in bench.of(method, family)])
                 for method in bench.methods]  # fmt: skip
        lines.append([family, str(count), *(format_score(mean, metric) for mean in means)])
    return lines


def align(lines: Sequence[Sequence[str]]) -> str:
    """Align: names to the left, numbers to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _with_interval(estimate: Estimate, metric: str) -> str:
    mean = format_score(estimate.mean, metric)
    if estimate.interval is None:
        return mean
    low, high = estimate.interval
    return f"{mean} [{format_score(low, metric)}, {format_score(high, metric)}]"


def _method(bench: Bench, method: str) -> dict[str, Any]:
    scores = {}
    for metric in bench.metrics:
        estimate = bench.estimate(method, metric)
        scores[metric] = {
            "mean": _finite(estimate.mean),
            "interval": estimate.interval,
            "families": {
                family: _finite(_mean([row.scores[metric] for row in bench.of(method, family)]))
                for family in bench.families
            },
        }
    return {
        **scores,
        "seconds_per_photo": bench.seconds_per_photo(method),
        "megapixels_per_second": _finite(bench.megapixels_per_second(method)),
    }


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
