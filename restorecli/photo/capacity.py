"""What a format holds of a photo, and the words for what it does not."""

from dataclasses import replace

import numpy as np

from restorecli.errors import PhotoWriteError, printable
from restorecli.photo.documents import xmp as photo_xmp
from restorecli.photo.formats import Format
from restorecli.photo.metadata import Metadata

# One JPEG marker segment, less the names that stand in it.
_LONGEST_EXIF, _LONGEST_XMP, _LONGEST_IPTC, _LONGEST_COMMENT = 65527, 65504, 65500, 65533
_COMMENT = "Comment"
_MOST_NAMES = 8  # in one sentence


def refuse_size(height: int, width: int, format: Format, name: str) -> None:
    """Refuse a picture with longer sides than a format holds, before there is one.

    Raises:
        PhotoWriteError: It has.
    """
    sides = max(height, width)
    if sides > format.longest_side:
        raise PhotoWriteError(
            f"{name}: {width} × {height} pixels cannot be written as {format.title} ({sides} "
            f"pixels a side, {format.title} holds at most {format.longest_side}). "
            "Use PNG or TIFF, or a smaller scale."
        )


def kept(metadata: Metadata, format: Format) -> Metadata:
    """What of the metadata is written."""
    if not format.documents:
        return Metadata(dpi=metadata.dpi)
    held = replace(
        metadata,
        xmp_extension=None,
        iptc=metadata.iptc if format.iptc else None,
        texts=tuple(text for text in metadata.texts if _has_place(text[0], format)),
    )
    xmp = metadata.xmp
    if format.name != "jpeg":
        return replace(held, xmp=xmp and photo_xmp.without_extension(xmp))
    return replace(
        held,
        exif=_short(metadata.exif, _LONGEST_EXIF),
        xmp=_short(xmp, _LONGEST_XMP),
        xmp_extension=metadata.xmp_extension if _short(xmp, _LONGEST_XMP) else None,
        iptc=_short(metadata.iptc, _LONGEST_IPTC),
        texts=tuple(text for text in held.texts if len(text[1].encode()) <= _LONGEST_COMMENT),
    )


def losses(
    pixels: np.ndarray, alpha: np.ndarray | None, metadata: Metadata, format: Format
) -> tuple[str, ...]:
    """Say in words what of a photo the format cannot hold, nothing if it holds everything."""
    found = []
    if alpha is not None and not format.alpha:
        found.append(f"{format.title} has no transparency: put on white")
    if pixels.dtype == np.uint16 and not format.deep:
        found.append(f"{format.title} is written with 8 bits a channel: the 16 are rounded")
    held = kept(metadata, format)
    documents = (
        ("colour profile", metadata.icc, held.icc, format.documents),
        ("EXIF", metadata.exif, held.exif, format.documents),
        ("XMP", metadata.xmp, held.xmp, format.documents),
        (
            "extended XMP",
            metadata.xmp_extension,
            held.xmp_extension,
            format.name == "jpeg",
        ),
        ("IPTC", metadata.iptc, held.iptc, format.iptc),
    )
    gone = {title: place for title, old, new, place in documents if old and not new}
    keys = {key for key, _ in held.texts}
    for key, _ in metadata.texts:
        if key not in keys:
            gone[f"text {printable(key)}"] = _has_place(key, format)
    for place, reason in ((True, "too long for"), (False, "no place for it in")):
        if names := [name for name, had_place in gone.items() if had_place == place]:
            if len(names) > _MOST_NAMES:
                names[_MOST_NAMES:] = [f"{len(names) - _MOST_NAMES:,} more"]
            found.append(f"{', '.join(names)}: {reason} {format.title}, left out")
    return tuple(found)


def _has_place(key: str, format: Format) -> bool:
    return format.texts == "any" or (format.texts == "comment" and key == _COMMENT)


def _short(block: bytes | None, longest: int) -> bytes | None:
    return block if block and len(block) <= longest else None


def enlarged_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width of the result of a photo, each side rounded and at least 1 pixel."""
    return max(1, round(height * scale)), max(1, round(width * scale))


def is_enlarged_size(height: int, width: int, photo: tuple[int, int]) -> bool:
    """Whether some scale makes a photo of a height and width so large."""
    sides = list(zip(photo, (height, width), strict=True))
    least = max((to - 0.5) / side if to > 1 else 0 for side, to in sides)
    return least <= min((to + 0.5) / side for side, to in sides)
