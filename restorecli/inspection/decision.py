"""What is to be done to a photo: the one decision, which restoring and inspecting share."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from restorecli.inspection.presence import Inspection
from restorecli.inspection.residual import Denoised
from restorecli.inspection.work_size import WORK_FACTORS, work_factor
from restorecli.options import Options

RESTORING = frozenset({"denoise", "faces", "refine"})  # steps that do more than light and enlarge
SURE = 0.9  # probability from which on a pattern or noise is surely there


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done to a photo, and why.

    Attributes:
        inspection: What was found to lie over it; None if nobody looked.
        presence: How much of the restoration is called for, in [0, 1].
        work_factor: By how much the photo is made smaller for the work.
        stages: The steps that have something to do.
        gains: The curve that makes it light, as of `restorecli.relight.estimate`; None if it is
            light enough.
        denoised: The whole photo after step 1, at its own size, if it was denoised to decide.
        seconds: Wall-clock time that looking took, that of `denoised` included.
    """

    inspection: Inspection | None
    presence: float
    work_factor: int
    stages: frozenset[str]
    gains: Float[Tensor, " table"] | None = field(default=None, compare=False)
    denoised: Denoised | None = field(default=None, compare=False)
    seconds: float = field(default=0.0, compare=False)

    @property
    def relit(self) -> bool:
        """Whether it is made light."""
        return self.gains is not None

    @property
    def restores(self) -> bool:
        """Whether anything is done but to brighten and to enlarge."""
        return bool(self.stages & RESTORING)

    @property
    def done(self) -> Denoised | None:
        """Step 1 as far as it need not be done again: not, if the work is done at another size."""
        return self.denoised if self.work_factor == 1 and "denoise" in self.stages else None

    def may_hide_darkness(self, options: Options) -> bool:
        """Whether what lies over a photo may be why it looks light: only if it is surely there.

        Else white letters on black, say, that were taken for a pattern.
        """
        return options.denoise == "on" or self.inspection is None or self.inspection.odds >= SURE

    def passes(self, options: Options) -> int:
        """How often all tiles of the photo are run over: step 1, and what refines and enlarges."""
        enlarges = "upscale" in self.stages and options.network_scale * self.work_factor > 1
        mixes = options.strength * self.presence < 1 and self.work_factor == 1
        return ("denoise" in self.stages and self.done is None) + (
            "refine" in self.stages or enlarges or mixes
        )

    @property
    def longest_period(self) -> float:
        """Of the waves over the photo, in its pixels; 0 if there is none."""
        peaks = () if self.inspection is None else self.inspection.peaks
        return max((peak.period for peak in peaks), default=0.0)

    @property
    def steady(self) -> bool:
        """Whether step 1 sees it in large windows."""
        return self.inspection is not None and self.inspection.steady

    @property
    def work_size(self) -> str:
        """Size of the work over that of the photo, as in `"1/2"`."""
        return next(name for name, factor in WORK_FACTORS.items() if factor == self.work_factor)


def decide(height: int, width: int, options: Options, inspection: Inspection | None) -> Decision:
    """Say what is to be done to a photo of a given size in pixels.

    Args:
        height: Of the photo.
        width: Of the photo.
        options: What is asked for.
        inspection: Of the photo; None if nobody looked, as when nothing is to be denoised.
    """
    presence = 1.0 if inspection is None or options.denoise == "on" else inspection.presence
    stages, factor = _stages(options, presence), 1
    if stages & RESTORING and options.work_size != "auto":
        factor = WORK_FACTORS[options.work_size]
    elif stages & RESTORING and inspection is not None:
        factor = work_factor(height, width, inspection.work_factor)
    return Decision(
        inspection=inspection,
        presence=presence,
        work_factor=factor,
        stages=stages,
    )


def _stages(options: Options, presence: float) -> frozenset[str]:
    stages = set(options.stages)
    if options.network_scale == 1 and stages >= {"denoise", "upscale"}:
        stages.add("refine")  # what it was called here
    if not presence:
        stages -= RESTORING
    if not options.strength:
        stages &= {"upscale"}
    return frozenset(stages)
