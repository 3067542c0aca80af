"""What `make sheet` runs: a portrait under every family of patterns, twice, with its SSIM.

python -m training.evaluate.pattern_sheet docs/patterns.jpg
"""

import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from restorecli import Photo, metrics
from restorecli.bench import dataset
from restorecli.degrade import FAMILIES, DegradeConfig, degrade
from restorecli.manifest import example_pairs_folder

SIDE, LABEL, COLUMNS = 144, 14, 9  # px, px, samples a row
PORTRAITS = {"portrait-1": 20, "portrait-5": 70}  # first row of the crop


def samples() -> list[tuple[str, torch.Tensor]]:
    """Degraded crops (1, 3, SIDE, SIDE) with what they are called."""
    portraits = [pair for pair in dataset.find(example_pairs_folder()) if pair.name in PORTRAITS]
    photos = []
    for pair in portraits:
        top = PORTRAITS[pair.name]
        photos.append(Photo.read(pair.clean).image()[..., top : top + SIDE, 40 : 40 + SIDE])
    pictures: list[tuple[str, torch.Tensor]] = []
    for number, family in enumerate(FAMILIES):
        only = DegradeConfig(families=(family,), clean=0, plain=0, dimmed=0, mild=0.2, second=0.1)
        for photo in photos:
            seed = torch.tensor([100 + number])
            sample = degrade(photo, seed + 1000 * len(pictures), only)
            pictures.append(
                (f"{family} {metrics.ssim(sample.image, sample.target):.2f}", sample.image)
            )
    return pictures


def main() -> None:
    """Draw them into the file that is named."""
    (target,) = (Path(word) for word in sys.argv[1:])
    pictures = samples()
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * SIDE, rows * (SIDE + LABEL)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (name, image) in enumerate(pictures):
        left, top = number % COLUMNS * SIDE, number // COLUMNS * (SIDE + LABEL)
        pixels = (image[0].permute(1, 2, 0) * 255).round().byte().numpy()
        sheet.paste(Image.fromarray(pixels), (left, top + LABEL))
        pen.text((left + 3, top + 1), name, fill="black")
    sheet.save(target, quality=85)
    print(f"{target}: {len(pictures)} samples of {len(FAMILIES)} families, with their SSIM")


if __name__ == "__main__":
    main()
