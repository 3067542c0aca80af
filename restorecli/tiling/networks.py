"""Denoise, refine and upscale as functions of one tile, run over the tiles of one photo."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.device import wait_for
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.guided_denoiser import GuidedDenoiser
from restorecli.networks.orsnet import ORSNet
from restorecli.tiling.grid import tile_grid
from restorecli.tiling.sources import ImageSource, PixelCanvas
from restorecli.tiling.strips import plain_strips
from restorecli.tiling.tiles import TileFunction, strips

Image = Float[Tensor, "1 3 h w"]
Watch = Callable[[int, int], None]  # called with the number of tiles done, and of all
SQUARE = 16  # px
LEAST_CHANGE = 0.5 / 255


class TileSteps:
    """The networks that work on tiles, in one precision.

    Args:
        twice: Whether the second look is the mean of two, the later at what the first one gave.

    Attributes:
        denoiser: The network whose windows tiles must lie on.
        device: Where the networks are.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        second_look: GuidedDenoiser,
        upscaler: ORSNet,
        device: torch.device,
        precision: torch.dtype,
        *,
        twice: bool = False,
    ) -> None:
        self._networks = (denoiser, second_look, upscaler)
        self.denoiser, self._second_look, self._upscaler = self._networks
        self.device, self._low = device, precision == torch.bfloat16
        self._twice = twice

    def in_full_precision(self) -> "TileSteps":
        """The same in float32."""
        return TileSteps(*self._networks, self.device, torch.float32, twice=self._twice)

    def denoise(self, degraded: Image) -> Image:
        """Take the pattern away."""
        with self._autocast():
            return self.denoiser.picture(degraded)

    def look_again(self, composed: Image, degraded: Image) -> Image:
        """Restore what the earlier steps left, seeing the photo again.

        Args:
            composed: After the earlier steps.
            degraded: The photo as it came; `composed` itself if it has been made lighter since.
        """
        with self._autocast():
            look = self._second_look.look_twice if self._twice else self._second_look.look
            refined: Tensor = look(degraded, composed)
        # what is broken must be noticed
        return refined.clamp(0, 1).where(refined.isfinite(), refined)

    def enlarge(self, composed: Image, degraded: Image, scale: int) -> Float[Tensor, "1 3 sh sw"]:
        """Enlarge the composed picture."""
        with self._autocast():
            result: Tensor = self._upscaler(composed, degraded, scale)
        return result

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._low)


def changed(composed: Image, degraded: Image) -> bool:
    """Whether the earlier steps found anything in a tile that there is to look at again.

    It is judged by squares of `SQUARE` pixels: less than `LEAST_CHANGE` on average is rounding.
    """
    change = (composed - degraded).abs().mean(1, keepdim=True)
    return float(F.avg_pool2d(change, SQUARE, ceil_mode=True).max()) >= LEAST_CHANGE


class Stopwatch:
    """Wall-clock seconds by stage, of one photo.

    Args:
        device: Where stages are computed; each is over when the device is done with it.

    Attributes:
        seconds: So far, stages in the order in which they first ran.
    """

    def __init__(self, device: torch.device) -> None:
        """Begin at nothing."""
        self._device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what the block takes for a stage."""
        start = time.perf_counter()
        try:
            yield
            wait_for(self._device)
        finally:
            spent = time.perf_counter() - start
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


class RetryCounter:
    """The count of one photo."""

    def __init__(self, precision: str) -> None:
        """Begin at none; `precision` is the name of what tiles are computed in at first."""
        self._precision, self._count = precision, 0

    def counted(self, retry: TileFunction) -> TileFunction:
        """The same function, noting each call."""

        def again(*tiles: Tensor) -> Tensor:
            self._count += 1
            return retry(*tiles)

        return again

    def notices(self) -> tuple[str, ...]:
        """A sentence, if there is something to say."""
        if not self._count:
            return ()
        which = "a tile" if self._count == 1 else f"{self._count} tiles"
        why = f"not finite or of one flat colour in {self._precision}"
        return (f"{which} came out {why} and had to be computed again in fp32",)


@dataclass(eq=False)
class Tiles:
    """How functions are run over the tiles of one photo, and how many are done.

    Attributes:
        steps: The networks.
        side: Of a tile in pixels, at most.
        repeats: What had to be computed again.
        watch: Told of every tile that is done.
    """

    steps: TileSteps
    side: int
    repeats: RetryCounter
    watch: Watch | None = None
    done: int = 0
    expected: int = 0

    def expect(self, height: int, width: int, *, passes: int) -> None:
        """Say how often all tiles of a photo of a size in pixels will be run over."""
        denoiser = self.steps.denoiser
        grid = tile_grid(
            height, width, self.side, denoiser.overlap,
            multiple=denoiser.multiple, step=denoiser.step,
        )  # fmt: skip
        self.expected = passes * len(grid.rows.starts) * len(grid.columns.starts)

    def strips(
        self,
        function: Callable[[TileSteps], TileFunction],
        sources: Sequence[ImageSource],
        *,
        scale: int = 1,
    ) -> Iterator[tuple[int, Float[Tensor, "1 3 rows sw"]]]:
        """As `tiling.tiles.strips`; what comes out broken is computed again in full precision."""
        denoiser = self.steps.denoiser
        return strips(
            self._told(function(self.steps)),
            sources,
            tile=self.side,
            overlap=denoiser.overlap,
            scale=scale,
            multiple=denoiser.multiple,
            step=denoiser.step,
            device=self.steps.device,
            retry=self.repeats.counted(function(self.steps.in_full_precision())),
        )

    def _told(self, function: TileFunction) -> TileFunction:
        """The same function, with every call told to who watches."""

        def run(*tiles: Tensor) -> Tensor:
            result = function(*tiles)
            self.done += 1
            if self.watch is not None:
                self.watch(self.done, max(self.done, self.expected))
            return result

        return run


def last_steps(
    tiles: Tiles,
    image: ImageSource,
    source: ImageSource,
    stages: Collection[str],
    clock: Stopwatch,
    *,
    scale: int,
    share: float,
) -> Iterator[tuple[int, Float[Tensor, "1 3 rows sw"]]]:
    """Give the result strip by strip: refined, mixed with the photo by `share`, enlarged.

    Args:
        tiles: Of the photo.
        image: After the earlier steps.
        source: The photo, made light if it was dark.
        stages: Those that have something to do.
        clock: Is told what refining and enlarging takes.
        scale: Size of the result over that of `image`.
        share: Of the restoration, in [0, 1].
    """
    refine, enlarge = "refine" in stages, "upscale" in stages and scale > 1

    def function(steps: TileSteps) -> TileFunction:
        def finish(composed: Image, degraded: Image) -> Tensor:
            if refine and ("denoise" not in stages or changed(composed, degraded)):
                with clock("refine"):
                    composed = steps.look_again(composed, degraded)
            composed = torch.lerp(degraded, composed, share) if share < 1 else composed
            if not enlarge:
                return composed
            with clock("upscale"):
                return steps.enlarge(composed, degraded, scale)

        return finish

    work = refine or share < 1
    if enlarge or (scale == 1 and work):
        yield from tiles.strips(function, [image, source], scale=scale)
        return
    if work:
        strips = tiles.strips(function, [image, source])
        image = PixelCanvas.of(strips, source.height, source.width)
    yield from plain_strips(image, scale)
