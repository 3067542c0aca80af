"""One page about what lies over photos: each, its spectrum, and what would be taken away."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restorecli.colour import luma
from restorecli.inspection.decision import Decision
from restorecli.inspection.peaks import Peak, spectrum, window_side
from restorecli.inspection.presence import middle
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.photo.files import refuse_target
from restorecli.pipeline import Restorer
from restorecli.previews import part as previews
from restorecli.previews import thumbnails
from restorecli.relight import lit
from restorecli.reports import pages
from restorecli.tiling.sources import PixelSource, whole

LONGEST_SIDE = 1024  # px, of the photo as it is shown
AMPLIFIED = 2.0  # by how much what is taken away is shown stronger
DARKEST, BRIGHTEST = 0.2, 0.999  # quantiles of a spectrum that are shown black and white
QUALITY = 90


@dataclass
class Report:
    """Gathers photos, and writes the page.

    Attributes:
        target: The page.
        overwrite: Whether it may exist.
        cards: What is shown of each photo.
    """

    target: Path
    overwrite: bool
    cards: list[dict[str, object]]

    def add(self, photo: Photo, decision: Decision, restorer: Restorer, lines: list[str]) -> None:
        """Show a photo, with the lines that the command says of it.

        Raises:
            DeviceError: As of `Restorer.restore`, which works on a part of the photo.
        """
        found = decision.inspection
        assert found is not None
        card = {
            "name": photo.name,
            "lines": "\n".join(lines[1:-1]),
            "verdict": lines[-1].strip(),
            "size": lines[0].rpartition(": ")[2],
            "photo": _address(photo),
            "height": photo.height,
            "width": photo.width,
            "marks": [],
            "spectrum": None,
            "part": None,
        }
        seen = middle(lit(PixelSource(photo.colours()), decision.gains))
        grey = luma(seen)[0, 0]
        side = window_side(*grey.shape)
        if side > 1:
            card["spectrum"] = _address(_picture(spectrum(grey, side)))
            card["marks"] = [_mark(peak) for peak in found.peaks]
        if decision.restores:
            part = previews.restored_part(restorer, photo, Options(scale=1), decision)
            card["part"] = _part(part, decision)
        self.cards.append(card)

    def write(self) -> None:
        """Write the page.

        Raises:
            PhotoWriteError: It cannot be written.
        """
        values = {"title": "What lies over photos", "cards": self.cards, "amplified": AMPLIFIED}
        pages.write("inspection.html", values, self.target, overwrite=self.overwrite)


def prepare(target: Path | None, *, overwrite: bool) -> Report | None:
    """Make ready for a page if one is asked for.

    Raises:
        PlanError: The target is no page.
        PhotoWriteError: It exists, or its folder does not.
    """
    if target is None:
        return None
    pages.refuse_other(target)
    refuse_target(target, overwrite=overwrite)
    return Report(target, overwrite, [])


def _part(part: previews.Part, decision: Decision) -> dict[str, object]:
    before, after = part.before, part.restoration.photo
    light = whole(lit(PixelSource(before.colours()), decision.gains))  # light is not taken away
    taken = (light - after.image()) * AMPLIFIED + 0.5
    left, top, right, bottom = part.box
    return {
        "left": left,
        "top": top,
        "width": right - left,
        "height": bottom - top,
        "before": _address(before),
        "after": _address(after),
        "taken": _address(Photo.from_image(taken)),
    }


def _address(photo: Photo) -> str:
    shown = thumbnails.reduced(photo, LONGEST_SIDE)
    return pages.data_uri(shown.encode("webp", QUALITY), "webp")


def _picture(amplitude: Tensor) -> Photo:
    """A spectrum with frequency 0 in the middle, brighter where there is more, in logarithms."""
    half = torch.log(amplitude[:, :-1] + 1e-5)
    other = torch.log(amplitude[:, 1:] + 1e-5).flip(0, 1).roll(1, 0)
    level = torch.cat((other, half), 1)
    low, high = (torch.quantile(level.flatten(), share) for share in (DARKEST, BRIGHTEST))
    shown = ((level - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    return Photo(pixels=(shown * 255).round().numpy().astype(np.uint8), name="spectrum")


def _mark(peak: Peak) -> dict[str, float]:
    """Where a wave lies in the picture of a spectrum, in percent of its sides."""
    turned = math.radians(peak.angle)
    return {
        "x": 50 + 100 * math.cos(turned) / peak.period,
        "y": 50 - 100 * math.sin(turned) / peak.period,
        "mirrored_x": 50 - 100 * math.cos(turned) / peak.period,
        "mirrored_y": 50 + 100 * math.sin(turned) / peak.period,
    }
