"""Is there anything to restore? The decision that comes before every step.

A clean photo must come back as it is, whatever it shows: text, brick, cloth. So the photo is looked
at first, in a few windows at a few sizes, by the network `restorecli.networks.inspector`; where it
finds neither a pattern nor noise, nothing is done. Where it finds something, or has too little to
judge by, a second opinion can be asked for (`restorecli.inspection.residual`).
"""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.colour import luma
from restorecli.inspection.combs import is_combed
from restorecli.inspection.coverage import covered
from restorecli.inspection.flatness import is_flat
from restorecli.inspection.lattice import crossing, fundamentals, off_axes
from restorecli.inspection.peaks import Peak, find_peaks
from restorecli.inspection.windows import windows
from restorecli.networks.inspector import Findings, Inspector
from restorecli.tiling.sources import ImageSource

INSPECTED_SIDE = 2048  # px, of the middle of a photo that is looked at to judge the whole
PRINT_FROM = 0.5  # probability from which on a pattern is taken for a printed screen
FINEST_PRINT = 6.0  # px, of a screen's period after the photo was made smaller
# Probability below and above which nothing or all is done: low, as the network has learnt small
# clean pictures four times over
FAINTEST, SUREST = 0.1, 0.33
SECOND_FAINTEST, SECOND_SUREST = 0.25, 0.6  # of a second opinion
ALONE_FAINTEST, ALONE_SUREST = 0.6, 0.8  # the same where the first sees nothing
LITTLE_SIDE = 384  # px, of a square below whose area the inspector sees too little to judge by
FLAT_FAINTEST, FLAT_SUREST = 0.8, 0.95  # of a photo that is flat in parts, where doubts are right
OFF_AXES = 15.0  # degrees that waves of a screen keep from the axes
FAINTEST_SCREEN, LEAST_SHARE = 0.008, 0.4  # amplitude of the weaker one, and over the stronger
COARSEST = 24.0  # px, of the period of a screen whose waves tell more than the network
FAINTEST_SURE = 0.015  # amplitude from which on a wave may tell more than the network
OVERLAID = 0.06  # amplitude from which on a single wave may be a pattern by itself
DOUBTED = 0.015  # the same where the network sees something
WHOLLY, IN_PHASE = 0.9, 0.95  # share of the photo that it covers, share of it that is one wave
STEADY = 0.9  # share that is one wave from which on windows may be large
LONGEST, ASKEW = 48.0, 6.0  # px, and degrees off the axes
PARTLY, LITTLE_SPREAD = 0.65, 0.55  # shares: that its wave covers, and from which it is taken
MOST_PEAKS, MOST_WAVES = 6, 12  # that are told, and looked through


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What lies over a photo.

    Attributes:
        pattern: Probability of a repeating pattern.
        noise: Probability of noise that can be seen.
        printed: Probability that the pattern is a screen that carries the photo, as in a print.
        peaks: The pattern's waves, strongest first; none where nothing was found.
        flat: Whether it has parts of one value to the bit, which neither pattern nor noise leaves:
            then the network must be surer.
        combed: Whether its rows are two fields of interlaced video, which settles it.
        asked_again: Whether the probabilities are those of a second opinion.
        alone: Whether the first saw nothing, so that the second must be surer.
        partial: Whether what was seen lies over a part of the photo: then it is of a thing shown,
            and stays.
    """

    pattern: float
    noise: float
    printed: float
    peaks: tuple[Peak, ...] = ()
    flat: bool = False
    combed: bool = False
    asked_again: bool = False
    alone: bool = False
    partial: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """Probability below and above which nothing or all is done."""
        if self.flat:
            return FLAT_FAINTEST, FLAT_SUREST
        if self.alone:
            return ALONE_FAINTEST, ALONE_SUREST
        return (SECOND_FAINTEST, SECOND_SUREST) if self.asked_again else (FAINTEST, SUREST)

    @property
    def patterned(self) -> bool:
        """Whether there is a pattern, by what the network says or by its rows and waves."""
        return (self.pattern > self.bounds[0] or self.certain) and not self.partial

    @property
    def certain(self) -> bool:
        """Whether its rows or its waves are as hardly a scene has them, however faint they are.

        Waves need one of the networks to agree: a crossword has them too.
        """
        unseen = self.alone and self.pattern <= self.bounds[0]
        return self.combed or (self.waved and not unseen)

    @property
    def waved(self) -> bool:
        """Whether its waves are such."""
        return self.screened or self.overlaid

    @property
    def odds(self) -> float:
        """Probability of a pattern or of noise, whichever is likelier."""
        return max(self.pattern, self.noise)

    @property
    def presence(self) -> float:
        """How much of the restoration is taken, in [0, 1]: 0 leaves the photo as it came."""
        if self.partial:
            return 0.0
        found = 1.0 if self.certain else self.odds
        faintest, surest = self.bounds
        return min(max((found - faintest) / (surest - faintest), 0.0), 1.0)

    @property
    def screened(self) -> bool:
        """Whether the two strongest waves cross as those of a printer's screen do.

        Of one period, at right angles, off the axes: nothing that is photographed does that over
        the whole photo, and a screen that is too fine or too faint for the network still does.
        """
        if len(self.peaks) < 2:
            return False
        one, other = self.peaks[:2]
        return (
            crossing(one, other)
            and one.period < COARSEST
            and min(off_axes(one.angle), off_axes(other.angle)) > OFF_AXES
            and other.strength > max(FAINTEST_SCREEN, LEAST_SHARE * one.strength)
        )

    @property
    def overlaid(self) -> bool:
        """Whether the strongest wave is too strong, too regular and too oblique for a scene.

        It lies over nearly the whole photo, in one phase from edge to edge, and off the axes, along
        which lines of text and walls of houses do the same. Where the network sees something as
        well, a fainter one will do.
        """
        if not self.peaks:
            return False
        first = self.peaks[0]
        return (
            first.strength > (DOUBTED if self.pattern > self.bounds[0] else OVERLAID)
            and first.coverage > WHOLLY
            and first.coherence > IN_PHASE
            and first.period < LONGEST
            and off_axes(first.angle) > ASKEW
        )

    @property
    def steady(self) -> bool:
        """Whether its strongest wave lies over all of it in one phase, as far as that was seen.

        Larger windows see such a wave more sharply; a curved one is another wave in each.
        """
        if not self.peaks:
            return False
        first = self.peaks[0]
        return first.coverage > WHOLLY and (first.coherence > STEADY or not first.coherence)

    @property
    def work_factor(self) -> int:
        """By how much the photo is made smaller for the work: 1, 2 or 4.

        A printed screen of period p holds no detail much finer than p / 2. What is laid over a
        photo hides detail that is there, so only prints are made smaller.
        """
        if not self.peaks or self.printed < PRINT_FROM:
            return 1
        period = self.peaks[0].period
        return max(factor for factor in (1, 2, 4) if factor == 1 or period / factor >= FINEST_PRINT)


@runtime_checkable
class SupportsOpinion(Protocol):
    """A second opinion on a photo."""

    def __call__(self, seen: Inspection) -> Findings:
        """Judge a photo of which something was `seen`."""

    def spread(self) -> float:
        """Share in [0, 1] of the photo that was judged from which step 1 takes something."""

    def shows_faces(self) -> bool:
        """Whether the photo that was judged shows a face, by what is left without a pattern."""


def inspect(
    image: Float[Tensor, "1 3 h w"],
    inspector: Inspector,
    *,
    second_opinion: SupportsOpinion | None = None,
    relit: bool = False,
) -> Inspection:
    """Look at a whole photo or a large part of it, sRGB in [0, 1].

    Args:
        image: As it came, or made light.
        inspector: On any device.
        second_opinion: Asked for where the inspector or the waves say something, and of every
            photo below `LITTLE_SIDE`², and told what was seen; then its answer counts. Where it
            alone sees something it counts only if the photo shows a face: few portraits are like
            a pattern, many walls and floors are.
        relit: Whether it was made light. Such a photo never counts as flat: what lay over it may
            have been rounded away in the dark.
    """
    device = next(inspector.parameters()).device
    with torch.inference_mode():
        levels = windows(image, inspector.config.side, inspector.config.levels)
        pattern, noise, printed = _odds(inspector([level.to(device) for level in levels]))
        flat = not relit and is_flat(image)
        little = image.shape[2] * image.shape[3] < LITTLE_SIDE**2
        combed = not (flat or little) and is_combed(luma(image)[0, 0])
        peaks = fundamentals(find_peaks(image, MOST_WAVES))[:MOST_PEAKS]
        seen = Inspection(
            pattern=pattern, noise=noise, printed=printed, peaks=peaks, flat=flat, combed=combed
        )
        if seen.patterned or little or (peaks and peaks[0].strength > FAINTEST_SURE):
            seen = replace(seen, peaks=covered(luma(image)[0, 0], peaks))
        if second_opinion is not None and (seen.presence or little):
            pattern, noise, printed = _odds(second_opinion(seen))
            again = replace(seen, pattern=pattern, noise=noise, printed=printed, asked_again=True)
            again = replace(again, alone=seen.odds <= seen.bounds[0])
            lone = again.alone and not seen.waved
            if not lone or (again.presence and second_opinion.shows_faces()):
                seen = replace(again, partial=_is_of_a_thing(again, second_opinion))
    return seen if seen.patterned else replace(seen, peaks=())


def _is_of_a_thing(seen: Inspection, second_opinion: SupportsOpinion) -> bool:
    """Whether its strongest wave and what is taken away are in a part of the photo only."""
    return (
        seen.presence > 0
        and not seen.combed
        and bool(seen.peaks)
        and seen.peaks[0].coverage < PARTLY
        and second_opinion.spread() < LITTLE_SPREAD
    )


def _odds(answer: Findings) -> tuple[float, float, float]:
    """Probabilities of a pattern, of noise, and that it is printed."""
    pattern, noise, printed = (float(odds.sigmoid()) for odds in answer)
    return pattern, noise, printed


def middle(source: ImageSource) -> Float[Tensor, "1 3 h w"]:
    """As much of a photo's middle as is looked at, sRGB in [0, 1]."""
    height, width = min(source.height, INSPECTED_SIDE), min(source.width, INSPECTED_SIDE)
    top, left = (source.height - height) // 2, (source.width - width) // 2
    return source.read(top, left, top + height, left + width)
