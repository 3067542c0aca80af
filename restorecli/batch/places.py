"""Photos from and to wherever a task says: files, and objects in stores."""

from dataclasses import replace
from pathlib import Path

from restorecli.batch.remote import Place
from restorecli.photo import Photo


def read(source: Place) -> Photo:
    """Read a photo; errors as of `Photo.read`."""
    if isinstance(source, Path):
        return Photo.read(source)
    photo = Photo.read(source.read_bytes(), name=str(source))
    return replace(photo, name=source.name)


def write(photo: Photo, target: Place, *, quality: int, overwrite: bool) -> tuple[str, ...]:
    """Write a photo whole or not at all, its folders made as needed; as `Photo.write`.

    Returns:
        What the format could not hold, one sentence each.

    Raises:
        PhotoWriteError: The target exists and must not be replaced, or cannot be written.
        OSError: Its folder cannot be made.
    """
    if isinstance(target, Path):
        target.parent.mkdir(parents=True, exist_ok=True)
        return photo.write(target, quality=quality, overwrite=overwrite)
    target.write_bytes(photo.encode(target.suffix, quality), overwrite=overwrite)
    return photo.losses(target.suffix)


def holds(target: Place, photo: Photo, *, quality: int) -> bool:
    """Whether the very bytes that `write` would make are there already."""
    if not (target.is_file() if isinstance(target, Path) else target.exists()):
        return False
    return target.read_bytes() == photo.encode(target.suffix, quality)
