"""Small pictures of a photo on its way: what a report shows of it.

They are made where the photo is restored and travel with its record, so whoever writes the report
needs neither the photo nor the place where it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from restorecli.marks import marked, reduced
from restorecli.options import Stage
from restorecli.photo import Metadata, Photo, from_image
from restorecli.photo_rows import on_white, to_8_bits
from restorecli.pipeline import Restoration

LONGEST_SIDE = 640  # px
QUALITY = 80  # of WebP
INPUT, FINAL = "input", "final"


@dataclass(frozen=True, kw_only=True)
class Thumbnails:
    """What is shown of one photo.

    Attributes:
        pictures: WebP files by name, in the order of the steps: `"input"`, then of `"denoised"`,
            `"relit"` and `"faces"` those that have something to show, and `"final"`.
        changed: Root mean square difference of the first and the last of them, in [0, 1].
    """

    pictures: Mapping[str, bytes]
    changed: float


def small_photos(
    photo: Photo, restoration: Restoration, stages: Sequence[Stage]
) -> dict[str, Photo]:
    """Reduce the pictures of all steps; what is whole can be let go then.

    Args:
        photo: The photo as it was.
        restoration: Made with its steps kept, of any size.
        stages: What was run; what was left out or changed nothing is not shown.

    Returns:
        By the names of `Thumbnails.pictures`, at most `LONGEST_SIDE` high and wide.
    """
    size = shown_size(photo, LONGEST_SIDE)

    def small(whole: Photo) -> Photo:
        return _photo(_sized(whole, size), photo)

    found = {INPUT: small(photo)}
    if "denoise" in stages:
        found["denoised"] = small(from_image(restoration.steps["denoised"]))
    if restoration.relit:
        found["relit"] = small(from_image(restoration.steps["relit"]))
    if restoration.faces:
        faces = (reduced(face, size[0] / photo.height) for face in restoration.faces)
        found["faces"] = marked(small(from_image(restoration.steps["relit"])), tuple(faces))
    return found | {FINAL: small(restoration.photo)}


def encoded(small: Mapping[str, Photo]) -> Thumbnails:
    """Make files of small photos, the first one of which is as it was and the last one restored."""
    first, last = (_values(small[name]) for name in (INPUT, FINAL))
    return Thumbnails(
        pictures={name: photo.encode("webp", QUALITY) for name, photo in small.items()},
        changed=float(np.sqrt(np.square(first - last).mean())),
    )


def webp(photo: Photo, longest_side: int, quality: int = QUALITY) -> bytes:
    """A photo as it is shown in a browser, in its own colours.

    Args:
        photo: Of any kind and size.
        longest_side: In pixels; larger photos are reduced to it.
        quality: 1 to 100.
    """
    return _photo(_sized(photo, shown_size(photo, longest_side)), photo).encode("webp", quality)


def shown_size(photo: Photo, longest_side: int) -> tuple[int, int]:
    """Height and width of a photo, reduced in proportion to at most `longest_side`."""
    factor = min(1.0, longest_side / max(photo.height, photo.width))
    return max(1, round(photo.height * factor)), max(1, round(photo.width * factor))


def picture(photo: Photo) -> Image.Image:
    """Show a photo in 8 bits a channel, what is transparent as white."""
    pixels = to_8_bits(photo.pixels)
    if photo.alpha is not None:
        alpha = to_8_bits(photo.alpha)
        pixels = on_white(pixels, alpha if photo.grey else alpha[..., None])
    return Image.fromarray(pixels)


def _sized(photo: Photo, size: tuple[int, int]) -> Image.Image:
    height, width = size
    shown = picture(photo)
    if shown.size == (width, height):
        return shown
    return shown.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)


def _photo(shown: Image.Image, of: Photo) -> Photo:
    """Make a photo of a picture in the colours of another photo."""
    return Photo(pixels=np.asarray(shown), metadata=Metadata(icc=of.metadata.icc), name=of.name)


def _values(photo: Photo) -> np.ndarray:
    pixels = photo.pixels.astype(np.float32) / 255
    return pixels if pixels.ndim == 3 else pixels[..., None]
