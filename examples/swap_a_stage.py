"""Put a step of your own in the place of the denoiser: here OpenCV's non-local means."""

from pathlib import Path

import cv2

from restorecli import Options, Photo, Restorer, metrics

pairs = Path(__file__).parent / "pairs"
degraded = Photo.read(pairs / "degraded" / "portrait-2.jpg")
clean = Photo.read(pairs / "clean" / "portrait-2.jpg")

restorer = Restorer.load()
filtered = Photo(pixels=cv2.fastNlMeansDenoisingColored(degraded.pixels, None, 10, 10))
swapped = restorer(filtered, Options(scale=1, stages=("relight", "faces", "refine")))
swapped.write("swap_a_stage.png", overwrite=True)

for name, photo in (("non-local means, then our faces and refine", swapped),
                    ("all of ours", restorer(degraded, Options(scale=1)))):  # fmt: skip
    print(f"{name}: SSIM {metrics.ssim(photo.image(), clean.image()):.3f}")
