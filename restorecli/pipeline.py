"""The way of a photo through the networks; the only file that knows all of them.

    relight   (1, 3, h, w) → (1, 3, h, w)            as it is read, only if the photo is dark
    inspect   (1, 3, h, w) → Inspection              a few windows: is there anything to restore?
    denoise   (1, 3, h, w) → (1, 3, h, w)            tiles
    faces     (1, 3, h, w) → (1, 3, h, w)            none or more aligned crops
    refine    (1, 3, h, w) → (1, 3, h, w)            tiles
    upscale   (1, 3, h, w) → (1, 3, s·h, s·w)        tiles

A photo in which nothing is found passes denoise, faces and refine untouched. A print with a coarse
screen is made smaller first and enlarged to its size at the end.

Between the steps a picture is RGB of 16 bits on the CPU; tiles and crops go to the device as
float32 in [0, 1]. A `Restorer` holds networks alone: nothing of a photo is kept after it.
"""

import time
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from restorecli import weights
from restorecli.colour_correction import correct_colours
from restorecli.device import (
    choose_device,
    choose_precision,
    free_memory,
    memory_told,
    photos_at_once,
)
from restorecli.faces.detection import detect, shows_face
from restorecli.faces.restore import (
    DrawnFace,
    FaceRecord,
    RestoredFaces,
    draw_over,
    missing,
    restore_faces,
)
from restorecli.inspection.decision import Decision, decide
from restorecli.inspection.presence import Inspection, inspect, middle
from restorecli.inspection.residual import SecondOpinion
from restorecli.inspection.tone import believed_tone
from restorecli.inspection.work_size import LARGEST_UPSCALE, at_scale, mixed, reduced
from restorecli.networks.blocks import fold_batch_norms
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.face_refiner import FaceRefiner
from restorecli.networks.face_vae import FaceVAEPair
from restorecli.networks.guided_denoiser import GuidedDenoiser
from restorecli.networks.inspector import Inspector, ResidualInspector
from restorecli.networks.orsnet import ORSNet
from restorecli.networks.relighter import Relighter
from restorecli.networks.retinaface import RetinaFace
from restorecli.networks.tone_inspector import ToneInspector
from restorecli.options import Options, StageImage
from restorecli.photo import Photo
from restorecli.relight import estimate, lighten, lit
from restorecli.tiling import tiles as tiling
from restorecli.tiling.networks import (
    RetryCounter,
    Stopwatch,
    Tiles,
    TileSteps,
    Watch,
    last_steps,
)
from restorecli.tiling.sources import Canvas, PixelCanvas
from restorecli.tiling.stage_images import StageImages
from restorecli.tiling.strips import plain_strips

