"""Several photos as the pages of one TIFF file."""

from collections.abc import Iterable
from pathlib import Path

from restorecli.errors import PhotoWriteError, printable
from restorecli.photo import capacity, encode, files
from restorecli.photo.documents import exif
from restorecli.photo.files import Stored
from restorecli.photo.formats import FORMATS, Target, Writable
from restorecli.photo.photo import Photo
from restorecli.photo.rows import Rows

TIFF = FORMATS["tiff"]


def write(photos: Iterable[Photo], target: Path | Stored | Target, *, overwrite: bool) -> None:
    """Write photos into one file, which appears complete or not at all.

    Args:
        photos: At least one; each is asked for after the one before is written, so that no more
            than one need be in memory. What the iteration raises passes through.
        target: A path, an object in a store, or a binary stream.
        overwrite: An existing file may be replaced.

    Raises:
        PhotoWriteError: The target exists or cannot be written, or the pages are too long for TIFF.
    """
    if isinstance(target, Path):
        files.replace_file(target, lambda file: _write(photos, file), overwrite=overwrite)
        return
    whole = files.in_memory(lambda file: _write(photos, file))
    if isinstance(target, Stored):
        target.write_bytes(whole, overwrite=overwrite)
    else:
        files.send(target, whole, "<stream>")


def _write(photos: Iterable[Photo], file: Writable) -> None:
    from restorecli.photo import tiff_write  # loads imagecodecs

    mark, pointer = "", 0
    for photo in photos:
        rows = Rows(photo.pixels, photo.alpha, photo.metadata, TIFF)
        kept = capacity.kept(photo.metadata, TIFF).for_size(rows.height, rows.width)
        try:
            if not pointer:
                mark = exif.order(kept.exif or exif.EMPTY)
                pointer = tiff_write.write(rows, kept, file)
            else:
                pointer = tiff_write.append(rows, kept, file, mark, pointer)
        except encode.REFUSALS as error:
            raise PhotoWriteError(
                f"{printable(photo.name)}: its pages cannot be written as TIFF ({error}). "
                "Restore them one by one with --page."
            ) from error


def losses(photo: Photo, number: int) -> tuple[str, ...]:
    """What page `number` could not keep, one sentence each."""
    found = photo.losses("tiff")
    if number > 1 and photo.metadata.exif and exif.has_directories(photo.metadata.exif):
        found += ("EXIF of the camera: kept for the first page only",)
    return found
