"""About how long a photo will take, and how much memory: a small part of it is timed."""

import sys
from dataclasses import dataclass, replace

from restorecli.inspection.decision import Decision
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.pipeline import BYTES_PER_PIXEL, Restorer
from restorecli.previews.part import cut
from restorecli.tiling.grid import tile_grid

SIDE = 256  # px of the work, of the part that is timed
BETWEEN = 6  # bytes a pixel of the work, of the picture between the steps


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a photo will take, roughly.

    Attributes:
        megapixels: Of the photo.
        seconds: Of computing.
        bytes: Of memory at the peak, the program's own included.
    """

    megapixels: float
    seconds: float
    bytes: float

    def __str__(self) -> str:
        minutes = self.seconds / 60
        time = f"{self.seconds:.0f} s" if minutes < 1.5 else f"{minutes:.0f} min"
        size = f"{self.megapixels:.0f}" if self.megapixels >= 10 else f"{self.megapixels:.1f}"
        return f"{size} Mpx, about {time}, about {self.bytes / 2**30:.1f} GiB"


def forecast(restorer: Restorer, photo: Photo, options: Options, decision: Decision) -> Forecast:
    """Time a part of a photo's middle and reckon from it.

    Raises:
        DeviceError: As of `Restorer.restore`.
    """
    options = options.for_photo(photo.height, photo.width)
    factor = decision.work_factor
    side = SIDE * factor
    top, left = (max(0, length - side) // 2 for length in (photo.height, photo.width))
    box = (left, top, min(left + side, photo.width), min(top + side, photo.height))
    part = cut(photo, box)
    looked = replace(decision, seconds=0.0, denoised=None)  # which no tile does again
    timed = restorer.restore(part, replace(options, tile=None), decision=looked)
    height, width = -(-photo.height // factor), -(-photo.width // factor)
    tile = restorer.tile(height, width, options)
    denoiser = restorer.wide_denoiser if decision.steady else restorer.denoiser
    grid = tile_grid(
        height, width, tile, denoiser.overlap, multiple=denoiser.multiple, step=denoiser.step
    )
    rows, columns = sum(grid.rows.sizes), sum(grid.columns.sizes)
    pixels = photo.height * photo.width
    result = pixels * options.network_scale**2 * 3 * photo.bits // 8
    memory = _resident() + BETWEEN * height * width + result
    return Forecast(
        megapixels=pixels / 1e6,
        seconds=timed.seconds * rows * columns * factor**2 / (part.height * part.width),
        bytes=memory + BYTES_PER_PIXEL * min(tile, max(height, width)) ** 2,
    )


def _resident() -> int:
    """Memory that the process has had at most, in bytes; 0 where nobody says."""
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
