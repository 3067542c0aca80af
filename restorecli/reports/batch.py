"""One page about a batch: every photo before and after, its steps, what was done and why.

Photos are gathered as they finish, by whatever engine. A page of fewer than `INSIDE_BELOW` photos
holds its pictures; a larger one has them beside it in a folder, so that memory does not grow.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from restorecli import record
from restorecli.batch.plan import Plan
from restorecli.errors import PhotoWriteError, PlanError
from restorecli.faces.restore import FaceStatus
from restorecli.options import Options, StageImage
from restorecli.photo import files
from restorecli.photo.capacity import enlarged_size
from restorecli.photo.files import replace_file
from restorecli.previews.thumbnails import KIND
from restorecli.record import Outcome, Thumbnails
from restorecli.reports import pages

TEMPLATE = "batch.html"
INSIDE_BELOW = 50  # photos
PICTURE = "thumbnail-{}.jpg"  # named by content: equal runs give equal files
DIGITS = 20  # of its hash
TITLES = {
    StageImage.INPUT: "Input",
    StageImage.DENOISED: "Denoised",
    StageImage.RELIT: "Brightened",
    StageImage.FACES: "Faces",
    StageImage.FINAL: "Result",
}


@dataclass(frozen=True, kw_only=True)
class Card:
    """One photo on the page.

    Attributes:
        outcome: Without its thumbnails.
        pictures: Address of each picture by its name, in the order of the steps.
        changed: As in `Thumbnails.changed`; 0 if there are no pictures.
        links: Addresses of the photo and its result, if they are files.
        said: What was done and why, a sentence each.
    """

    outcome: Outcome
    pictures: Mapping[StageImage, str] = field(default_factory=dict)
    changed: float = 0.0
    links: Mapping[StageImage, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    @property
    def moved(self) -> float:
        """How far the face moved that moved furthest, in [0, 1]; see `FaceRecord.moved`."""
        return max((face.moved for face in self.outcome.faces), default=0.0)

    @property
    def left_alone(self) -> bool:
        """Whether a face could not be restored though it was to be."""
        spared = (FaceStatus.RESTORED, FaceStatus.NOT_CHOSEN)
        return any(face.status not in spared for face in self.outcome.faces)

    @property
    def tags(self) -> list[str]:
        """What the page can be narrowed to."""
        names = {
            "kept": self.left_alone,
            "faces": bool(self.outcome.faces),
            "relit": bool(self.outcome.relit),
        }
        return [name for name, holds in names.items() if holds]

    def rank(self) -> tuple[object, ...]:
        """Sort by it to have the worst first."""
        failed = self.outcome.status == "failed"
        place = natural(self.outcome.source)
        return not failed, not self.left_alone, -self.moved, -self.changed, place


class BatchReport:
    """Gathers what became of photos, and writes the page."""

    def __init__(
        self,
        target: Path,
        work: Plan,
        options: Options,
        *,
        overwrite: bool,
        skip_existing: bool = False,
    ) -> None:
        """Refuse a page that could not be written later.

        Args:
            target: The page.
            work: What is going to be done.
            options: Said at the top of the page.
            overwrite: Whether the page may exist.
            skip_existing: Whether the page of an earlier batch may.

        Raises:
            PlanError: The target is no page, or its folder of pictures is or would be a source,
                a folder of results, or a file.
            PhotoWriteError: The page exists, or its folder does not and is not the results' own.
        """
        pages.refuse_other(target)
        self._keeps = skip_existing and target.is_file()
        if self._keeps and not overwrite:
            if not pages.was_made_of(TEMPLATE, target):
                fact = "exists already, and is no report of a batch, or one of an earlier version"
                raise PhotoWriteError(f"{target}: {fact}. Move it away, or choose another name.")
            overwrite = True
        files.refuse_target(target, overwrite=overwrite, will_exist=work.out)
        self.folder = target.with_name(f"{target.stem}_files")
        self._inside = len(work.tasks) < INSIDE_BELOW
        self._target, self._work, self._options = target, work, options
        self._overwrite = overwrite
        self._cards: list[Card] = []
        self._failure: PhotoWriteError | None = None
        if not self._inside and self.folder.exists() and not self.folder.is_dir():
            raise PlanError(
                f"{self.folder}: is a file, and would be the report's pictures. Name it anew."
            )
        _refuse_photos(self.folder, work)

    def gathered(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Pass outcomes on, without their thumbnails.

        A picture that cannot be written does not stop the batch; `write` says so in the end.
        """
        for outcome in outcomes:
            bare = replace(outcome, thumbnails=None)
            self._cards.append(self._card(bare, outcome.thumbnails))
            yield bare

    def write(self) -> None:
        """Write the page of what was gathered, whether that is the whole batch or not.

        Pictures of an earlier page of this name are deleted if this one does not show them. A batch
        that goes on and restored nothing leaves the page that tells of what was done.

        Raises:
            PhotoWriteError: The page or one of its pictures could not be written.
        """
        restored = any(card.outcome.status == "restored" for card in self._cards)
        if self._keeps and not restored:
            return
        if self._target.parent == self._work.out:
            with contextlib.suppress(OSError):  # what stands in the way is said below
                self._target.parent.mkdir(parents=True, exist_ok=True)
        pages.write(TEMPLATE, self._values(), self._target, overwrite=self._overwrite)
        pictures = [] if self._inside else [card.pictures for card in self._cards]
        _sweep(self.folder, {Path(link).name for links in pictures for link in links.values()})
        if self._failure is not None:
            raise self._failure

    def _card(self, outcome: Outcome, thumbnails: Thumbnails | None) -> Card:
        if thumbnails is None:
            return Card(outcome=outcome)
        pictures = {}
        try:
            pictures = {
                name: self._address(content) for name, content in thumbnails.pictures.items()
            }
        except PhotoWriteError as error:
            self._failure = self._failure or error
        return Card(
            outcome=outcome,
            pictures=pictures,
            changed=thumbnails.changed,
            links=self._links(outcome),
            said=tuple(done_and_why(outcome, self._options)),
        )

    def _address(self, content: bytes) -> str:
        """Put a picture where the page will find it."""
        if self._inside:
            return pages.data_uri(content, KIND)
        name = PICTURE.format(hashlib.sha256(content).hexdigest()[:DIGITS])
        path = self.folder / name
        if not path.exists():
            with contextlib.suppress(OSError):
                self.folder.mkdir(exist_ok=True)
            replace_file(path, lambda file: file.write(content), overwrite=True)
        return f"./{quote(os.fsencode(self.folder.name))}/{name}"

    def _links(self, outcome: Outcome) -> dict[StageImage, str]:
        """Relative addresses, so that page and photos can move together."""
        start = self._target.parent.resolve()
        links: dict[StageImage, str] = {}
        for name, path in (
            (StageImage.INPUT, outcome.source),
            (StageImage.FINAL, outcome.target),
        ):
            if path is not None and "://" not in path:
                with contextlib.suppress(ValueError):  # another drive of Windows
                    way = os.path.relpath(Path(path).resolve(), start)
                    links[name] = "./" + quote(os.fsencode(Path(way).as_posix()))
        return links

    def _values(self) -> dict[str, object]:
        cards = sorted(self._cards, key=Card.rank)
        faces = [face for card in cards for face in card.outcome.faces]
        skipped = [record.skipped(str(t.source), str(t.target)) for t in self._work.skipped]
        skipped += [card.outcome for card in cards if card.outcome.status == "skipped"]
        skipped.sort(key=lambda outcome: natural(outcome.source))
        failed = [card.outcome for card in cards if card.outcome.status == "failed"]
        return {
            "title": "Photos before and after",
            "cards": [card for card in cards if card.outcome.status == "restored"],
            "failed": failed,
            "skipped": [Card(outcome=one, links=self._links(one)) for one in skipped],
            "missing": len(self._work.tasks) + len(self._work.failures) - len(cards),
            "titles": TITLES,
            "faces": len(faces),
            "faces_restored": sum(face.status == FaceStatus.RESTORED for face in faces),
            "relit": sum(bool(card.outcome.relit) for card in cards),
            "seconds": sum(card.outcome.seconds or 0.0 for card in cards),
            "request": request(self._options),
        }