PRECISION_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16"}
BYTES_PER_PIXEL = 1600  # peak working memory over the pixels of a tile, at x4
NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass(frozen=True, eq=False, kw_only=True)
class Restoration:
    """What became of one photo.

    Attributes:
        photo: The result.
        scale: Its size over the size of the source.
        relit: Whether it was brightened.
        faces: Each face found, largest first, and what was done to it.
        inspection: What was found to lie over the photo; None if nobody looked.
        presence: How much of the restoration was called for, in [0, 1]; with 0 the photo is left as
            it came, but for light and size. None if nobody looked.
        believed_tone: How much of the change that the denoiser made to the tone of the whole photo
            was kept, in [0, 1]; with 0 its tone is its own. None if nothing was denoised.
        work_factor: By how much the photo was made smaller for the work.
        seconds: Wall-clock time of the computation, that of the decision included.
        stage_seconds: Likewise of `inspect` and each later stage that ran, without joining tiles.
        device: As in `"cpu"` or `"cuda:0"`.
        precision: `"fp32"` or `"bf16"`.
        steps: The picture after "relit", "denoised" and "composed", if they were asked for.
        notices: What did not go as planned and was mended, one sentence each.
    """

    photo: Photo
    scale: float
    relit: bool
    faces: tuple[FaceRecord, ...]
    seconds: float
    device: str
    precision: str
    inspection: Inspection | None = None
    presence: float | None = None
    believed_tone: float | None = None
    work_factor: int = 1
    stage_seconds: dict[str, float] = field(default_factory=dict)
    steps: dict[str, Float[Tensor, "1 3 h w"]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Restorer:
    """All networks, on their devices.

    Attributes:
        inspector: Says whether there is anything to restore; stays on the CPU.
        residual_inspector: Says it again, by what the denoiser takes away; likewise.
        tone_inspector: Says how far to believe the denoiser's change of tone; likewise.
        denoiser: Takes the pattern away.
        relighter: Says how a dark photo is made light; stays on the CPU, where the photo is.
        detector: Finds faces.
        refiner: Looks at them again.
        face_pair: Restores aligned faces.
        second_look: Refines, at every scale.
        upscaler: Enlarges.
        device: Where tiles and crops are computed.
        precision: What convolutions are computed in.
        at_once: Photos restored at the same time, in threads, each with its share of the memory.
    """

    inspector: Inspector
    residual_inspector: ResidualInspector
    tone_inspector: ToneInspector
    denoiser: Denoiser
    relighter: Relighter
    detector: RetinaFace
    refiner: FaceRefiner
    face_pair: FaceVAEPair
    second_look: GuidedDenoiser
    upscaler: ORSNet
    device: torch.device
    precision: torch.dtype
    at_once: int = 1

    @classmethod
    def load(
        cls,
        *,
        device: str = "auto",
        precision: str = "auto",
        folder: Path | None = None,
        at_once: int | None = 1,
    ) -> "Restorer":
        """Load the networks.

        Args:
            device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
            precision: `"auto"`, `"fp32"` or `"bf16"`; bfloat16 is chosen only where it is native.
            folder: Of the weights files; None for the shipped ones.
            at_once: Photos that will be restored at the same time, in threads; None for as many as
                the device has threads and memory for.

        Raises:
            DeviceError: There is no such device.
            WeightsError: A weights file is missing, damaged or of another network.
        """
        torch_device = choose_device(device)

        def load(network: type[NetworkT], name: str) -> NetworkT:
            loaded = weights.load(network, name, folder=folder)
            fold_batch_norms(loaded)
            return loaded.to(torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

        return cls(
            inspector=weights.load(Inspector, "inspector", folder=folder),
            residual_inspector=weights.load(ResidualInspector, "residual_inspector", folder=folder),
            tone_inspector=weights.load(ToneInspector, "tone_inspector", folder=folder),
            denoiser=load(Denoiser, "denoiser"),
            relighter=weights.load(Relighter, "relighter", folder=folder),
            detector=load(RetinaFace, "retinaface"),
            refiner=load(FaceRefiner, "face_refiner"),
            face_pair=load(FaceVAEPair, "face_vae"),
            second_look=load(GuidedDenoiser, "second_look"),
            upscaler=load(ORSNet, "orsnet"),
            device=torch_device,
            precision=choose_precision(precision, torch_device),
            at_once=at_once or photos_at_once(torch_device),
        )

    def __call__(self, photo: Photo, options: Options | None = None) -> Photo:
        """Restore a photo; arguments and errors as in `restore`."""
        return self.restore(photo, options).photo

    def restore(
        self,
        photo: Photo,
        options: Options | None = None,
        *,
        keep_steps: bool = False,
        step_side: int | None = None,
        decision: Decision | None = None,
        watch: Watch | None = None,
    ) -> Restoration:
        """Restore a photo and say what was done.

        Args:
            photo: Of any size; not modified.
            options: See `Options`.
            keep_steps: Keep the pictures between the steps, 12 bytes a pixel each.
            step_side: Keep them no higher and wider than so many pixels; None keeps them whole.
            decision: What is to be done; None makes it by looking at the photo.
            watch: Called after each tile with the number of tiles done and of all.

        Raises:
            DeviceError: Out of memory, of the device or the machine, or a result that stays broken.
            PlanError: The photo is too small for the size that is asked for.
        """
        options = (options or Options()).for_photo(photo.height, photo.width)
        start = time.perf_counter()
        with torch.inference_mode(), memory_told(self.device):
            clock = Stopwatch(self.device)
            looked = decision.seconds if decision else 0.0
            decision = decision or self.decide(photo, options)
            done = decision.done
            clock.seconds["inspect"] = decision.seconds - (done.seconds if done else 0.0)
            steps = StageImages(keep_steps, step_side)
            restoration = self._restore(photo, options, decision, steps, clock, watch)
        return replace(restoration, seconds=time.perf_counter() - start + looked)

    def inspect(self, photo: Photo) -> Inspection:
        """Say what lies over a photo, judged by its middle, made light if it is too dark to see."""
        inspection = self.decide(photo).inspection
        assert inspection is not None  # the default options look
        return inspection

    def decide(self, photo: Photo, options: Options | None = None) -> Decision:
        """Say what `restore` would do to a photo, and why; nothing is restored.

        A photo that looks dark under a pattern is made light only if it is dark without it as well:
        a pattern darkens, and dusk must not become day.
        """
        options = (options or Options()).for_photo(photo.height, photo.width)
        start = time.perf_counter()
        source = tiling.PixelSource(photo.colours())
        with torch.inference_mode():
            gains = estimate(source, self.relighter, options.light, options.strength)
            second = self._second_opinion(lit(source, gains), options)
            decision = self._look(second, options, relit=gains is not None)
            if gains is not None and options.light == "auto" and "denoise" in decision.stages:
                unlit = self._second_opinion(source, options, steady=decision.steady)
                if estimate(unlit.whole(), self.relighter, "auto", again=True) is None:
                    gains, decision = None, self._look(unlit, options)
        return replace(decision, gains=gains, seconds=time.perf_counter() - start)

    def _look(self, second: SecondOpinion, options: Options, *, relit: bool = False) -> Decision:
        """Decide on a photo as it is seen, by both inspectors."""
        source, inspection = second.source, None
        if "denoise" in options.stages:
            inspection = inspect(
                middle(source),
                self.inspector,
                second_opinion=None if options.denoise == "on" else second,
                relit=relit,
            )
        decision = decide(source.height, source.width, options, inspection)
        return replace(decision, denoised=second.denoised)

    def _second_opinion(
        self, source: tiling.ImageSource, options: Options, *, steady: bool = False
    ) -> SecondOpinion:
        height, width = source.height, source.width
        side = self.tile(height, width, options)
        return SecondOpinion(
            self.residual_inspector,
            source,
            partial(self._tiles, side),
            factor=lambda seen: decide(height, width, options, seen).work_factor,
            faces=partial(shows_face, self.detector, self.refiner),
            steady=steady,
        )

    def _restore(
        self,
        photo: Photo,
        options: Options,
        decision: Decision,
        steps: StageImages,
        clock: Stopwatch,
        watch: Watch | None,
    ) -> Restoration:
        factor, stages, done = decision.work_factor, decision.stages, decision.done
        gains, colours = decision.gains, photo.colours()
        source = lit(tiling.PixelSource(reduced(colours, factor)), gains)
        side = self.tile(source.height, source.width, options)
        tiles = self._tiles(side, decision.steady, watch, twice=options.best)
        tiles.expect(source.height, source.width, passes=decision.passes(options))
        faces: tuple[FaceRecord, ...] = ()
        drawn: tuple[DrawnFace, ...] = ()
        believed: float | None = None
        steps.keep(StageImage.RELIT, source)
        if "denoise" in stages:
            with clock("denoise"):
                if done is None:
                    strips = tiles.strips(lambda steps: steps.denoise, [source])
                    image = PixelCanvas.of(strips, source.height, source.width)
                else:
                    image = done.image.copy()
                believed = believed_tone(self.tone_inspector, source, image)
                correct_colours(image, source, decision.longest_period / factor, believed=believed)
            if done is not None:
                clock.seconds["denoise"] += done.seconds
            asks = gains is None and decision.may_hide_darkness(options)
            light = options.light if asks else "off"
            again = estimate(image, self.relighter, light, options.strength, again=True)
            if again is not None:  # the pattern was light, the photo is not
                gains, source = again, lit(source, again)
                lighten(image, again)
                steps.keep(StageImage.RELIT, source)
        else:
            image = PixelCanvas.of(plain_strips(source, 1), source.height, source.width)
        steps.keep(StageImage.DENOISED, image)
        if "faces" in stages:
            with clock("faces"):
                faces, drawn = self._faces(image, source, options, factor=factor)
        absent = missing(options.faces, len(faces)) if "faces" in stages else ()
        steps.keep(StageImage.COMPOSED, image)
        whole = options.strength * decision.presence
        share = whole if factor == 1 else 1.0  # else the photo itself is mixed in, at its own size
        scale = min(options.network_scale * factor, LARGEST_UPSCALE)
        strips = last_steps(tiles, image, source, stages, clock, scale=scale, share=share)
        height, width = source.height * scale, source.width * scale
        pixels = PixelCanvas.of(strips, height, width, photo.pixels.dtype).pixels
        if drawn:
            with clock("faces"):
                draw_over(pixels, drawn, scale=scale, share=share)
        rest = options.network_scale * factor // scale
        pixels = at_scale(pixels, photo.height, photo.width, options, rest=rest)
        if whole < share:
            pixels = mixed(pixels, lit(tiling.PixelSource(colours), gains), whole)
        return Restoration(
            photo=photo.replaced(pixels),
            scale=options.scale,
            relit=gains is not None,
            faces=faces,
            inspection=decision.inspection,
            presence=decision.presence if decision.inspection else None,
            believed_tone=believed,
            work_factor=factor,
            seconds=0.0,
            device=str(self.device),
            precision=PRECISION_NAMES[self.precision],
            stage_seconds=clock.seconds,
            steps=steps.images,
            notices=(done.notices if done else ()) + tiles.repeats.notices() + absent,
        )

    def _faces(
        self, image: Canvas, source: tiling.ImageSource, options: Options, *, factor: int
    ) -> RestoredFaces:
        """Restore faces in place; their records are in pixels of the photo."""
        detections = detect(
            self.detector, image, threshold=options.face_threshold, refiner=self.refiner
        )
        smaller = replace(options, min_face=max(1, options.min_face // factor))
        faces = restore_faces(
            image,
            detections,
            self.face_pair,
            smaller,
            source=source,
            enlarged="upscale" in options.stages and options.network_scale * factor > 1,
        )
        return faces._replace(records=tuple(face.scaled(factor) for face in faces.records))

    def tile(self, height: int, width: int, options: Options) -> int:
        """Side of the tiles of a photo that is worked on at a size in pixels."""
        fitting = tiling.choose_tile(free_memory(self.device) // self.at_once, BYTES_PER_PIXEL)
        return options.tile or tiling.tile_for(height, width, fitting=fitting)

    @cached_property
    def wide_denoiser(self) -> Denoiser:
        """Step 1 in large windows, which start where every second one of the others does."""
        return self.denoiser.windowed(2 * self.denoiser.step + self.denoiser.overlap)

    def _tiles(
        self, side: int, steady: bool, watch: Watch | None = None, *, twice: bool = False
    ) -> Tiles:
        denoiser = self.wide_denoiser if steady else self.denoiser
        networks = denoiser, self.second_look, self.upscaler
        steps = TileSteps(*networks, self.device, self.precision, twice=twice)
        return Tiles(steps, side, RetryCounter(PRECISION_NAMES[self.precision]), watch)
