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
from training.tasks.face_pair import FacePairTask
from training.tasks.face_prior import FacePriorTask
from training.tasks.guided_denoiser import SecondLookTask
from training.tasks.inspector import InspectorTask
from training.tasks.orsnet import ORSNetTask, deepened
from training.tasks.refiner import RefinerTask
from training.tasks.relighter import RelighterTask

ON_FACES = ("retinaface", "face_refiner", "embedder", "face_prior", "face_pair")
# Their samples can be made apart from the network
STREAMED = ("denoiser", "second_look", "orsnet", "face_prior", "face_pair")


def make_task(
    recipe: Recipe,
    pool: PhotoPool,
    denoiser_folder: Path,
    *,
    faces: Path | None = None,
    cache: Path = Path("runs/pool"),
    prior: Path = Path("runs/face_prior"),
    embedder: Path = Path("runs/embedder"),
) -> Task:
    """The task that a recipe names.

    Args:
        recipe: One of denoiser, inspector, second_look, orsnet, relighter, retinaface,
            face_refiner, embedder, face_prior and face_pair.
        pool: Photos.
        denoiser_folder: Of the denoiser's weights, which the upscaler and the second look stand on
            and the two that find faces look through; for these of the relighter's as well, for
            face_refiner of retinaface's too; for face_pair of the second look's and ORSNet's.
        faces: `faces.json` of the photos, for the last five.
        cache: Beside it the relighter keeps its small photos, those that find faces their denoised
            scenes.
        prior: Folder of the weights of face_prior, for face_pair.
        embedder: Folder of the weights of embedder, likewise.

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
    if recipe.network in ON_FACES:
        if faces is None:
            raise ValueError(f"{recipe.network}: needs the faces of the photos, --faces faces.json")
        if recipe.network == "embedder":
            return EmbedderTask(recipe, pool, faces)
        if recipe.network == "face_prior":
            return FacePriorTask(recipe, pool, faces)
        if recipe.network == "face_pair":
            return FacePairTask(recipe, pool, faces, denoiser_folder, prior, embedder)
        task = DetectorTask if recipe.network == "retinaface" else RefinerTask
        return task(recipe, pool, faces, denoiser_folder, cache.with_name("denoised-scenes"))
    raise ValueError(
        f"{recipe.network}: this command trains denoiser, inspector, second_look, orsnet, "
        f"relighter, {', '.join(ON_FACES)}"
    )


def start(network: nn.Module, name: str, folder: Path) -> None:
    """Give a network the weights of a finished run; ORSNet may have become deeper since.

    Raises:
        WeightsError: The file is missing, broken or of another network.
    """
    state = weights.load(type(network), name, folder=folder).state_dict()
    network.load_state_dict(deepened(state, network) if isinstance(network, ORSNet) else state)


def make_asked_task(recipe: Recipe, arguments: argparse.Namespace, device: torch.device) -> Task:
    """The task of a recipe on photos, with all that the command line names."""
    return make_task(
        recipe,
        open_photos(arguments, device),
        arguments.denoiser,
        faces=arguments.faces,
        cache=arguments.cache,
        prior=arguments.prior,
        embedder=arguments.embedder,
    )


def open_make(recipe: Recipe, arguments: argparse.Namespace) -> Make:
    """What makes a streamed task's samples, opened anew on the CPU by each worker."""
    task = make_asked_task(recipe, arguments, torch.device("cpu"))
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
    parser.add_argument(
        "--prior", type=Path, default=Path("runs/face_prior"), help="folder of face_prior's weights"
    )
    parser.add_argument(
        "--embedder", type=Path, default=Path("runs/embedder"), help="folder of embedder's weights"
    )
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
    task = make_asked_task(recipe, arguments, arguments.device)
    if isinstance(task, SecondLookTask) and recipe.start_from == "face_vae":
        task.start_from_faces(arguments.start)
    elif recipe.start_from:
        shipped = getattr(task.network, "shipped", task.network)
        start(shipped, recipe.start_from, arguments.start)
    run(task, recipe, arguments, partial(open_make, recipe, arguments))


if __name__ == "__main__":
    main()