def natural(name: str) -> list[tuple[int, str]]:
    """Sort by it to have photo_2 before photo_10."""
    parts = re.split(r"([0-9]+)", name)  # every other one is a number
    return [(int(part), "") if at % 2 else (-1, part) for at, part in enumerate(parts)]


def open_report(
    target: Path | None,
    work: Plan,
    options: Options,
    *,
    overwrite: bool,
    skip_existing: bool = False,
) -> BatchReport | None:
    """Make ready for a report if one is asked for; arguments and errors as in `BatchReport`."""
    if target is None:
        return None
    return BatchReport(target, work, options, overwrite=overwrite, skip_existing=skip_existing)


@contextlib.contextmanager
def following(
    outcomes: Iterator[Outcome], report: BatchReport | None
) -> Iterator[Iterator[Outcome]]:
    """Let a report gather outcomes while they are presented; it is written whatever happens."""
    if report is None:
        yield outcomes
        return
    try:
        yield report.gathered(outcomes)
    finally:
        report.write()


def _refuse_photos(folder: Path, work: Plan) -> None:
    """Refuse to mix the page's pictures with photos, which it might be run on the next time.

    Those of a page with its pictures inside are refused too: `_sweep` may know them for its own.
    """
    within = folder.resolve()
    for task in (*work.tasks, *work.skipped):
        for path in (task.source, task.target):
            if isinstance(path, Path) and within in path.resolve().parents:
                raise PlanError(
                    f"{folder}: holds photos, and would hold the report's pictures. "
                    "Give the report another name."
                )


