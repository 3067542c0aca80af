"""A part of a photo before and after: what is shown before the whole is worked on."""

from dataclasses import dataclass, replace

from restorecli.inspection.busiest import busiest
from restorecli.inspection.decision import Decision
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.pipeline import Restoration, Restorer
from restorecli.tiling.sources import PixelSource

SIDE = 512  # px of the photo


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """The part of a photo in which the pattern is strongest.

    Attributes:
        box: Its left, top, right and bottom in the photo, pixels.
        before: As it is.
        restoration: What became of it, done as it would be to the whole.
    """

    box: tuple[int, int, int, int]
    before: Photo
    restoration: Restoration


def restored_part(restorer: Restorer, photo: Photo, options: Options, decision: Decision) -> Part:
    """Restore `SIDE`² pixels of a photo as the whole would be.

    Raises:
        DeviceError: As of `Restorer.restore`.
    """
    peaks = () if decision.inspection is None else decision.inspection.peaks
    source = PixelSource(photo.colours())
    top, left, bottom, right = busiest(source, SIDE, peaks, multiple=decision.work_factor)
    options = options.for_photo(photo.height, photo.width)
    before = cut(photo, (left, top, right, bottom))
    return Part(
        box=(left, top, right, bottom),
        before=before,
        restoration=restorer.restore(before, options, decision=replace(decision, denoised=None)),
    )


def cut(photo: Photo, box: tuple[int, int, int, int]) -> Photo:
    """A rectangle of a photo: left, top, right, bottom in pixels."""
    left, top, right, bottom = box
    alpha = None if photo.alpha is None else photo.alpha[top:bottom, left:right]
    return replace(photo, pixels=photo.pixels[top:bottom, left:right], alpha=alpha)
