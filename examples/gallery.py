"""What `make gallery` runs: a page of scans of printed photographs, before and after."""

from dataclasses import replace
from pathlib import Path

from restorecli import Options, Photo, Restorer
from restorecli.previews.part import cut
from restorecli.reports import pages

REAL = Path(__file__).parent / "real"
SCANS = {  # what is shown of each scan: left and top
    "book-halftone": ("A book, coarse dots", 0, 0),
    "mint-halftone": ("A book of the 1880s, fine dots", 20, 20),
    "directory-halftone": ("A directory, small dots", 70, 70),
    "directory-dots": ("A directory, fine dots", 40, 60),
    "directory-moire": ("A directory, dots and colour fringes", 60, 80),
    "directory-blotches": ("A directory, coloured blotches", 60, 70),
}
SIDE, QUALITY = 360, 80  # px of the scan; of WebP

restorer = Restorer.load(device="cpu", precision="fp32")
cards = []
for name, (title, left, top) in SCANS.items():
    scan = Photo.read(REAL / f"{name}.jpg")
    parts = [
        cut(replace(photo, name=title), (left, top, left + SIDE, top + SIDE))
        for photo in (scan, restorer(scan, Options(scale=1)))
    ]
    before, after = (pages.data_uri(part.encode("webp", QUALITY), "webp") for part in parts)
    cards.append({"title": title, "file": f"{name}.jpg", "before": before, "after": after})
values = {"title": "Scans, before and after", "cards": cards, "side": SIDE}
pages.write("scans.html", values, Path("gallery.html"), overwrite=True)
print(f"gallery.html: {len(cards)} scans, before and after")
