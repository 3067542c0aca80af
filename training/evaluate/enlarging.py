"""What the product makes of small photos, against bicubic enlarging.

    python -m training.evaluate.enlarging --photos runs/photos [--weights FOLDER] [--save FOLDER]

Sharp photos that are held out from training are brought to 768 × 512 at most, made small by bicubic
reduction and brought back by every step of the product but the one that brightens; the same behind
JPEG of quality 75. Then small photos under patterns: enlarged, against restored at their size and
enlarged bicubically. To measure only; nothing is chosen by it.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli import Options, Photo, Restorer
from restorecli.colour import luma
from restorecli.degrade import degrade
from restorecli.degrade.corruption import jpeg
from restorecli.metrics import psnr_y, ssim
from restorecli.networks.orsnet import bicubic
from restorecli.options import STAGES
from training.arguments import thread_options, use_threads
from training.data.photo_pool import PLENTIFUL, photo_names, softness
from training.data.samples import VALIDATION
from training.evaluate.field_sets import read
from training.tasks.orsnet import reduce

COUNT = 24  # photos of each group
SHARP = (26.0, 34.0)  # dB of `softness`: below are noise and weaves finer than pixels, above blur
LARGEST, SMALLEST = (512, 768), 192  # px: of a photo at most, and its shorter side at least
DEGRADED = 384  # px of the side of what is made small and degraded
QUALITY = 75.0
Image3 = Float[Tensor, "1 3 h w"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        name: What was enlarged.
        scale: By how much.
        gains: PSNR-Y over bicubic in dB, one a photo.
        energies: Gradient energy over that of the clean photo, likewise.
    """

    name: str
    scale: int
    gains: list[float]
    energies: list[float]

    def line(self) -> str:
        """As Markdown has it."""
        return (
            f"| {self.name} | x{self.scale} | {len(self.gains)} | {mean(self.gains):+.2f} | "
            f"{min(self.gains):+.2f} | {mean(self.energies):.2f} |"
        )


FACTORS = (0, 1, 1.2, 1.4, 1.6, 1.8, 2)
FACTORS_HEAD = (
    "| residual times | PSNR-Y over bicubic, dB | worst | gradient energy over the clean photo's | "
    "the error's |\n|---|---|---|---|---|"
)
HEAD = (
    "| photos | scale | count | PSNR-Y over bicubic, dB | worst | gradient energy over the clean "
    "photo's |\n|---|---|---|---|---|---|"
)


