"""What each step made of a photo, as numbered pictures in a folder."""

from pathlib import Path

from restorecli.errors import PhotoWriteError, PlanError
from restorecli.options import StageImage
from restorecli.photo import Photo, files
from restorecli.pipeline import Restoration
from restorecli.previews.face_overlay import marked
from restorecli.previews.thumbnails import step_photo

NAMES = {
    image: f"{number}-{image}.png"
    for number, image in enumerate(StageImage)
    if image != StageImage.INPUT
}


def refuse(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that could not be filled later.

    Raises:
        PlanError: It is a file.
        PhotoWriteError: A picture that would go there exists and must not be replaced, or nothing
            can be written there.
    """
    if folder.exists() and not folder.is_dir():
        raise PlanError(f"{folder}: is a file. Name a folder for the steps.")
    for name in NAMES.values():
        if (folder / name).exists() and not overwrite:
            raise PhotoWriteError(
                f"{folder / name}: exists already. Use --overwrite, or another folder."
            )
    files.try_folder(folder)


def write(photo: Photo, restoration: Restoration, folder: Path, *, overwrite: bool) -> None:
    """Write a picture after each step, whether it changed anything or not.

    Args:
        photo: The photo as it was.
        restoration: Made with its steps kept.
        folder: Made if it is not there.
        overwrite: Whether the files may exist.

    Raises:
        PhotoWriteError: A file exists, or the folder cannot be made or written to.
    """
    files.make_folder(folder)
    pictures = {
        name: step_photo(restoration.steps[name], photo)
        for name in (StageImage.RELIT, StageImage.DENOISED, StageImage.COMPOSED)
    }
    factor = 1 / restoration.work_factor  # the steps are of that size, the records of the photo's
    faces = tuple(face.scaled(factor) for face in restoration.faces)
    pictures[StageImage.FACES] = marked(pictures[StageImage.DENOISED], faces)
    pictures[StageImage.FINAL] = restoration.photo
    for name, file in NAMES.items():
        pictures[name].write(folder / file, overwrite=overwrite)
