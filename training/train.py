"""Train a network by its recipe, such as `training/recipes/denoiser/1-first.toml`.

The stages of the face pair train on crops, which `training.data.face_crops` makes; each starts from
the weights of the one before. All others train on photos.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import nn

from restorecli import weights
from restorecli.networks.orsnet import ORSNet
from training.arguments import open_photos, photo_options, run, run_options, use_threads
from training.data.photo_pool import PhotoPool
from training.engine.feed import Make
from training.engine.loop import StreamedTask, Task
from training.engine.recipe import Recipe, read_recipe
from training.tasks.denoiser import DenoiserTask
from training.tasks.detector import DetectorTask
from training.tasks.embedder import EmbedderTask
from training.tasks.face_fusion import make_face_task
from training.tasks.guided_denoiser import SecondLookTask
from training.tasks.inspector import InspectorTask
from training.tasks.orsnet import ORSNetTask, deepened
from training.tasks.refiner import RefinerTask
from training.tasks.relighter import RelighterTask

STREAMED = ("denoiser", "second_look", "orsnet")  # samples can be made apart from the network


def make_task(
    recipe: Recipe,
    pool: PhotoPool,
    denoiser_folder: Path,
    *,
    faces: Path | None = None,
    cache: Path = Path("runs/pool"),
) -> Task:
    """The task that a recipe names.

    Args:
        recipe: One of denoiser, inspector, second_look, orsnet, relighter, retinaface,
            face_refiner and embedder.
        pool: Photos.
        denoiser_folder: Of the denoiser's weights, which the upscaler and the second look stand on
            and the two that find faces look through; for these of the relighter's as well, for
            face_refiner of retinaface's too.
        faces: `faces.json` of the photos, for retinaface, face_refiner and embedder.
        cache: Beside it the relighter keeps its small photos, these two their denoised scenes.

    Raises:
        ValueError: There is no such task, or it lacks its labels.
    """
    if recipe.network == "denoiser":
        return DenoiserTask(recipe, pool)
    if recipe.network == "inspector":
        return InspectorTask(recipe, pool)
    if recipe.network == "orsnet":
        return ORSNetTask(recipe, pool, denoiser_folder)
    if recipe.network == "second_look":
        return SecondLookTask(recipe, pool, denoiser_folder)
    if recipe.network == "relighter":
        return RelighterTask(recipe, pool, cache.with_name("small"))
    if recipe.network in ("retinaface", "face_refiner", "embedder"):
        if faces is None:
            raise ValueError(f"{recipe.network}: needs the faces of the photos, --faces faces.json")
        if recipe.network == "embedder":
            return EmbedderTask(recipe, pool, faces)
        task = DetectorTask if recipe.network == "retinaface" else RefinerTask
        return task(recipe, pool, faces, denoiser_folder, cache.with_name("denoised-scenes"))
    raise ValueError(
        f"{recipe.network}: this command trains denoiser, inspector, second_look, orsnet, "
        f"relighter, retinaface, face_refiner and embedder"
    )


def start(network: nn.Module, name: str, folder: Path) -> None:
    """Give a network the weights of a finished run; ORSNet may have become deeper since.

    Raises:
        WeightsError: The file is missing, broken or of another network.
    """
    state = weights.load(type(network), name, folder=folder).state_dict()
    network.load_state_dict(deepened(state, network) if isinstance(network, ORSNet) else state)


def open_make(recipe: Recipe, photos: Path, cache: Path, denoiser_folder: Path) -> Make:
    """What makes a streamed task's samples, opened anew on the CPU by each worker."""
    pool = PhotoPool.open(photos, cache, torch.device("cpu"))
    task = make_task(recipe, pool, denoiser_folder)
    assert isinstance(task, StreamedTask)
    return task.batch


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, parents=[run_options(), photo_options(required=False)]
    )
    parser.add_argument(
        "--denoiser", type=Path, default=Path("weights"), help="folder of the denoiser's weights"
    )
    parser.add_argument(
        "--start", type=Path, default=Path("weights"), help="folder of the recipe's start_from"
    )
    parser.add_argument("--faces", type=Path, help="faces.json of the photos, to find faces")
    parser.add_argument("--crops", type=Path, help="pairs of crops, in place of photos: face_vae")
    arguments = parser.parse_args()
    use_threads(arguments)
    recipe = read_recipe(arguments.recipe)
    if arguments.workers and recipe.network not in STREAMED:
        parser.error(f"--workers make samples for {', '.join(STREAMED)}, not {recipe.network}")
    on_crops = recipe.network.startswith("face_vae")
    if (arguments.crops if on_crops else arguments.photos) is None:
        parser.error(f"{recipe.network} needs {'--crops' if on_crops else '--photos'}")
    if on_crops:
        folders = arguments.crops, arguments.start, arguments.device, arguments.denoiser
        run(make_face_task(recipe, *folders), recipe, arguments)
        return
    pool = open_photos(arguments, arguments.device)
    task = make_task(recipe, pool, arguments.denoiser, faces=arguments.faces, cache=arguments.cache)
    if isinstance(task, SecondLookTask) and recipe.start_from == "face_vae":
        task.start_from_faces(arguments.start)
    elif recipe.start_from:
        start(task.network, recipe.start_from, arguments.start)
    opened = partial(open_make, recipe, arguments.photos, arguments.cache, arguments.denoiser)
    run(task, recipe, arguments, opened)


if __name__ == "__main__":
    main()
