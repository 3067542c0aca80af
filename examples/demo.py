"""What `make demo` runs: restore every picture of this folder, and say what it gained.

Writes to `demo/` of the current folder: the restored pictures, and each beside what it was made of.
"""

import time
from pathlib import Path

import numpy as np

from restorecli import Options, Photo, Restorer, metrics

HERE = Path(__file__).parent
OUT = Path("demo")


def main() -> None:
    restorer = Restorer.load()
    start = time.perf_counter()
    gained = {
        path.stem: restore_pair(restorer, path)
        for path in sorted((HERE / "pairs" / "degraded").glob("*.jpg"))
    }
    print("SSIM to the clean picture    as it came     restored")
    for name, scores in gained.items():
        print(line(name, scores))
    print(line("mean", np.mean(list(gained.values()), axis=0)))
    photos = sorted([*(HERE / "photos").glob("*.jpg"), *(HERE / "real").glob("*.jpg")])
    for path in photos:
        keep(path.stem, photo := Photo.read(path), restorer(photo, Options(scale=1)))
    print(f"{len(gained) + len(photos)} pictures in {time.perf_counter() - start:.0f} seconds")
    print(f"Restored: {OUT.resolve()}/*.restored.png, before and after: *.compare.png")


def restore_pair(restorer: Restorer, degraded: Path) -> list[float]:
    photo = Photo.read(degraded)
    clean = Photo.read(HERE / "pairs" / "clean" / degraded.name).image()
    keep(degraded.stem, photo, result := restorer(photo, Options(scale=1)))
    return [metrics.ssim(image, clean) for image in (photo.image(), result.image())]


def line(name: str, scores: list[float]) -> str:
    return f"{name:<27}" + "".join(f"{score:>13.3f}" for score in scores)


def keep(name: str, photo: Photo, result: Photo) -> None:
    OUT.mkdir(exist_ok=True)
    result.write(OUT / f"{name}.restored.png", overwrite=True)
    both = Photo(pixels=np.concatenate([photo.pixels, result.pixels], axis=1))
    both.write(OUT / f"{name}.compare.png", overwrite=True)


if __name__ == "__main__":
    main()
