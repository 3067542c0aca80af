"""Faces drawn on a photo: where each one is, how sure that is, and whether it was restored."""

from dataclasses import replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from restorecli.faces.restore import FaceRecord, FaceStatus
from restorecli.photo import Photo

RESTORED = (64, 255, 96)  # colour of a face that was restored, RGB
KEPT = (255, 176, 32)  # and of one that was left as it was
PLATE = (16, 16, 16)  # behind letters


def marked(photo: Photo, faces: tuple[FaceRecord, ...]) -> Photo:
    """Draw every face's box, five landmarks, index and score; what was not restored in amber.

    Args:
        photo: RGB of 8 bits, of the size that the records are in.
        faces: Largest first.
    """
    return replace(photo, pixels=_drawn(photo.pixels, faces))


def _drawn(
    pixels: UInt8[np.ndarray, "h w 3"], faces: tuple[FaceRecord, ...]
) -> UInt8[np.ndarray, "h w 3"]:
    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    line = max(1, round(max(picture.size) / 250))
    font = ImageFont.load_default(size=max(10, 8 * line))
    for index, face in enumerate(faces):
        colour = RESTORED if face.status == FaceStatus.RESTORED else KEPT
        left, top, right, bottom = face.box
        pen.rectangle((left, top, max(left, right), max(top, bottom)), outline=colour, width=line)
        for x, y in face.landmarks:
            pen.ellipse((x - line, y - line, x + line, y + line), fill=colour)
        place, words = (left + 2 * line, top + 2 * line), f"{index}  {face.score:.2f}"
        pen.rectangle(pen.textbbox(place, words, font=font), fill=PLATE)
        pen.text(place, words, fill=colour, font=font)
    return np.asarray(picture)
