"""Small pictures of a photo on its way: what a report shows of it.

They are made where the photo is restored and travel with its record, so whoever writes the report
needs neither the photo nor the place where it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from restorecli.faces.restore import FaceRecord
from restorecli.options import Stage, StageImage
from restorecli.photo import Metadata, Photo
from restorecli.photo.rows import on_white, to_8_bits
from restorecli.pipeline import Restoration
from restorecli.previews.face_overlay import marked

LONGEST_SIDE = 640  # px
KIND = "jpeg"  # at this size a fourteenth of the time of WebP for 1.6 times the bytes
QUALITY = 80


def small_photos(
    photo: Photo, restoration: Restoration, stages: Sequence[Stage]
) -> dict[StageImage, Photo]:
    """Reduce the pictures of all steps; what is whole can be let go then.

    Args:
        photo: The photo as it was.
        restoration: Made with its steps kept, of any size.
        stages: What was run; what was left out or changed nothing is not shown.

    Returns:
        By the names of the steps, at most `LONGEST_SIDE` high and wide.
    """
    steps = restoration.steps
    photos = {StageImage.INPUT: small(photo)}
    if restoration.relit:
        photos[StageImage.RELIT] = _step(steps[StageImage.RELIT], photo)
    if "denoise" in stages:
        photos[StageImage.DENOISED] = _step(steps[StageImage.DENOISED], photo)
    if restoration.faces:
        photos[StageImage.FACES] = _with_marks(
            _step(steps[StageImage.DENOISED], photo), photo, restoration.faces
        )
    return photos | {StageImage.FINAL: small(restoration.photo)}


def small(photo: Photo) -> Photo:
    """A photo as a report shows it."""
    return reduced(photo, LONGEST_SIDE)


def encoded(photos: Mapping[StageImage, Photo]) -> tuple[dict[StageImage, bytes], float]:
    """Make files of small photos, among them one as it was and one restored.

    Returns:
        `pictures` and `changed` of `restorecli.record.Thumbnails`.
    """
    first = photos[StageImage.INPUT]
    last = _resized(photos[StageImage.FINAL], (first.height, first.width))
    difference = first.image() - last.image()
    pictures = {name: photo.encode(KIND, QUALITY) for name, photo in photos.items()}
    return pictures, float(difference.square().mean().sqrt())


def reduced(photo: Photo, longest_side: int) -> Photo:
    """A photo as it is shown in a browser: 8 bits, opaque, in its own colours, not too large.

    Args:
        photo: Of any kind and size.
        longest_side: In pixels; larger photos are reduced to it.
    """
    return _resized(photo, shown_size(photo, longest_side))


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


def step_photo(image: Float[Tensor, "1 3 h w"], of: Photo) -> Photo:
    """A picture between the steps of a photo, in its colours; in three channels if it is grey."""
    return replace(Photo.from_image(image, of.name), metadata=of.metadata.of_colours())


def _step(image: Float[Tensor, "1 3 h w"], of: Photo) -> Photo:
    return small(step_photo(image, of))


def _with_marks(photo: Photo, of: Photo, faces: Sequence[FaceRecord]) -> Photo:
    """Draw faces on a picture that is large enough for thin lines and small letters."""
    factor = LONGEST_SIDE / max(of.height, of.width)
    size = (max(1, round(of.height * factor)), max(1, round(of.width * factor)))
    return marked(_resized(photo, size), tuple(face.scaled(factor) for face in faces))


def _resized(photo: Photo, size: tuple[int, int]) -> Photo:
    """A photo of 8 bits in a given height and width, of its own colours."""
    height, width = size
    image = picture(photo)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
    return Photo(
        pixels=np.asarray(image), metadata=Metadata(icc=photo.metadata.icc), name=photo.name
    )
