"""What `make demo` runs: restore every picture of this folder, and say what it gained.

Writes to `demo/` of the current folder: the restored pictures, each beside what it was made from.
"""

import time
from pathlib import Path

from restorecli import Options, Photo, Restorer, metrics
from restorecli.bench import dataset
from restorecli.bench.baselines import notch
from restorecli.manifest import example_pairs_folder
from restorecli.options import SaveOptions
from restorecli.reports import compare

HERE = Path(__file__).parent
OUT = Path("demo")


def main() -> None:
    restorer = Restorer.load()
    start = time.perf_counter()
    gained = {pair: restore_pair(restorer, pair) for pair in dataset.find(example_pairs_folder())}
    print("SSIM to the clean picture    as it came notch filter     restored")
    for pair, scores in gained.items():
        print(line(f"{pair.name} ({pair.family})", scores))
    print(
        line("mean", [sum(column) / len(gained) for column in zip(*gained.values(), strict=True)])
    )
    photos = sorted((HERE / "photos").glob("*.jpg"))
    for path in photos:
        photo = Photo.read(path)
        keep(path.stem, photo, restorer(photo, Options(scale=2)))
    print(f"{len(gained) + len(photos)} pictures in {time.perf_counter() - start:.0f} seconds")
    print(f"Restored: {OUT.resolve()}/*.restored.png, before and after: *.compare.html")


def restore_pair(restorer: Restorer, pair: dataset.Pair) -> list[float]:
    photo, clean = Photo.read(pair.degraded), Photo.read(pair.clean).image()
    result = restorer(photo, Options(scale=1))
    keep(pair.name, photo, result)
    candidates = (photo.image(), notch(photo.image()), result.image())
    return [metrics.ssim(image, clean) for image in candidates]


def line(name: str, scores: list[float]) -> str:
    return f"{name:<27}" + "".join(f"{score:>13.3f}" for score in scores)


def keep(name: str, photo: Photo, result: Photo) -> None:
    OUT.mkdir(exist_ok=True)
    result.write(OUT / f"{name}.restored.png", overwrite=True)
    compare.write(
        photo, result, OUT / f"{name}.compare.html", SaveOptions(quality=90, overwrite=True)
    )


if __name__ == "__main__":
    main()
