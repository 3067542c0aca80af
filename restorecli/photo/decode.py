"""From the bytes of a file to upright pixels and metadata.

The content decides which decoder runs; it is asked for by name, so Pillow's global registry, its
limits and its other eighty formats play no part. Whatever a decoder raises over damaged bytes ends
here as one line.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageFile

from restorecli import host
from restorecli.errors import DeviceError, PhotoReadError, PhotoTooLargeError
from restorecli.photo import modes
from restorecli.photo.canvas import Canvas, UnreadableError, check_size
from restorecli.photo.documents import boxes, cicp, extras
from restorecli.photo.formats import SIGNATURE_LENGTH, Readable, announced_length, signature, title
from restorecli.photo.metadata import FileMetadata, Metadata, colour_space

# Everything that Pillow, libheif, OpenCV, tifffile, imagecodecs and littleCMS were seen to raise
# over mutated files.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,  # where the caller's filters turn Pillow's into errors
    struct.error,
    zlib.error,
    cv2.error,
    ImageCms.PyCMSError,
)
_ENOUGH = 256 * 2**20  # bytes; where they are free, no decoder failed for want of memory
_PNG_DEPTH = 24  # where a PNG file says its bits a channel; the kind of colour follows
_PNG_GREY, _PNG_PALETTE = 0, 3


@dataclass(frozen=True)
class Decoded:
    """A photo as read: upright pixels, alpha, metadata, and what was lost on the way."""

    pixels: np.ndarray
    alpha: np.ndarray | None
    metadata: Metadata
    notices: tuple[str, ...]


def decode(stream: Readable, name: str, max_megapixels: float, page: int | None = None) -> Decoded:
    """Decode a photo.

    Args:
        stream: The file; can be sought.
        name: Subject of error messages.
        max_megapixels: More than this is refused before decoding.
        page: Of a TIFF file, from 1 on; None is the first, and that there are others is told.

    Warns:
        UserWarning: By Pillow, over an odd file; the process's filters decide whether it is seen.

    Raises:
        DeviceError: It cannot be decoded, and too little memory is free to tell whose fault it is.
        PhotoReadError: It is not a photo, damaged, or of a kind that is refused.
        PhotoTooLargeError: It declares more pixels than the limit, or than any memory holds.
    """
    with _told(stream, name) as kind:
        limit = _Limit(name, max_megapixels)
        if kind == "tiff":
            return _decode_tiff(stream, kind, limit, page)
        if page not in (None, 1):
            raise UnreadableError(f"page {page} of a {title(kind)} file, which has no pages")
        return _decode_picture(stream, kind, limit)


def page_count(stream: Readable, name: str) -> int:
    """Number of pages, 1 of whatever is no TIFF file.

    Raises:
        RestoreError: As of `decode`; also if there may be pages that cannot be read.
    """
    with _told(stream, name) as kind:
        if kind != "tiff":
            return 1
        from restorecli.photo import tiff_read

        pages = tiff_read.pages(stream, stream.seek(0, 2))
        for fact in pages.cut:
            raise UnreadableError(f"{fact}. Take the pages before one by one")
        return len(pages.found)


@contextmanager
def _told(stream: Readable, name: str) -> Iterator[str]:
    """Give the kind of a file that is at its start; tell what decoders raise in one line."""
    length = stream.seek(0, 2)
    stream.seek(0)
    kind = signature(stream.read(SIGNATURE_LENGTH))
    if kind is None:
        fact = "not a photo of a known kind" if length else "empty file"
        whole = length != SIGNATURE_LENGTH  # else of a pipe, of which no more was read
        raise _refusal(name, f"{fact}, {_amount(length)}" if whole else fact)
    stream.seek(0)
    try:
        yield kind
    except UnreadableError as error:
        raise PhotoReadError(f"{name}: {error}.") from error
    except (Image.DecompressionBombError, *_DAMAGE) as error:
        told = f"({title(kind)}, {_amount(length)})"
        if not host.can_allocate(_ENOUGH):  # each decoder has words of its own for it, or none
            raise DeviceError(
                f"{name}: not enough memory to decode it {told}. "
                "Close other programs, raise the limit (ulimit -v), or make it smaller first."
            ) from error
        if isinstance(error, Image.DecompressionBombError | MemoryError):
            raise PhotoTooLargeError(
                f"{name}: too many pixels to decode {told}. Make it smaller first."
            ) from error
        cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
        cut = cut or announced_length(stream, kind) > length
        fact = f"truncated at {_amount(length)}" if cut else f"damaged {title(kind)} file"
        raise _refusal(name, fact) from error


@dataclass(frozen=True)
class _Limit:
    name: str
    megapixels: float

    def check(self, height: int, width: int) -> None:
        check_size(self.name, height, width, self.megapixels)


def _decode_picture(stream: Readable, kind: str, limit: _Limit) -> Decoded:
    stream.seek(_PNG_DEPTH)
    depth, colour = (stream.read(2) + b"\0\0")[:2]
    file, chunks = extras.chunks(stream, kind)
    if kind == "jxl":  # its plug-in decodes as it opens
        sides = boxes.jxl_size(stream, stream.seek(0, 2))
        if sides is None:
            raise SyntaxError("JPEG XL without a picture")
        limit.check(*sides)
    file.seek(0)
    with _opener(kind)(file) as image:
        limit.check(image.height, image.width)
        frames = _frames(image)
        image.load()
        file_metadata, colours = extras.found(stream, kind, image, chunks, frames)
        if kind != "png" or depth != 16 or colour in (_PNG_GREY, _PNG_PALETTE):
            return _meant(_converted(image, file_metadata, file_metadata.orientation), colours)
        clear = image.info.get("transparency")
    # Pillow has checked the whole stream, which OpenCV would decode up to the first damage.
    del image
    file.seek(0)
    pixels, alpha = _deep_png(file.read(), file_metadata.orientation, clear)
    return _meant(_decoded(pixels, alpha, file_metadata), colours)


def _frames(image: Image.Image) -> int | None:
    """Number of frames, None for more than one; a GIF would have to be read to its end."""
    try:
        if image.format == "GIF":
            return None if getattr(image, "is_animated", False) else 1
        return int(getattr(image, "n_frames", 1))
    except _DAMAGE:  # behind the first one
        return 1


def _decode_tiff(stream: Readable, kind: str, limit: _Limit, number: int | None) -> Decoded:
    from restorecli.photo import tiff_read

    pages = tiff_read.pages(stream, stream.seek(0, 2))
    index, count = 0 if number is None else number - 1, len(pages.found)
    if not 0 <= index < count:
        there = f"that has {count}" if pages.whole else f"of which {count} can be read"
        raise UnreadableError(f"page {number} of a TIFF file {there}")
    page = pages.found[index]
    limit.check(page.imagelength, page.imagewidth)
    file_metadata = tiff_read.metadata(stream, page)
    others = pages.cut
    if number is None and count > 1:
        readable = "" if pages.whole else "readable "
        others += (f"only the first of its {count} {readable}pages is in the result",)
    file_metadata = replace(file_metadata, notices=file_metadata.notices + others)
    if tiff_read.is_plain(page):
        (pixels, alpha), notices = tiff_read.read(stream, page, file_metadata.orientation)
        return _decoded(pixels, alpha, file_metadata, notices)
    stream.seek(0)
    with _opener(kind)(stream) as image:
        image.seek(page.index)
        image.load()
        return _converted(image, file_metadata, 1)  # Pillow turns TIFF upright by itself


def _meant(decoded: Decoded, colours: cicp.Colours | None) -> Decoded:
    """The same with a profile, or with the colours of one, for what the file says of them."""
    if colours is None:
        return decoded
    if colours.bright is None:
        icc = colours.profile
        return replace(decoded, metadata=replace(decoded.metadata, icc=icc))
    system = "PQ" if colours.bright == cicp.PQ else "HLG"
    return replace(
        decoded,
        pixels=cicp.to_sdr(decoded.pixels, colours),
        metadata=replace(decoded.metadata, icc=None),
        notices=(*decoded.notices, f"its HDR brightness ({system}) became that of sRGB"),
    )


def _converted(image: Image.Image, file_metadata: FileMetadata, orientation: int) -> Decoded:
    conversion = modes.conversion(image, file_metadata.metadata.icc)
    pixels, alpha = modes.fill(image, conversion, orientation)
    if conversion.managed:
        file_metadata = replace(file_metadata, metadata=replace(file_metadata.metadata, icc=None))
    return _decoded(pixels, alpha, file_metadata, conversion.notices)


def _decoded(
    pixels: np.ndarray,
    alpha: np.ndarray | None,
    file_metadata: FileMetadata,
    notices: tuple[str, ...] = (),
) -> Decoded:
    """Put the parts together, without a profile that is not about these pixels."""
    metadata = file_metadata.metadata
    fitting = ("RGB", "GRAY") if pixels.ndim == 2 else ("RGB",)
    if metadata.icc is not None and colour_space(metadata.icc) not in fitting:
        metadata = replace(metadata, icc=None)
        notices += ("its colour profile does not describe its pixels and was left out",)
    return Decoded(pixels, alpha, metadata, file_metadata.notices + notices)


def _deep_png(file: bytes, orientation: int, clear: object) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode 16-bit colour, which Pillow would halve; `clear` is the one transparent colour."""
    stored = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    del file
    if stored is None or stored.dtype != np.uint16 or stored.ndim != 3:
        raise SyntaxError("OpenCV and Pillow disagree")
    height, width, channels = stored.shape
    alpha = channels == 4 or clear is not None
    canvas = Canvas(
        height, width, channels=3, alpha=alpha, dtype=np.uint16, orientation=orientation
    )
    rows = max(1, (1 << 18) // width)
    for top in range(0, height, rows):
        band = stored[top : top + rows]
        colours, opacity = band[..., 2::-1], band[..., 3] if channels == 4 else None
        if isinstance(clear, tuple) and channels == 3:
            opaque = (colours != np.array(clear, np.uint16)).any(axis=2)
            opacity = opaque.astype(np.uint16) * np.uint16(65535)
        canvas.put(top, 0, colours, opacity)
    return canvas.finish()


def _opener(kind: str) -> Callable[[Readable], ImageFile.ImageFile]:
    """Pillow's class for the format; `Image.open` would warn, guess and apply its own limit."""
    from PIL import (
        AvifImagePlugin,
        BmpImagePlugin,
        GifImagePlugin,
        Jpeg2KImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        PpmImagePlugin,
        TgaImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    if kind == "heic":
        from pillow_heif import HeifImageFile

        opener: Callable[[Readable], ImageFile.ImageFile] = HeifImageFile
        return opener
    if kind == "jxl":
        return _jpeg_xl()
    return {
        "avif": AvifImagePlugin.AvifImageFile,
        "bmp": BmpImagePlugin.BmpImageFile,
        "gif": GifImagePlugin.GifImageFile,
        "jp2": Jpeg2KImagePlugin.Jpeg2KImageFile,
        "jpeg": JpegImagePlugin.JpegImageFile,
        "png": PngImagePlugin.PngImageFile,
        "ppm": PpmImagePlugin.PpmImageFile,
        "tga": TgaImagePlugin.TgaImageFile,
        "tiff": TiffImagePlugin.TiffImageFile,
        "webp": WebPImagePlugin.WebPImageFile,
    }[kind]


def _jpeg_xl() -> Callable[[Readable], ImageFile.ImageFile]:
    try:
        from pillow_jxl.JpegXLImagePlugin import JXLImageFile
    except ImportError as error:
        raise UnreadableError(
            "a JPEG XL file. Reading it needs: pip install pillow-jxl-plugin"
        ) from error
    opener: Callable[[Readable], ImageFile.ImageFile] = JXLImageFile
    return opener


def _refusal(name: str, fact: str) -> PhotoReadError:
    return PhotoReadError(
        f"{name}: not an image Pillow can read ({fact}). Try opening it in a viewer first."
    )


def _amount(length: int) -> str:
    if length < 1000:
        return f"{length} bytes"
    return f"{length / 1e3:.0f} KB" if length < 1e6 else f"{length / 1e6:.1f} MB"
