"""The one list of options: of a restoration, of writing, of computing; defaults and bounds.

The command line, the batch runner and the bench all build these objects; nothing else names a
default. What an option does to the picture is said in `restorecli.pipeline`.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from restorecli.errors import PlanError

Stage = Literal["relight", "denoise", "faces", "refine", "upscale"]
STAGES: tuple[Stage, ...] = ("relight", "denoise", "faces", "refine", "upscale")
Precision = Literal["auto", "fp32", "bf16"]
SCALES = (1, 2, 4)  # that the networks have; a result of another size is made smaller from the next

LEAST_SSIM = 0.08  # of a degraded photo; below it, the outline of a person is gone


def _whole(scale: float) -> float:
    """The same number, an int if it is one: records say 2, not 2.0."""
    return int(scale) if scale == int(scale) else scale


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to do to a photo.

    Attributes:
        scale: Size of the result over the size of the source, more than 0 and at most 4.
        to: Longer side of the result in pixels, in place of `scale`; None leaves it to that.
        stages: Steps that run, any subset of `STAGES`; their order is fixed. At scale 1 there is
            nothing to enlarge, and `upscale` after `denoise` means `refine`, as it once did.
        denoise: `"auto"` leaves a photo over which neither a pattern nor noise is found as it came,
            `"on"` works on every photo.
        strength: How much of the restoration is taken: 0 keeps the original, 1 takes all.
        work_size: Size that the work is done at over that of the photo. `"auto"` makes a photo
            with a coarse printed screen smaller: between its dots there is nothing to keep.
        best: Whether what the second look gives is looked at once more, mirrored, and the mean of
            both kept.
        relight: `"auto"` brightens only photos that are really dark, `"on"` always, `"off"` never.
        fidelity: 1 takes nothing from the face prior, 0 takes each face from it whole.
        faces: Which faces are restored: `"all"`, `"largest"`, or indices as in `"0,2"`, counted
            from the largest down.
        face_threshold: Score in [0, 1] from which on a find counts as a face.
        min_face: Faces whose box is narrower than this many pixels are left alone.
        tile: Side of a tile in pixels of the source, or None to choose it from free memory.
    """

    scale: float = 2
    to: int | None = None
    stages: tuple[Stage, ...] = STAGES
    denoise: Literal["auto", "on"] = "auto"
    strength: float = 1.0
    work_size: Literal["auto", "1", "1/2", "1/4"] = "auto"
    best: bool = False
    relight: Literal["auto", "on", "off"] = "auto"
    fidelity: float = 0.5
    faces: str = "all"
    face_threshold: float = 0.85
    min_face: int = 24
    tile: int | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values in a sentence.

        Raises:
            PlanError: A value is out of its bounds.
        """
        self._check_size()
        object.__setattr__(self, "scale", _whole(self.scale))
        unknown = [stage for stage in self.stages if stage not in STAGES]
        if unknown:
            raise PlanError(f"stage {unknown[0]}: unknown. Use some of: {', '.join(STAGES)}.")
        if not 0 <= self.strength <= 1:
            raise PlanError(f"strength {self.strength:g}: must lie between 0 and 1.")
        if not 0 <= self.fidelity <= 1:
            raise PlanError(f"fidelity {self.fidelity:g}: must lie between 0 and 1.")
        if not 0 < self.face_threshold < 1:
            raise PlanError(f"face threshold {self.face_threshold:g}: must lie between 0 and 1.")
        if self.tile is not None and self.tile < 64:
            raise PlanError(
                f"tile {self.tile}: too small to see a pattern. Use at least 64 pixels."
            )
        if self.faces not in ("all", "largest"):
            parts = self.faces.split(",")
            if not all(part.strip().isdecimal() for part in parts):
                raise PlanError(
                    f"faces {self.faces!r}: not a choice. Use all, largest, or indices as in 0,2."
                )

    def _check_size(self) -> None:
        if not 0 < self.scale <= SCALES[-1]:
            raise PlanError(f"scale {self.scale:g}: must be more than 0 and at most {SCALES[-1]}.")
        if self.to is None:
            return
        if self.to < 1:
            raise PlanError(f"to {self.to}: the longer side of a result has at least 1 pixel.")
        if self.scale != Options.scale:
            raise PlanError(f"scale {self.scale:g} and to {self.to} contradict. Use one.")

    def for_photo(self, height: int, width: int) -> "Options":
        """The same with the scale that `to` means for a photo, and without `to`.

        Args:
            height: Of the photo in pixels.
            width: Likewise.

        Raises:
            PlanError: The photo is too small for `to`.
        """
        if self.to is None:
            return self
        longer = max(height, width)
        if self.to > SCALES[-1] * longer:
            raise PlanError(
                f"to {self.to}: more than {SCALES[-1]} times the {longer} pixels of the photo's "
                f"longer side."
            )
        return replace(self, scale=self.to / longer, to=None)

    @property
    def light(self) -> Literal["auto", "on", "off"]:
        """`relight`, or `"off"` where that step is left out."""
        return self.relight if "relight" in self.stages else "off"

    @property
    def network_scale(self) -> int:
        """The scale that the photo is enlarged by before it is made smaller."""
        return next(scale for scale in SCALES if scale >= self.scale)


@dataclass(frozen=True, kw_only=True)
class SaveOptions:
    """How results are written.

    Attributes:
        quality: Of lossy formats, 1 to 100; 100 is lossless in WebP.
        overwrite: Whether files may exist already.
        strip_gps: Leave out where the photo was taken.
        strip_metadata: Leave out everything but colour profile and resolution.
        skip_existing: A result that is there, and is not empty, is left; the photo counts as
            skipped.
        again: A file that holds the very bytes of the result counts as written by an earlier try.
    """

    quality: int = 95
    overwrite: bool = False
    strip_gps: bool = False
    strip_metadata: bool = False
    skip_existing: bool = False
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and how photos are computed.

    Attributes:
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        precision: bfloat16 is chosen by `"auto"` only where it is native.
        jobs: Threads of a batch that read, and as many that write.
        parallel: Photos of a batch that are computed at once; None is one a core of a CPU, as far
            as memory allows, and one on a GPU.
        max_megapixels: Photos with more, by the size their files declare, are refused.
        thumbnails: Let every outcome of a batch carry small pictures of the steps.
    """

    device: str = "auto"
    precision: Precision = "auto"
    jobs: int = 2
    parallel: int | None = None
    max_megapixels: float = 400
    thumbnails: bool = False

    def __post_init__(self) -> None:
        """Refuse impossible values in a sentence.

        Raises:
            PlanError: The limit lets no photo pass.
        """
        if not self.max_megapixels > 0:
            raise PlanError(f"max megapixels {self.max_megapixels:g}: must be more than 0.")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where a batch on many machines runs.

    Attributes:
        address: Of a running cluster of Ray, as in `"10.0.0.1:6379"`; None starts one here.
        workers: Processes that restore, or None for as many as fit.
        gpus_per_worker: GPUs that each has for itself; 0.5 lets two share one.
    """

    address: str | None = None
    workers: int | None = None
    gpus_per_worker: float = 0


class StageImage(StrEnum):
    """A picture of a photo on its way, in the order in which they are shown."""

    INPUT = "input"
    RELIT = "relit"
    DENOISED = "denoised"
    FACES = "faces"  # those found, marked on the picture before
    COMPOSED = "composed"
    FINAL = "final"
