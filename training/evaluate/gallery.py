"""A page of scans of printed photographs, before and after: `make gallery`."""

import argparse
from dataclasses import replace
from pathlib import Path

from restorecli import Options, Photo, Restorer
from restorecli.previews.part import cut
from restorecli.reports import pages

REAL = Path(__file__).parents[2] / "examples" / "real"
SCANS = {  # what is shown of each scan: left and top
    "book-halftone": ("A book, coarse dots", 0, 0),
    "mint-halftone": ("A book of the 1880s, fine dots", 20, 20),
    "directory-halftone": ("A directory, small dots", 70, 70),
    "directory-dots": ("A directory, fine dots", 40, 60),
    "directory-moire": ("A directory, dots and colour fringes", 60, 80),
    "directory-blotches": ("A directory, coloured blotches", 60, 70),
}
SIDE, QUALITY = 360, 80  # px of the scan; of WebP


def write_gallery(restorer: Restorer, target: Path) -> int:
    """Restore the scans at x1 and write the page, in place of the one that is there.

    Returns:
        The number of scans.
    """
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
    pages.write("scans.html", values, target, overwrite=True)
    return len(cards)


def main() -> None:
    """Parse the command line and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="HTML file")
    target = parser.parse_args().target
    restorer = Restorer.load(device="cpu", precision="fp32")
    print(f"{target}: {write_gallery(restorer, target)} scans, before and after")


if __name__ == "__main__":
    main()
