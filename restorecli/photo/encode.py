"""From pixels and metadata to the bytes of a file, and what each format cannot hold."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import PurePath

import numpy as np
from PIL import Image, PngImagePlugin

from restorecli.errors import PhotoWriteError
from restorecli.photo import capacity, png16
from restorecli.photo.documents import jpeg_segments, png_chunks
from restorecli.photo.documents import xmp as photo_xmp
from restorecli.photo.documents.exif import with_resolution, without_orientation
from restorecli.photo.formats import FORMATS, Format, Writable, format_for
from restorecli.photo.metadata import Metadata
from restorecli.photo.rows import Rows

# What the encoders were seen to raise over pictures and metadata that they do not take.
REFUSALS = (
    ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError,
    Warning,  # where the caller's filters turn Pillow's into errors
)  # fmt: skip


class Sink:
    """A binary file without a file number, so that Pillow writes through Python.

    Through the number it would write faster by nothing measurable, and lose the reason of a
    failure: a full disk would read "encoder error -2".
    """

    def __init__(self, file: Writable) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        """Write all of it, or raise OSError."""
        return self._file.write(data)

    def flush(self) -> None:
        """Hand everything to the system."""
        self._file.flush()


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A photo made ready for files of one format.

    Attributes:
        write: Writes a file that is empty and can be sought. PhotoWriteError: the encoder does not
            take this picture; OSError passes through.
        losses: What the format cannot hold, one sentence each.
    """

    write: Callable[[Writable], None]
    losses: tuple[str, ...]

    def content(self) -> bytes:
        """The bytes of the file; errors as of `write`."""
        file = BytesIO()
        self.write(file)
        return file.getvalue()


def encode(
    pixels: np.ndarray,
    alpha: np.ndarray | None,
    metadata: Metadata,
    *,
    format: str,
    quality: int,
    name: str,
) -> Encoded:
    """Make a photo ready for a file; nothing is encoded before it is written.

    Args:
        pixels: (h, w, 3) RGB or (h, w) grey, uint8 or uint16.
        alpha: (h, w) of the same type, or None.
        metadata: What the format can hold of it is written.
        format: Its name, or a suffix with or without its dot.
        quality: 1 to 100, for JPEG, WebP, AVIF and HEIC; 100 is lossless in WebP.
        name: Subject of error messages.

    Raises:
        PhotoWriteError: The format is unknown, or there is no such quality.
    """
    known = known_format(format, name)
    if not 1 <= quality <= 100:
        raise PhotoWriteError(f"{name}: quality {quality} is not in 1 to 100.")

    def write(file: Writable) -> None:
        height, width = pixels.shape[:2]
        capacity.refuse_size(height, width, known, name)
        try:
            _write(pixels, alpha, metadata, known, quality, file)
        except REFUSALS as error:
            raise PhotoWriteError(
                f"{name}: {width} × {height} pixels cannot be written as "
                f"{known.title} ({error}). Use PNG or TIFF, or a smaller scale."
            ) from error

    return Encoded(write=write, losses=capacity.losses(pixels, alpha, metadata, known))


def known_format(format: str, name: str) -> Format:
    """The format of a name or a suffix.

    Raises:
        PhotoWriteError: There is none.
    """
    known = FORMATS.get(format.lower()) or format_for(PurePath(f"x.{format.lstrip('.')}"))
    if known is None:
        fact = f"{format or 'no suffix'}: not a format this tool writes"
        raise PhotoWriteError(f"{name}: {fact}. Use one of {', '.join(sorted(FORMATS))}.")
    return known


def _write(
    pixels: np.ndarray,
    alpha: np.ndarray | None,
    metadata: Metadata,
    format: Format,
    quality: int,
    file: Writable,
) -> None:
    """Write a photo, or raise one of `REFUSALS`."""
    rows = Rows(pixels, alpha, metadata, format)
    writable = capacity.kept(metadata, format).for_size(rows.height, rows.width)
    if writable.dpi and not format.density:
        writable = replace(writable, exif=with_resolution(writable.exif, writable.dpi))
    if format.name == "tiff":
        from restorecli.photo import tiff_write  # loads imagecodecs

        tiff_write.write(rows, writable, file)
    elif rows.bits == 16:
        png16.write_deep(rows, writable, file)
    elif format.name == "heic":
        _write_heic(rows, writable, quality, file)
    else:
        _write_with_pillow(rows, writable, format, quality, file)


def _write_with_pillow(
    rows: Rows, metadata: Metadata, format: Format, quality: int, file: Writable
) -> None:
    picture = Image.new(rows.mode, (rows.width, rows.height))
    for top, band in rows.bands():
        flat = band[..., 0] if rows.channels == 1 else band
        picture.paste(Image.fromarray(np.ascontiguousarray(flat)), (0, top))
    settings: dict[str, object] = {"icc_profile": metadata.icc or b""}
    if metadata.dpi and format.density:
        settings["dpi"] = metadata.dpi
    elif format.name == "bmp":
        settings["dpi"] = (0, 0)  # unknown; Pillow would write 96
    if metadata.exif:
        settings["exif"] = metadata.exif
    if metadata.xmp:
        settings["xmp"] = metadata.xmp
    if format.name == "jpeg":
        settings |= {"quality": quality, "subsampling": "4:4:4", "extra": _segments(metadata)}
        if metadata.exif:
            settings["exif"] = b"Exif\0\0" + metadata.exif
    elif format.name == "webp":
        settings |= {"quality": quality, "lossless": quality == 100, "exact": quality == 100}
    elif format.name == "avif":
        settings |= {"quality": quality, "subsampling": "4:0:0" if rows.channels == 1 else "4:4:4"}
        if metadata.exif:  # Pillow would write the block anew to take the tag out
            settings["exif"] = without_orientation(metadata.exif)
    elif format.name == "png":
        chunks = PngImagePlugin.PngInfo()
        if metadata.xmp:
            chunks.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
        for text in metadata.texts:
            chunks.add(*png_chunks.text_chunk(*text))
        settings["pnginfo"] = chunks
    picture.save(Sink(file), format.name, **settings)  # type: ignore[arg-type]


def _segments(metadata: Metadata) -> bytes:
    name = photo_xmp.extension_name(metadata.xmp or b"")
    comments = tuple(text for _, text in metadata.texts)
    return jpeg_segments.written(comments, metadata.iptc, metadata.xmp_extension, name)


def _write_heic(rows: Rows, metadata: Metadata, quality: int, file: Writable) -> None:
    import pillow_heif

    pixels = np.empty((rows.height, rows.width, rows.channels), np.uint8)
    for top, band in rows.bands():
        pixels[top : top + len(band)] = band
    pillow_heif.encode(
        rows.mode,
        (rows.width, rows.height),
        pixels.tobytes(),
        Sink(file),
        quality=quality,
        chroma=444,
        enc_params={"preset": "medium"},  # 0.4 of the time of "slow", 6 % longer, equal PSNR
        exif=metadata.exif,
        xmp=metadata.xmp,
        icc_profile=metadata.icc,
    )
