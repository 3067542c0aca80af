"""What `make strip` runs: scans of printed photographs above, the same restored below."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from restorecli import Options, Photo, Restorer

REAL = Path(__file__).parent / "real"
PANELS = {  # what is shown of each scan: first row and column
    "book-halftone": ("book: coarse dots", 80, 120),
    "directory-moire": ("directory: dots, colour fringes", 175, 187),
    "directory-halftone": ("directory: fine dots", 195, 140),
}
SHOWN, SIDE, GAP, LABEL = 240, 300, 6, 24  # px of the scan; px of the strip

restorer = Restorer.load(device="cpu", precision="fp32")
font = ImageFont.load_default(15)
strip = Image.new("RGB", (3 * SIDE + 2 * GAP, 2 * (SIDE + LABEL)), "white")
pen = ImageDraw.Draw(strip)
for column, (name, (title, top, left)) in enumerate(PANELS.items()):
    scan = Photo.read(REAL / f"{name}.jpg")
    restored = restorer(scan, Options(scale=1))
    for row, (photo, word) in enumerate(((scan, f"scan of a {title}"), (restored, "restored"))):
        cut = photo.pixels[top : top + SHOWN, left : left + SHOWN]
        picture = Image.fromarray(cut).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        corner = column * (SIDE + GAP), row * (SIDE + LABEL)
        pen.text((corner[0] + 2, corner[1] + 2), word, fill="black", font=font)
        strip.paste(picture, (corner[0], corner[1] + LABEL))
Photo(pixels=np.asarray(strip)).write("strip.jpg", quality=88, overwrite=True)
print("strip.jpg: three scans above, restored below")
