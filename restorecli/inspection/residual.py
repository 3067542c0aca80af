"""The second opinion on whether there is anything to restore: what the denoiser would take away.

The inspector judges by the photo alone, and some pages, cloths and walls look to it like a pattern
laid over a photo. The denoiser has seen far more: from a clean photo it takes next to nothing.
So where the inspector sees something, or the photo is small, a few patches are denoised, and judged
by what is taken away. A photo that is not large is denoised whole instead, and that is what step 1
gives; unless it is to be made smaller for the work.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.inspection.presence import Inspection
from restorecli.inspection.spread import spread
from restorecli.inspection.windows import windows
from restorecli.networks.inspector import Findings, ResidualInspector, residual_picture
from restorecli.tiling.networks import Tiles
from restorecli.tiling.sources import ImageSource, PixelCanvas, TensorSource
from restorecli.tiling.tiles import assemble

PATCH = 256  # px, of the side of a patch
MOST_PATCHES = 3  # along an axis
MOST_WHOLE = 2**21  # pixels, up to which a photo is denoised whole
Box = tuple[int, int, int, int]  # top, left, bottom, right
Image = Float[Tensor, "n 3 h w"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Denoised:
    """A small photo that was denoised to be judged.

    Attributes:
        image: What step 1 gives of all of it.
        seconds: Wall-clock time that it took.
        notices: As of `restorecli.pipeline.Restoration`.
    """

    image: PixelCanvas
    seconds: float
    notices: tuple[str, ...]


class SecondOpinion:
    """Denoises patches of a photo when it is called, and judges by what is taken away.

    Args:
        inspector: On the CPU.
        source: The photo, made light if it was dark.
        tiles: Of the photo, in large windows or not.
        factor: By how much the photo would be made smaller for the work, by what is seen in it.
        faces: Whether a picture shows any.
        steady: Whether what was seen before asks for large windows.

    Attributes:
        source: The photo.
        denoised: The whole photo, if that was done and it is not large.
    """

    def __init__(
        self,
        inspector: ResidualInspector,
        source: ImageSource,
        tiles: Callable[[bool], Tiles],
        factor: Callable[[Inspection], int],
        faces: Callable[[ImageSource], bool],
        *,
        steady: bool = False,
    ) -> None:
        self._inspector, self.source, self._tiles_for = inspector, source, tiles
        self._steady, self._tiles = steady, tiles(steady)
        self._factor, self._faces = factor, faces
        self.denoised: Denoised | None = None
        self._spread = 1.0

    def __call__(self, seen: Inspection) -> Findings:
        """What the patches say of a photo in which the inspector has `seen` something."""
        if seen.steady != self._steady:
            self._steady, self.denoised = seen.steady, None
            self._tiles = self._tiles_for(seen.steady)
        source = self.source
        boxes = patches(source.height, source.width)
        photo = [source.read(*box) for box in boxes]
        if source.height * source.width <= MOST_WHOLE and self._factor(seen) == 1:
            image = self.whole()
            denoised = [image.read(*box) for box in boxes]
        else:
            denoised = [assemble(self._strips(TensorSource(p)), p.shape[2]) for p in photo]
        self._spread = spread(photo, denoised)
        residual = [residual_picture(*pair) for pair in zip(photo, denoised, strict=True)]
        return judge(self._inspector, photo, residual)

    def spread(self) -> float:
        """Share of the photo from which something was taken; 1 before any of it was denoised."""
        return self._spread

    def shows_faces(self) -> bool:
        """Whether the photo shows a face when it is denoised; False where only patches were."""
        return self.denoised is not None and self._faces(self.denoised.image)

    def whole(self) -> PixelCanvas:
        """The photo after step 1; what is not large is denoised once and kept."""
        if self.denoised is not None:
            return self.denoised.image
        start, source = time.perf_counter(), self.source
        image = PixelCanvas.of(self._strips(source), source.height, source.width)
        if source.height * source.width <= MOST_WHOLE:
            self.denoised = Denoised(
                image=image,
                seconds=time.perf_counter() - start,
                notices=self._tiles.repeats.notices(),
            )
        return image

    def _strips(self, source: ImageSource) -> Iterator[tuple[int, Tensor]]:
        return self._tiles.strips(lambda steps: steps.denoise, [source])


def patches(height: int, width: int) -> list[Box]:
    """Where a picture is judged: at as many places an axis as cover it, up to `MOST_PATCHES`."""
    return [
        (top, left, min(top + PATCH, height), min(left + PATCH, width))
        for top in _starts(height)
        for left in _starts(width)
    ]


def judge(
    inspector: ResidualInspector, photo: Sequence[Image], residual: Sequence[Image]
) -> Findings:
    """Judge photos by patches of one size.

    Args:
        inspector: On the device of the patches.
        photo: Patches as they came, sRGB in [0, 1].
        residual: The same of the `residual_picture`.
    """
    side, levels = inspector.config.side, inspector.config.levels
    found: Findings = inspector(_joined(photo, side, levels), _joined(residual, side, levels))
    return found


def _joined(pictures: Sequence[Image], side: int, levels: int) -> list[Tensor]:
    """Windows of all patches at each size, as of one picture."""
    each = [windows(picture, side, levels) for picture in pictures]
    return [torch.cat(same_size, 1) for same_size in zip(*each, strict=True)]


def _starts(length: int) -> list[int]:
    """Evenly from end to end, farther apart in a long axis, whose ends may be a scan's border."""
    spare, count = max(0, length - PATCH), min(MOST_PATCHES, max(1, -(-length // PATCH)))
    apart = min(spare / max(1, count - 1), max(PATCH, spare / count))
    first = (spare - apart * (count - 1)) / 2
    return [round(first + apart * number) for number in range(count)]
