"""A restorer that computes nothing: it enlarges, finds one face, and fails when told to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli.errors import DeviceError
from restorecli.faces.restore import FaceRecord, FaceStatus
from restorecli.options import Options, StageImage
from restorecli.photo import Photo
from restorecli.pipeline import Restoration, Restorer

KEPT = (StageImage.DENOISED, StageImage.RELIT, StageImage.COMPOSED)
FACE = FaceRecord(
    box=(2.0, 3.0, 10.0, 14.00004),
    landmarks=((4.0, 6.0), (8.0, 6.0), (6.0, 8.0), (4.0, 11.0), (8.0, 11.0)),
    score=0.875,
    status=FaceStatus.RESTORED,
    prior=0.25,
    moved=0.5,
)


@dataclass
class FakeRestorer:
    """Stands in for `restorecli.pipeline.Restorer`.

    Attributes:
        failing: Names of photos that end in a `DeviceError`.
        interrupting: Name of a photo during which somebody presses Ctrl-C.
        broken: Name of a photo that meets a bug.
        seen: Names of the photos, and the options, as they came.
        at_once: Photos that a batch restores at the same time.
        meanwhile: Called with each photo's number, from 0 on: what others do while it is restored.
    """

    failing: frozenset[str] = frozenset()
    interrupting: str = ""
    broken: str = ""
    seen: list[tuple[str, Options]] = field(default_factory=list)
    at_once: int = 1
    meanwhile: Callable[[int], object] = lambda number: None

    def installed(self, monkeypatch: pytest.MonkeyPatch) -> "FakeRestorer":
        """Be what `Restorer.load` gives from now on."""
        monkeypatch.setattr(Restorer, "load", lambda **_: self)
        return self

    def restore(
        self,
        photo: Photo,
        options: Options | None = None,
        *,
        keep_steps: bool = False,
        step_side: int | None = None,
    ) -> Restoration:
        """Enlarge a photo by repeating its pixels."""
        options = options or Options()
        self.meanwhile(len(self.seen))
        self.seen.append((photo.name, options))
        if photo.name in self.failing:
            raise DeviceError(f"{photo.name}: no memory. Use a smaller --tile.")
        if photo.name == self.interrupting:
            raise KeyboardInterrupt
        if photo.name == self.broken:
            raise ZeroDivisionError
        options = options.for_photo(photo.height, photo.width)
        scale = options.network_scale
        colours = photo.pixels if not photo.grey else np.dstack([photo.pixels] * 3)
        image = photo.image()
        return Restoration(
            photo=photo.replaced(colours.repeat(scale, 0).repeat(scale, 1)),
            scale=scale,
            relit=False,
            faces=(FACE,) if "faces" in options.stages else (),
            seconds=0.25,
            device="cpu",
            precision="fp32",
            steps=dict.fromkeys(KEPT, image) if keep_steps else {},
        )


class Untouching:
    """A restorer that gives every photo back."""

    device = torch.device("cpu")
    precision = torch.float32

    def __init__(self) -> None:
        self.options: list[Options] = []

    def __call__(self, photo: Photo, options: Options) -> Photo:
        """Give the photo back."""
        self.options.append(options)
        return photo


def picture(path: Path, *, height: int = 16, width: int = 12) -> Path:
    """Write a small picture of noise that is the same every time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path