def sharp(folder: Path, *, portraits: bool, count: int) -> list[tuple[str, Image3]]:
    """Held-out sharp photos by name, scenes or portraits, brought to their size."""
    found = []
    for name in photo_names(folder, held_out=True):
        top = name.split("/", 1)[0]
        if (top in PLENTIFUL) == portraits and top != "drawn":
            photo = fitted(read(folder / name))
            if min(photo.shape[-2:]) >= SMALLEST and SHARP[0] <= softness(photo) < SHARP[1]:
                found.append((name, photo))
    step = max(1, len(found) // count)  # of all folders, not of the first ones
    return found[::step][:count]


def fitted(photo: Image3) -> Image3:
    """A photo no larger than `LARGEST`, sides multiples of 4, in whole steps of 1/255."""
    upright = sorted(photo.shape[-2:]) != list(photo.shape[-2:])
    most = LARGEST[::-1] if upright else LARGEST
    factor = min(1.0, *(side / own for side, own in zip(most, photo.shape[-2:], strict=True)))
    if factor < 1:
        size = [round(side * factor) for side in photo.shape[-2:]]
        photo = F.interpolate(photo, size, mode="bicubic", antialias=True).clamp(0, 1)
    height, width = (side // 4 * 4 for side in photo.shape[-2:])
    return (photo[..., :height, :width] * 255).round() / 255


def small(clean: Image3, scale: int) -> Image3:
    """A photo made small by bicubic reduction, in whole steps of 1/255."""
    return (reduce(clean, scale, torch.zeros(1)) * 255).round() / 255


def compressed(image: Image3) -> Image3:
    """The same behind JPEG with subsampled chroma."""
    return jpeg(image, torch.tensor([QUALITY]), torch.tensor([True]))


def energy(image: Image3) -> float:
    """Mean square of the luma's differences along both axes; of an error too."""
    grey = luma(image)
    return float(grey.diff(dim=2).square().mean() + grey.diff(dim=3).square().mean())


def enlarged(restorer: Restorer, image: Image3, scale: int, *, alone: bool = False) -> Image3:
    """What the product gives, or the step that enlarges alone."""
    options = Options(scale=scale, relight="off", stages=("upscale",) if alone else STAGES)
    return restorer(Photo.from_image(image), options).image()


def measured(
    restorer: Restorer,
    name: str,
    photos: list[tuple[str, Image3]],
    scale: int,
    change: Callable[[Image3], Image3],
    save: Path | None,
    *,
    alone: bool = False,
) -> Row:
    """Enlarge all photos of a group, and keep the pictures if a folder is named."""
    gains, energies = [], []
    for path, clean in photos:
        seen = change(small(clean, scale))
        ours = enlarged(restorer, seen, scale, alone=alone)
        plain = bicubic(seen, scale).clamp(0, 1)
        gains.append(psnr_y(ours, clean) - psnr_y(plain, clean))
        energies.append(energy(ours) / energy(clean))
        if save is not None:
            both = torch.cat((plain, ours, clean), 3)
            file = f"{name}-x{scale}-{path.replace('/', '-')}.png".replace(" ", "-")
            Photo.from_image(both).write(save / file, overwrite=True)
    return Row(name=name, scale=scale, gains=gains, energies=energies)


def amplified(
    restorer: Restorer, photos: list[tuple[str, Image3]], factors: Sequence[float]
) -> list[str]:
    """Lines of a table: what ORSNet adds to bicubic at x2, times each of some factors.

    The mean of all that the small photo could be has no more gradient energy than the truth less
    its own error's (the law of total variance); more of it is bought with error.
    """
    gains, energies, errors = (
        {factor: list[float]() for factor in factors} for _ in range(3)
    )  # fmt: skip
    for _, clean in photos:
        seen = small(clean, 2)
        plain, ours = bicubic(seen, 2), enlarged(restorer, seen, 2, alone=True)
        before = psnr_y(plain.clamp(0, 1), clean)
        for factor in factors:
            image = torch.lerp(plain, ours, factor).clamp(0, 1)
            gains[factor].append(psnr_y(image, clean) - before)
            energies[factor].append(energy(image) / energy(clean))
            errors[factor].append(energy(image - clean) / energy(clean))
    return [
        f"| {factor:g} | {mean(gains[factor]):+.2f} | {min(gains[factor]):+.2f} | "
        f"{mean(energies[factor]):.2f} | {mean(errors[factor]):.2f} |"
        for factor in factors
    ]


def under_patterns(restorer: Restorer, photos: list[tuple[str, Image3]]) -> tuple[float, float]:
    """Mean SSIM at x2 of small photos under patterns: enlarged, and at x1 enlarged bicubically."""
    ours, plain = [], []
    for number, (_, photo) in enumerate(photos):
        clean = photo[..., :DEGRADED, :DEGRADED]
        pair = degrade(small(clean, 2), torch.tensor([number]), VALIDATION)
        at_size = enlarged(restorer, pair.image, 1)
        ours.append(ssim(enlarged(restorer, pair.image, 2), clean))
        plain.append(ssim(bicubic(at_size, 2).clamp(0, 1), clean))
    return mean(ours), mean(plain)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[thread_options()])
    parser.add_argument("--photos", type=Path, required=True, help="folder tree of clean photos")
    parser.add_argument("--weights", type=Path, help="folder of all steps' weights")
    parser.add_argument("--count", type=int, default=COUNT, help="photos of each group")
    parser.add_argument("--alone", action="store_true", help="leave all other steps out")
    parser.add_argument(
        "--amplify", action="store_true", help="only: what the last step adds, times some factors"
    )
    parser.add_argument("--save", type=Path, help="folder for bicubic, ours, clean side by side")
    arguments = parser.parse_args()
    use_threads(arguments)
    restorer = Restorer.load(device="cpu", folder=arguments.weights)
    if arguments.save is not None:
        arguments.save.mkdir(parents=True, exist_ok=True)
    scenes = sharp(arguments.photos, portraits=False, count=arguments.count)
    if arguments.amplify:
        print(FACTORS_HEAD, *amplified(restorer, scenes, FACTORS), sep="\n")
        return
    portraits = sharp(arguments.photos, portraits=True, count=arguments.count)
    groups = (
        ("scenes", scenes, torch.Tensor.clone),
        ("scenes, JPEG", scenes, compressed),
        ("portraits", portraits, torch.Tensor.clone),
    )
    print(HEAD)
    for name, photos, change in groups:
        for scale in (2, 4):
            row = measured(
                restorer, name, photos, scale, change, arguments.save, alone=arguments.alone
            )
            print(row.line(), flush=True)
    if arguments.alone:
        return
    ours, plain = under_patterns(restorer, scenes)
    print(f"under patterns, x2: SSIM {ours:.4f}, at x1 and enlarged bicubically {plain:.4f}")


if __name__ == "__main__":
    main()
