"""What became of one photo, for people and for programs.

The fields of the JSON record are the same for a single photo and for each photo of a batch; points
and boxes are in pixels of the upright source.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, get_args

from restorecli.errors import one_line, printable
from restorecli.faces.restore import FaceRecord, FaceStatus
from restorecli.inspection.peaks import Peak
from restorecli.options import StageImage
from restorecli.photo import Photo
from restorecli.photo.capacity import enlarged_size
from restorecli.pipeline import Restoration

Status = Literal["restored", "failed", "skipped", "planned"]


@dataclass(frozen=True, kw_only=True)
class Thumbnails:
    """What is shown of one photo.

    Attributes:
        pictures: JPEG files by name, in the order of `StageImage`: input and final, and what has
            something to show between them.
        changed: Root mean square difference of the first and the last of them, in [0, 1].
    """

    pictures: Mapping[StageImage, bytes]
    changed: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one photo; the fields from `height` on are None unless it was restored.

    Attributes:
        source: Path as it was given or found, `-` for standard input.
        target: Path of the result, `-` for standard output, None if it was not settled yet.
        status: `"restored"`, `"failed"`, `"skipped"` (it was there) or `"planned"` (a dry run).
        error: Why it failed, one line.
        page: Of the source, from 1 on; None if none was asked for.
        height: Of the upright source, in pixels.
        width: Of the upright source, in pixels.
        scale: Size of the result over that of the source.
        seconds: Time of the computation, without reading and writing.
        stage_seconds: Likewise of `inspect`, which also says whether it is dark, and of each later
            stage that ran.
        device: Where it was computed.
        precision: What it was computed in, as in `"fp32"`.
        relit: Whether the photo was brightened.
        presence: How much of the restoration was called for, from 0, where neither a repeating
            pattern nor noise was found and the photo was left as it came, to 1. None if nobody
            looked, as without the step denoise.
        believed_tone: How much of the change that the denoiser made to the tone of the whole photo
            was kept, in [0, 1]; with 0 its tone is its own. None if nothing was denoised.
        peaks: Waves of the pattern, strongest first: periods in pixels, angles in degrees.
        work_size: Size that the work was done at over that of the photo, as in `"1/2"`.
        faces: What was found and done, largest face first.
        notices: What could not be kept when the photo was read or written, and tiles that had to
            be computed again, a sentence each.
        thumbnails: Small pictures of the steps for a report, if they were asked for; no part of
            the JSON record.
    """

    source: str
    target: str | None
    status: Status
    error: str | None = None
    page: int | None = None
    height: int | None = None
    width: int | None = None
    scale: float | None = None
    seconds: float | None = None
    stage_seconds: dict[str, float] | None = None
    device: str | None = None
    precision: str | None = None
    relit: bool | None = None
    presence: float | None = None
    believed_tone: float | None = None
    peaks: tuple[Peak, ...] = ()
    work_size: str | None = None
    faces: tuple[FaceRecord, ...] = ()
    notices: tuple[str, ...] = ()
    thumbnails: Thumbnails | None = field(default=None, repr=False)

    @property
    def faces_restored(self) -> int:
        """Number of faces that were restored, of those found."""
        return sum(face.status == FaceStatus.RESTORED for face in self.faces)


def restored(
    source: str, target: str, photo: Photo, restoration: Restoration, *, page: int | None = None
) -> Outcome:
    """Note a photo, or a page of one, that was restored and written."""
    inspection, factor = restoration.inspection, restoration.work_factor
    return Outcome(
        source=source,
        target=target,
        status="restored",
        page=page,
        height=photo.height,
        width=photo.width,
        scale=restoration.scale,
        seconds=restoration.seconds,
        stage_seconds=restoration.stage_seconds,
        device=restoration.device,
        precision=restoration.precision,
        relit=restoration.relit,
        presence=restoration.presence,
        believed_tone=restoration.believed_tone,
        peaks=() if inspection is None else inspection.peaks,
        work_size="1" if factor == 1 else f"1/{factor}",
        faces=restoration.faces,
        notices=photo.notices + restoration.notices,
    )


def failed(source: str, target: str | None, error: Exception) -> Outcome:
    """Note a photo that could not be restored, and why."""
    reason = one_line(" ".join(str(error).split())) or type(error).__name__
    return Outcome(source=source, target=target, status="failed", error=reason)


def skipped(source: str, target: str) -> Outcome:
    """Note a photo whose result was there."""
    return Outcome(source=source, target=target, status="skipped")


def json_line(outcome: Outcome) -> str:
    """Spell an outcome as one line of JSON, numbers rounded to a thousandth."""
    fields = asdict(replace(outcome, thumbnails=None))
    del fields["thumbnails"]
    return json.dumps(_rounded(fields))


def summary_line(
    outcomes: Mapping[str, int], seconds: float, *, left: int = 0, ignored: int
) -> str:
    """Spell what became of a batch as one line of JSON.

    Args:
        outcomes: Number of photos by status; what is not named is 0.
        seconds: That it took.
        left: Photos of which nothing is known.
        ignored: Files of other kinds.
    """
    counts = dict.fromkeys(get_args(Status), 0) | dict(outcomes)
    others = {"left": left, "ignored": ignored, "seconds": round(seconds, 3)}
    return json.dumps({"summary": counts | others})


def sentence(outcome: Outcome) -> str:
    """Say in one line what was done to a photo that was restored."""
    assert outcome.height is not None
    assert outcome.width is not None
    assert outcome.scale is not None
    height, width = outcome.height, outcome.width
    rows, columns = enlarged_size(height, width, outcome.scale)
    parts = [f"{width}×{height} → {columns}×{rows}"]
    if outcome.presence == 0:
        parts.append("no repeating pattern found")
    if outcome.believed_tone == 0:
        parts.append("its own tone kept")
    if outcome.work_size not in (None, "1"):
        parts.append(f"worked on at {outcome.work_size} of its size")
    if outcome.faces:
        parts.append(f"{outcome.faces_restored} of {len(outcome.faces)} faces restored")
    if outcome.relit:
        parts.append("brightened")
    parts.append(f"{outcome.seconds:.1f} s on {outcome.device}, {outcome.precision}")
    return f"{printable(outcome.source)}: {'; '.join(parts)}"


def face_lines(faces: Sequence[FaceRecord]) -> list[str]:
    """Say a line for each face, with the index that `--faces` takes."""
    return [
        f"  face {index}: {face.box[2] - face.box[0]:.0f}×{face.box[3] - face.box[1]:.0f} px at "
        f"({face.box[0]:.0f}, {face.box[1]:.0f}), score {face.score:.2f}: {face.status}"
        for index, face in enumerate(faces)
    ]


def _rounded(value: object) -> object:
    """Round every float in nested lists, tuples and dicts."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
