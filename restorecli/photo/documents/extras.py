"""What a file holds beside its pixels, asked in one way of every kind that Pillow decodes."""

from collections.abc import Callable

from PIL import Image

from restorecli.photo.documents import boxes, cicp, jpeg_segments, png_chunks
from restorecli.photo.documents.exif import (
    strip_marker,
    turned_by_a_quarter,
    without_orientation,
)
from restorecli.photo.formats import Readable
from restorecli.photo.metadata import FileMetadata, from_info

_BOXED = ("avif", "heic", "jp2", "jxl")
_GAIN_MAP = "gain map"
_JFIF_UNITS = (1, 2)  # inch and centimetre; 0 is a mere proportion
_QUARTERS = range(5, 9)  # orientations that change the places of the sides


def chunks(stream: Readable, kind: str) -> tuple[Readable, png_chunks.Found | None]:
    """The file as Pillow is to see it, and what was read of a PNG file's chunks."""
    if kind != "png":
        return stream, None
    found = png_chunks.read(stream)
    return found.file, found


def found(
    stream: Readable,
    kind: str,
    image: Image.Image,
    chunks: png_chunks.Found | None,
    frames: int | None,
) -> tuple[FileMetadata, cicp.Colours | None]:
    """Read what belongs to a decoded picture.

    Args:
        stream: The whole file.
        kind: As `signature` says.
        image: As Pillow decoded it.
        chunks: Of a PNG file.
        frames: Number of frames or pictures that Pillow knows of, None for several.

    Returns:
        Metadata, and what the file says of its colours where it has no profile for them.
    """
    info: dict[str | tuple[int, int], object] = dict(image.info)
    colours: cicp.Colours | None = None
    lost: tuple[str, ...] = ()
    length = stream.seek(0, 2)
    if chunks is not None:
        info.update(chunks.info.items())
        colours, lost = chunks.colours, chunks.left_out
    elif kind == "jpeg":
        segments = jpeg_segments.read(image)
        info.update(segments.info.items())
        if info.get("jfif_unit") not in _JFIF_UNITS:
            info.pop("dpi", None)  # Pillow's own: EXIF's horizontal one for both, or 72 for none
        frames, lost = segments.pictures, segments.left_out
    elif kind == "webp" and b"C2PA" in _chunk_names(stream, length):
        lost = ("Content Credentials (C2PA)",)
    elif kind in _BOXED:
        lost = boxes.left_out(stream, length) + _attached(info)
        if kind in ("jp2", "jxl"):
            info.update(boxes.documents(stream, length).items())
        if kind == "jxl" and not getattr(image, "jpeg", False):
            info["exif"] = _turned(info.get("exif"), without_orientation)
        elif kind == "heic" and info.get("original_orientation") in _QUARTERS:
            info["exif"] = _turned(info.get("exif"), turned_by_a_quarter)
        colours = None if info.get("icc_profile") else _codes(stream, kind, info, length)
    found = from_info(info, image.height, image.width, left_out=lost)
    if any(_GAIN_MAP in notice for notice in found.notices):
        frames = 1
    notices = found.notices + _deeper(stream, kind)
    if frames != 1:
        parts = "pictures" if kind in ("jpeg", "heic") else "frames"
        several = f"{frames} " if frames else ""
        notices += (f"only the first of its {several}{parts} is in the result",)
    return FileMetadata(found.metadata, found.orientation, notices), colours


def _codes(
    stream: Readable, kind: str, info: dict[str | tuple[int, int], object], length: int
) -> cicp.Colours | None:
    """What the code points of a file made of boxes say, where they say anything."""
    stated = info.get("nclx_profile")
    if isinstance(stated, dict):
        codes = stated.get("color_primaries"), stated.get("transfer_characteristics")
        primaries, transfer = (code if isinstance(code, int) else 2 for code in codes)
        return cicp.from_codes(primaries, transfer)
    found = boxes.nclx(stream, length) if kind == "avif" else None
    return None if found is None else cicp.from_codes(*found)


def _turned(block: object, change: Callable[[bytes], bytes]) -> bytes:
    """EXIF of pixels that the decoder has turned already."""
    if not isinstance(block, bytes):
        return b""
    try:
        return change(strip_marker(block))
    except ValueError:
        return block  # damaged, which is told where it is read


def _attached(info: dict[str | tuple[int, int], object]) -> tuple[str, ...]:
    """Names of the pictures that libheif found hanging on the main one."""
    aux = info.get("aux")
    kinds = " ".join(map(str, aux)).lower() if isinstance(aux, dict) else ""
    names = ("gain map (HDR)",) if "hdrgainmap" in kinds else ()
    return (*names, "depth map") if info.get("depth_images") else names


def _deeper(stream: Readable, kind: str) -> tuple[str, ...]:
    """Say that more than 8 bits a colour became 8, where Pillow does not keep them."""
    stream.seek(0)
    bits = 8
    if kind == "jp2":
        start = stream.read(1 << 16)
        at = start.find(b"\xff\x4f\xff\x51") + 2
        if at > 1 and len(start) > at + 40 and start[at + 38 : at + 40] != b"\0\1":
            bits = (start[at + 40] & 0x7F) + 1
    elif kind == "ppm" and stream.read(2) in (b"P3", b"P6"):
        words = b" ".join(line.partition(b"#")[0] for line in stream.read(4096).split(b"\n"))
        bits = 16 if len(words.split()) > 2 and words.split()[2] not in _SHORT_ENOUGH else 8
    return (f"its {bits} bits a channel became 8",) if bits > 8 else ()


_SHORT_ENOUGH = frozenset(str(most).encode() for most in range(256))


def _chunk_names(stream: Readable, length: int) -> set[bytes]:
    """Names of the chunks of a WebP file."""
    names: set[bytes] = set()
    place = 12
    while place + 8 <= length and len(names) < 64:
        stream.seek(place)
        head = stream.read(8)
        names.add(head[:4])
        size = int.from_bytes(head[4:], "little")
        place += 8 + size + size % 2
    return names