def _sweep(folder: Path, names: set[str]) -> None:
    """Delete pictures of an earlier page that this one does not show."""
    files.remove_stale(folder)
    for path in folder.glob(PICTURE.format("[0-9a-f]" * DIGITS)):
        if path.name not in names:
            with contextlib.suppress(OSError):
                path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()  # only if nothing is left in it


def request(options: Options) -> list[str]:
    """What was asked for, a few words each."""
    size = f"x{options.scale:g}" if options.to is None else f"to {options.to} px"
    said = [size, "steps: " + (", ".join(options.stages) or "none")]
    if "relight" in options.stages:
        said.append(f"brighten: {options.relight}")
    if "faces" in options.stages:
        said += [
            f"faces: {options.faces}",
            f"fidelity {options.fidelity:g}",
            f"faces from a score of {options.face_threshold:g} and {options.min_face} px on",
        ]
    return said


def done_and_why(outcome: Outcome, options: Options) -> list[str]:
    """What was done to a photo that was restored, a sentence each, notices last."""
    assert outcome.height is not None
    assert outcome.width is not None
    assert outcome.scale is not None
    height, width = outcome.height, outcome.width
    rows, columns = enlarged_size(height, width, outcome.scale)
    said = [
        f"{width} × {height} → {columns} × {rows} pixels "
        f"in {outcome.seconds:.1f} s on {outcome.device}, {outcome.precision}.",
        _brightness(bool(outcome.relit), options),
        _faces(outcome, options),
    ]
    return said + list(outcome.notices)


def _brightness(relit: bool, options: Options) -> str:
    if "relight" not in options.stages:
        return "Not brightened: that step was left out."
    if relit:
        return {"auto": "Brightened: it was dark.", "on": "Brightened: asked for."}[options.relight]
    if options.relight == "off":
        return "Not brightened: not asked for."
    return "Not brightened: light enough."


def _faces(outcome: Outcome, options: Options) -> str:
    if "faces" not in options.stages:
        return "Faces were not looked for: that step was left out."
    if not outcome.faces:
        return "No face was found."
    return f"{outcome.faces_restored} of {len(outcome.faces)} faces restored."
