"""What belongs to a photo beside its pixels: colour profile, EXIF, XMP, IPTC, texts, resolution.

Read from what Pillow found in a file, and made true of an upright, restored picture.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

from PIL import Image

from restorecli.photo.documents import exif as photo_exif
from restorecli.photo.documents import xmp as photo_xmp
from restorecli.photo.formats import Readable

_METRE_STEP = 0.0254  # dots per inch between neighbours in PNG's whole dots per metre
# What TIFF's main directory says about the picture; its other tags describe the file's layout.
DESCRIPTIVE = frozenset(
    (0x010E, 0x010F, 0x0110, 0x0112, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C)
) | frozenset((0x4746, 0x4749, 0x8298, 0x8769, 0x8825, *range(0x9C9B, 0x9CA0)))
_LAYOUT = {0x0112, 0x011A, 0x011B, 0x0128}
# What Pillow was seen to raise over mutated tags.
_EXIF_DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,  # where the caller's filters turn them into errors
    struct.error,
)
DAMAGED_EXIF = "its EXIF block is damaged and was left out"

Info = Mapping[str | tuple[int, int], object]  # as Pillow types `image.info`


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What is kept beside the pixels; None where the source had none.

    Attributes:
        icc: Colour profile, of the same colour space as the pixels or of RGB for grey ones.
        exif: Block without the `Exif` mark; its orientation is 1, its thumbnail blanked.
        xmp: Packet; its `tiff:Orientation` is 1.
        xmp_extension: What JPEG has no room for in the packet, which calls for it by a name.
        iptc: Records of captions, authors and places, as press agencies write them.
        texts: Keyword and text of each, as PNG has them; a JPEG comment's keyword is `Comment`.
        dpi: Dots per inch, horizontal and vertical.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    xmp_extension: bytes | None = None
    iptc: bytes | None = None
    texts: tuple[tuple[str, str], ...] = ()
    dpi: tuple[float, float] | None = None

    def for_size(self, height: int, width: int) -> "Metadata":
        """The same, with EXIF naming these pixel dimensions if it names any."""
        if self.exif is None:
            return self
        return replace(self, exif=photo_exif.sized(self.exif, height, width))

    def without_gps(self) -> "Metadata":
        """The same without a word of where the photo was taken by GPS, maker notes apart."""
        extension = self.xmp_extension
        hidden = extension is not None and b"gps" in extension.lower()
        xmp = self.xmp and photo_xmp.without_gps(self.xmp)
        return replace(
            self,
            exif=self.exif and photo_exif.without_gps(self.exif),
            xmp=photo_xmp.without_extension(xmp) if xmp and hidden else xmp,
            xmp_extension=None if hidden else extension,
            texts=tuple(text for text in self.texts if "gps" not in text[0].lower()),
        )

    def of_colours(self) -> "Metadata":
        """A profile alone, and that only if it describes the colours of three channels."""
        return Metadata(icc=self.icc if colour_space(self.icc) == "RGB" else None)

    def for_strangers(self) -> "Metadata":
        """What the picture itself needs: colour profile and resolution."""
        return Metadata(icc=self.icc, dpi=self.dpi)


@dataclass(frozen=True)
class FileMetadata:
    """Metadata of a file, with what must be done to its pixels and what was lost."""

    metadata: Metadata
    orientation: int
    notices: tuple[str, ...] = ()


def from_info(
    info: Info,
    height: int,
    width: int,
    *,
    tiff: bytes | None = None,
    orientation: int | None = None,
    left_out: tuple[str, ...] = (),
) -> FileMetadata:
    """Read what Pillow left in `image.info` after decoding.

    Args:
        info: `image.info`.
        height: Of the pixels as stored, before they are turned upright.
        width: Likewise.
        tiff: EXIF block gathered from a TIFF file's own directory by `exif_of_tiff`.
        orientation: What the file says of it where there is no EXIF to say it.
        left_out: Names of what else is in the file and in no result.

    Returns:
        Metadata of the upright picture and the orientation its pixels still have. A block too
        damaged to be kept is left out, and a notice says so.
    """
    block = photo_exif.strip_marker(tiff or _exif_bytes(info))
    notices: tuple[str, ...] = ()
    xmp = _bytes(info.get("xmp"))
    match = photo_xmp.ORIENTATION.search(xmp)
    turn = orientation or (int(match[2]) if match else 1)
    dpi = _dpi(info.get("dpi"))
    try:
        if block:
            turn = photo_exif.orientation(block) or turn  # as in Pillow: it speaks before XMP
            dpi = dpi or _dpi(photo_exif.resolution(block))
            block = photo_exif.upright_and_without_thumbnail(block)
            block = photo_exif.turned_by_a_quarter(block) if turn >= 5 else block
            photo_exif.sized(block, height, width)  # must not fail later, when it is written
    except ValueError:
        block, notices = b"", (DAMAGED_EXIF,)
    extension = _bytes(info.get("xmp_extension"))
    xmp, lost = _upright_xmp(xmp, whole=bool(extension))
    if turn >= 5:
        height, width, dpi = width, height, dpi and (dpi[1], dpi[0])
    metadata = Metadata(
        icc=_bytes(info.get("icc_profile")) or None,
        exif=block or None,
        xmp=xmp or None,
        xmp_extension=extension or None,
        iptc=_bytes(info.get("iptc")) or None,
        texts=_texts(info),
        dpi=dpi,
    )
    notices += missing((*lost, *left_out))
    return FileMetadata(metadata.for_size(height, width), turn, notices)


def _upright_xmp(xmp: bytes, *, whole: bool) -> tuple[bytes, tuple[str, ...]]:
    """A packet that promises nothing that is not there; `whole` if its extension was read."""
    xmp, lost = photo_xmp.without_promises(photo_xmp.ORIENTATION.sub(rb"\g<1>1", xmp))
    if photo_xmp.extension_name(xmp) and not whole:
        return photo_xmp.without_extension(xmp), (*lost, "a damaged extension of XMP")
    return xmp, lost


def exif_of_tiff(stream: Readable, offset: int, byte_order: str, *, big: bool) -> bytes:
    """Gather an EXIF block from the main directory of a TIFF file.

    Args:
        stream: The file.
        offset: Of its main directory.
        byte_order: Its byte order, `"<"` or `">"`.
        big: It is a BigTIFF.

    Returns:
        The block, empty if the directory says nothing but layout and resolution. Maker notes that
        point outside themselves do not survive: their offsets meant the old file.

    Raises:
        ValueError: The tags are damaged.
    """
    exif = Image.Exif()
    exif.bigtiff, exif.endian = big, byte_order
    try:
        exif.load_from_fp(stream, offset)
        for tag in list(exif):
            if tag not in DESCRIPTIVE:
                del exif[tag]
        if set(exif) <= _LAYOUT and exif.get(photo_exif.ORIENTATION, 1) == 1:
            return b""
        for tag in (0x8769, 0x8825):
            exif.get_ifd(tag)
        exif.bigtiff = False
        return photo_exif.strip_marker(exif.tobytes())
    except _EXIF_DAMAGE as error:
        raise ValueError("damaged EXIF tags") from error


def colour_space(icc: bytes | None) -> str | None:
    """What numbers a profile describes: `"RGB"`, `"GRAY"`, `"CMYK"`, `"Lab"`; None if damaged."""
    if icc is None or len(icc) < 128 or icc[36:40] != b"acsp":
        return None
    return icc[16:20].decode("ascii", "replace").strip()


def missing(names: tuple[str, ...]) -> tuple[str, ...]:
    """One notice that names what a result has not; none if there is nothing."""
    return (f"left out: {', '.join(dict.fromkeys(names))}",) if names else ()


def _texts(info: Info) -> tuple[tuple[str, str], ...]:
    """Texts that a reader of ours found, or the comment of a GIF."""
    found = info.get("texts")
    if isinstance(found, tuple):
        return found
    comment = info.get("comment")
    text = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else ""
    return (("Comment", text),) if text else ()


def _exif_bytes(info: Info) -> bytes:
    if block := _bytes(info.get("exif")):
        return block
    text = info.get("Raw profile type exif")  # ImageMagick's way before PNG had a chunk for it
    if not isinstance(text, str):
        return b""
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""


def _bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return value if isinstance(value, bytes) else b""


def _dpi(value: object) -> tuple[float, float] | None:
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    try:
        x, y = (_snapped(float(side)) for side in value)
    except (ArithmeticError, TypeError, ValueError):
        return None
    # 1 is what Pillow says of a TIFF file that says nothing.
    return (x, y) if 1 < x < 1e5 and 1 < y < 1e5 else None


def _snapped(value: float) -> float:
    nearest = float(round(value))
    return nearest if abs(value - nearest) < _METRE_STEP else value
