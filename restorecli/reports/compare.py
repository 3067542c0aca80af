"""Before and after in one file: side by side as a picture, or one over the other on a page.

The page is a single file with the pictures inside; it loads nothing and works offline.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from restorecli.options import SaveOptions
from restorecli.photo import Metadata, Photo
from restorecli.previews import thumbnails
from restorecli.reports import pages

LONGEST_SIDE = 4096  # pixels of each half; larger results are shown smaller
GAP = 8  # pixels of white between the halves
PAGE_QUALITY = 92


def write(before: Photo, after: Photo, target: Path, save: SaveOptions) -> None:
    """Write a comparison; what it is, the name of the target says.

    Args:
        before: The photo as it was.
        after: Its restoration, of any size.
        target: A picture of any kind that can be written, or a page if it ends in `.html`.
        save: How it is written; `quality` counts for pictures of a lossy kind.

    Raises:
        PhotoWriteError: The target exists or cannot be written.
    """
    if pages.is_page(target):
        pages.write("compare.html", _values(before, after), target, overwrite=save.overwrite)
    else:
        side_by_side(before, after).write(target, quality=save.quality, overwrite=save.overwrite)


def side_by_side(before: Photo, after: Photo) -> Photo:
    """Put the photo on the left and its restoration on the right, at the latter's size.

    Returns:
        8 bits a channel, transparency on white, the colour profile kept; each half is at most
        `LONGEST_SIDE` pixels high and wide.
    """
    height, width = thumbnails.shown_size(after, LONGEST_SIDE)
    left = thumbnails.picture(before).resize((width, height), Image.Resampling.BICUBIC)
    right = thumbnails.picture(after).resize(
        (width, height), Image.Resampling.LANCZOS, reducing_gap=3
    )
    sheet = Image.new(right.mode, (2 * width + GAP, height), "white")
    sheet.paste(left.convert(right.mode), (0, 0))
    sheet.paste(right, (width + GAP, 0))
    metadata = Metadata(icc=after.metadata.icc)
    return Photo(pixels=np.asarray(sheet), metadata=metadata, name=after.name)


def page(before: Photo, after: Photo) -> str:
    """Make a page on which a slider, moved by hand, touch or arrow keys, uncovers the result."""
    return pages.text("compare.html", _values(before, after))


def _values(before: Photo, after: Photo) -> dict[str, object]:
    height, width = thumbnails.shown_size(after, LONGEST_SIDE)
    return {
        "title": before.name,
        "sizes": f"{before.width} × {before.height} → {after.width} × {after.height} pixels",
        "width": width,
        "height": height,
        "before": _address(before),
        "after": _address(after),
    }


def _address(photo: Photo) -> str:
    small = thumbnails.reduced(photo, LONGEST_SIDE)
    return pages.data_uri(small.encode("webp", PAGE_QUALITY), "webp")
