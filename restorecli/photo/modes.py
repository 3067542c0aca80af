"""Every pixel mode of Pillow, made grey or RGB of 8 bits, grey of 16, each with or without alpha.

Done strip by strip, so that a large photo is never held in two modes at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from restorecli.photo.canvas import Canvas, UnreadableError
from restorecli.photo.metadata import colour_space

_STRIP_PIXELS = 1 << 18
_CMYK_WITHOUT = "it is CMYK without a usable colour profile, so its colours are approximate"


@dataclass(frozen=True)
class Conversion:
    """How strips of an image become grey or RGB.

    Attributes:
        mode: Of the converted strips: `"L"`, `"LA"`, `"RGB"`, `"RGBA"` or `"I;16"`.
        convert: Strip in the image's mode to strip in `mode`.
        managed: The colours are sRGB now, so the file's colour profile no longer describes them.
        notices: What the user should know.
    """

    mode: str
    convert: Callable[[Image.Image], Image.Image]
    managed: bool = False
    notices: tuple[str, ...] = ()


def conversion(image: Image.Image, icc: bytes | None) -> Conversion:
    """Choose the conversion for a decoded image.

    Args:
        image: As Pillow decoded it.
        icc: Its colour profile; used, and used up, where the mode is none a photo can keep.

    Returns:
        What turns its strips into grey or RGB.
    """
    clear = "transparency" in image.info
    if image.mode == "F":
        raise UnreadableError("floating-point values. Export it as 16-bit TIFF first")
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return Conversion("I;16", lambda strip: strip)
    if image.mode in ("1", "L"):
        return _plain("LA" if clear else "L")
    if image.mode in ("LA", "La"):
        return _plain("LA")
    if image.mode == "P":
        return _plain("RGBA" if clear or _palette_alpha(image) else "RGB")
    if image.mode in ("RGBA", "RGBa", "PA"):
        return _plain("RGBA")
    if image.mode in ("CMYK", "LAB"):
        return _managed(image.mode, icc)
    return _plain("RGBA" if clear and image.mode == "RGB" else "RGB")


def fill(
    image: Image.Image, conversion: Conversion, orientation: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Convert a decoded image and turn it upright.

    Args:
        image: As Pillow decoded it.
        conversion: What `conversion` says of it.
        orientation: EXIF orientation of its pixels.

    Returns:
        Pixels and alpha as `Canvas.finish` gives them.
    """
    deep = conversion.mode == "I;16"
    clear = image.info.get("transparency") if deep else None
    channels = 3 if conversion.mode.startswith("RGB") else 1
    canvas = Canvas(
        image.height,
        image.width,
        channels=channels,
        alpha=conversion.mode.endswith("A") or clear is not None,
        dtype=np.uint16 if deep else np.uint8,
        orientation=orientation,
        tint=1 if image.format == "WEBP" else 0,  # lossy WebP gives grey back one step off
    )
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(image.height, top + rows)))
        values = np.asarray(conversion.convert(strip))
        if deep:
            values = values.astype(np.uint16, copy=False)
        colours = values if values.ndim == 2 else values[..., :channels]
        alpha = (
            values[..., channels] if values.ndim == 3 and conversion.mode.endswith("A") else None
        )
        if clear is not None:
            alpha = np.where(values == clear, 0, 65535).astype(np.uint16)
        canvas.put(top, 0, colours, alpha)
    return canvas.finish()


def _plain(mode: str) -> Conversion:
    return Conversion(mode, lambda strip: strip if strip.mode == mode else strip.convert(mode))


def _palette_alpha(image: Image.Image) -> bool:
    return image.palette is not None and image.palette.mode == "RGBA"


def _managed(mode: str, icc: bytes | None) -> Conversion:
    """Through the file's profile to sRGB, with black point compensation as print programs do."""
    transform = _transform(mode, icc)
    if transform is None:
        return Conversion("RGB", lambda strip: strip.convert("RGB"), True, (_CMYK_WITHOUT,))

    def convert(strip: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(strip, transform)
        assert converted is not None  # only in-place transforms return None
        return converted

    return Conversion("RGB", convert, managed=True)


def _transform(mode: str, icc: bytes | None) -> ImageCms.ImageCmsTransform | None:
    if mode == "CMYK" and (icc is None or colour_space(icc) != "CMYK"):
        return None
    try:
        source = (
            BytesIO(icc) if mode == "CMYK" and icc is not None else ImageCms.createProfile("LAB")
        )
        return ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError:
        return None  # a damaged profile
