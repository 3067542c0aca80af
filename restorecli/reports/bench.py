"""One page about a bench: tables, charts, and the worst photos with what they should have been."""

import heapq
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from restorecli.bench import table
from restorecli.bench.dataset import PhotoPair
from restorecli.bench.measure import Bench, Failure, Row
from restorecli.options import StageImage
from restorecli.photo import Photo
from restorecli.photo.files import refuse_target
from restorecli.previews import thumbnails
from restorecli.reports import charts, pages

SHOWN = 12  # worst photos
TITLES = {StageImage.INPUT: "Input", StageImage.FINAL: "Restored", "clean": "Clean"}


@dataclass(frozen=True, kw_only=True)
class Example:
    """A photo that is among the worst so far.

    Attributes:
        row: Its scores.
        pictures: JPEG files by the names in `TITLES`.
        height: Of the degraded photo, in pixels.
        width: Of the degraded photo, in pixels.
    """

    row: Row
    pictures: Mapping[str, bytes]
    height: int
    width: int


class BenchReport:
    """Keeps small pictures of the worst photos, and writes the page."""

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        """Refuse a page that could not be written later.

        Args:
            target: The page; its pictures are in it.
            overwrite: Whether it may exist.

        Raises:
            PlanError: The target is no page, or what draws the charts is not installed.
            PhotoWriteError: It exists, or its folder does not.
        """
        pages.refuse_other(target)
        refuse_target(target, overwrite=overwrite)
        charts.require()
        self._target, self._overwrite = target, overwrite
        self._worst: list[tuple[float, int, Example]] = []  # a heap, the best of the worst on top
        self._count = itertools.count()

    def watch(self, row: Row, photos: PhotoPair, result: Photo) -> None:
        """Keep the pictures of a photo if it is among the worst by the first metric."""
        badness = -next(iter(row.scores.values()))
        if len(self._worst) == SHOWN and badness <= self._worst[0][0]:
            return
        photos_by_name = {
            StageImage.INPUT: photos.degraded,
            StageImage.FINAL: result,
            "clean": photos.clean,
        }
        pictures = {
            name: thumbnails.small(photo).encode(thumbnails.KIND, thumbnails.QUALITY)
            for name, photo in photos_by_name.items()
        }
        degraded = photos.degraded
        example = Example(row=row, pictures=pictures, height=degraded.height, width=degraded.width)
        heapq.heappush(self._worst, (badness, -next(self._count), example))
        if len(self._worst) > SHOWN:
            heapq.heappop(self._worst)

    def write(self, bench: Bench) -> None:
        """Write the page.

        Raises:
            PhotoWriteError: It cannot be written.
        """
        metric = bench.metrics[0]
        input_scores = {row.name: row.scores[metric] for row in bench.of(charts.UNTOUCHED)}
        worst = [example for _, _, example in sorted(self._worst, key=lambda item: item[:2])[::-1]]
        values = {
            "title": "How well photos are restored",
            "set": table.title(replace(bench, dataset=Path(bench.dataset).name or bench.dataset)),
            "tables": table.tables(bench),
            "notes": table.notes(bench),
            "failures": [_without_folder(failure, bench.dataset) for failure in bench.failures],
            "count": bench.count,
            "metric": metric.upper(),
            "families": charts.by_family(bench, metric),
            "scatter": charts.input_against_output(bench, metric),
            "titles": TITLES,
            "worst": [_card(example, input_scores[example.row.name], metric) for example in worst],
        }
        pages.write("bench.html", values, self._target, overwrite=self._overwrite)


def open_report(target: Path | None, *, overwrite: bool) -> BenchReport | None:
    """Make ready for a report if one is asked for; arguments and errors as in `BenchReport`."""
    return None if target is None else BenchReport(target, overwrite=overwrite)


def _without_folder(failure: Failure, dataset: str) -> Failure:
    """Tell of a failure without saying where on this machine the set lies."""
    reason = failure.reason.replace(f"{dataset}/", "")
    return replace(failure, reason=reason)


def _card(example: Example, input_score: float, metric: str) -> dict[str, object]:
    return {
        "name": example.row.name,
        "family": example.row.family,
        "input": table.format_score(input_score, metric),
        "output": table.format_score(example.row.scores[metric], metric),
        "pictures": {
            name: pages.data_uri(content, thumbnails.KIND)
            for name, content in example.pictures.items()
        },
        "height": example.height,
        "width": example.width,
    }
