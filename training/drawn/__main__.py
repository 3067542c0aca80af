"""Write a folder of drawn pictures: `python -m training.drawn runs/photos/drawn --count 1600`.

A file's name says its kind and its number, as in `text_00012.webp`.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
from PIL import Image

from training.drawn.fonts import SYSTEM_FOLDERS
from training.drawn.pictures import KINDS, Material, picture

QUALITY = 92


def write(number: int, folder: Path, seed: int, material: Material, kind: str | None) -> Path:
    """Draw one picture and write it."""
    cv2.setNumThreads(1)
    name, pixels = picture(seed, number, material, kind=kind)
    path = folder / f"{name}_{number:05}.webp"
    Image.fromarray(pixels).save(path, quality=QUALITY, method=3)
    return path


def main() -> None:
    """Draw and write all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--count", type=int, default=1600)
    parser.add_argument("--first", type=int, default=0, help="number of the first picture")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="draw this kind only")
    parser.add_argument("--fonts", type=Path, nargs="*", default=list(SYSTEM_FOLDERS))
    parser.add_argument("--photos", type=Path, help="folder of photos to stand behind")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    one = partial(
        write,
        folder=arguments.out,
        seed=arguments.seed,
        material=Material.find(arguments.fonts, arguments.photos),
        kind=arguments.kind,
    )
    numbers = range(arguments.first, arguments.first + arguments.count)
    if arguments.workers > 1:
        with ProcessPoolExecutor(arguments.workers) as workers:
            done = sum(1 for _ in workers.map(one, numbers, chunksize=8))
    else:
        done = sum(1 for _ in map(one, numbers))
    print(f"{done} pictures in {arguments.out}")


if __name__ == "__main__":
    main()
