"""Put a step of your own in the place of step 1: here the classical notch filter."""

from pathlib import Path

from restorecli import Options, Photo, Restorer, metrics
from restorecli.bench.baselines import notch
from restorecli.photo import from_image

pairs = Path(__file__).parent / "pairs"
degraded = Photo.read(pairs / "degraded" / "portrait-2.jpg")
clean = Photo.read(pairs / "clean" / "portrait-2.jpg")

restorer = Restorer.load()
filtered = from_image(notch(degraded.image()), degraded.name)
swapped = restorer(filtered, Options(scale=1, stages=("relight", "faces", "refine")))
swapped.write("swap_a_stage.png", overwrite=True)

for name, photo in (("notch, then our faces and refine", swapped),
                    ("all of ours", restorer(degraded, Options(scale=1)))):  # fmt: skip
    print(f"{name}: SSIM {metrics.ssim(photo.image(), clean.image()):.3f}")
