"""Before and after in one file: side by side as a picture, or one over the other on a page.

The page is a single file with the pictures inside; it loads nothing and works offline.
"""

import html
from base64 import b64encode
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from restorecli.photo import Metadata, Photo
from restorecli.photo_files import replace_file
from restorecli.photo_rows import on_white, to_8_bits

LONGEST_SIDE = 4096  # pixels of each half; larger results are shown smaller
GAP = 8  # pixels of white between the halves
PAGE_QUALITY = 92
PAGE_SUFFIXES = (".html", ".htm")


def is_page(path: Path) -> bool:
    """Whether a file of this name becomes a page with a slider, not a picture."""
    return path.suffix.lower() in PAGE_SUFFIXES


def write(before: Photo, after: Photo, target: Path, *, quality: int, overwrite: bool) -> None:
    """Write a comparison; what it is, the name of the target says.

    Args:
        before: The photo as it was.
        after: Its restoration, of any size.
        target: A picture of any kind that can be written, or a page if it ends in `.html`.
        quality: Of the picture if its kind is lossy, 1 to 100.
        overwrite: Whether the target may exist.

    Raises:
        PhotoWriteError: The target exists or cannot be written.
    """
    if is_page(target):
        content = page(before, after).encode("utf-8")
        replace_file(target, lambda file: file.write(content), overwrite=overwrite)
    else:
        side_by_side(before, after).write(target, quality=quality, overwrite=overwrite)


def side_by_side(before: Photo, after: Photo) -> Photo:
    """Put the photo on the left and its restoration on the right, at the latter's size.

    Returns:
        8 bits a channel, transparency on white, the colour profile kept; each half is at most
        `LONGEST_SIDE` pixels high and wide.
    """
    height, width = _shown_size(after)
    left = _picture(before).resize((width, height), Image.Resampling.BICUBIC)
    right = _picture(after).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
    sheet = Image.new(right.mode, (2 * width + GAP, height), "white")
    sheet.paste(left.convert(right.mode), (0, 0))
    sheet.paste(right, (width + GAP, 0))
    return _photo(sheet, after)


def page(before: Photo, after: Photo) -> str:
    """Make a page on which a slider, moved by hand, touch or arrow keys, uncovers the result."""
    height, width = _shown_size(after)
    template = Template(files("restorecli").joinpath("compare.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=html.escape(before.name),
        sizes=f"{before.width} × {before.height} → {after.width} × {after.height} pixels",
        width=width,
        height=height,
        before=_data_uri(before),
        after=_data_uri(after),
    )


def _shown_size(photo: Photo) -> tuple[int, int]:
    """Height and width of a photo, reduced in proportion to at most `LONGEST_SIDE`."""
    factor = min(1.0, LONGEST_SIDE / max(photo.height, photo.width))
    return max(1, round(photo.height * factor)), max(1, round(photo.width * factor))


def _data_uri(photo: Photo) -> str:
    height, width = _shown_size(photo)
    picture = _picture(photo)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
    content = _photo(picture, photo).encode("webp", PAGE_QUALITY)
    return "data:image/webp;base64," + b64encode(content).decode("ascii")


def _picture(photo: Photo) -> Image.Image:
    """Show a photo in 8 bits a channel, what is transparent as white."""
    pixels = to_8_bits(photo.pixels)
    if photo.alpha is not None:
        alpha = to_8_bits(photo.alpha)
        pixels = on_white(pixels, alpha if photo.grey else alpha[..., None])
    return Image.fromarray(pixels)


def _photo(picture: Image.Image, of: Photo) -> Photo:
    """Make a photo of a picture in the colours of another photo."""
    metadata = Metadata(icc=of.metadata.icc)
    return Photo(pixels=np.asarray(picture), alpha=None, metadata=metadata, name=of.name)
