"""What `make strip` runs: three examples as they came, restored, and as they were, side by side."""

import numpy as np

from restorecli import Options, Photo, Restorer
from restorecli.bench import dataset
from restorecli.manifest import example_pairs_folder

SHOWN = ("portrait-1", "portrait-2", "portrait-5")
SIDE, GAP = 240, 6  # px

restorer = Restorer.load(device="cpu", precision="fp32")
columns = []
for pair in dataset.find(example_pairs_folder()):
    if pair.name in SHOWN:
        degraded = Photo.read(pair.degraded)
        rows = (degraded, restorer(degraded, Options(scale=1)), Photo.read(pair.clean))
        columns.append([photo.pixels[:SIDE, :SIDE] for photo in rows])

tiles = [
    np.pad(pixels, ((0, 0), (0, GAP if number < 2 else 3 * GAP), (0, 0)), constant_values=255)
    for column in columns
    for number, pixels in enumerate(column)
]
strip = np.concatenate(tiles, axis=1)[:, : -3 * GAP]
Photo(pixels=strip).write("strip.jpg", quality=90, overwrite=True)
print("strip.jpg: as it came | restored | as it was, three times")
