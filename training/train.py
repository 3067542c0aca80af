"""Train a network by its recipe, such as `training/recipes/denoiser/1-first.toml`."""

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import nn

from restorecli import weights
from restorecli.networks.face_vae import FaceVAEPair
from restorecli.networks.orsnet import ORSNet
from training.arguments import open_photos, photo_options, run, run_options, use_threads
from training.data.photo_pool import PhotoPool
from training.engine.feed import Make
from training.engine.loop import StreamedTask, Task
from training.engine.recipe import Recipe, read_recipe
from training.networks.face_prior import FacePrior
from training.tasks.both_looks import BothLooksTask
from training.tasks.denoiser import DenoiserTask
from training.tasks.detector import DetectorTask
from training.tasks.embedder import EmbedderTask
from training.tasks.face_prior import FacePriorTask
from training.tasks.face_vae import FaceVAETask
from training.tasks.guided_denoiser import SecondLookTask
from training.tasks.inspector import InspectorTask, ResidualInspectorTask
from training.tasks.orsnet import ORSNetTask, deepened
from training.tasks.refiner import RefinerTask
from training.tasks.relighter import RelighterTask
from training.tasks.tone import ToneInspectorTask

ON_FACES = ("retinaface", "face_refiner", "embedder", "face_prior", "face_vae")
# Their samples can be made apart from the network
STREAMED = ("denoiser", "second_look", "both_looks", "orsnet", "face_prior", "face_vae")


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
        recipe: One of denoiser, inspector, residual_inspector, tone_inspector, second_look,
            both_looks, orsnet, relighter, retinaface, face_refiner, embedder, face_prior and
            face_vae.
        pool: Photos.
        denoiser_folder: Of the denoiser's weights, which the upscaler and the second look stand on
            and the two that find faces look through; for these of the relighter's as well, for
            face_refiner of retinaface's too; for face_vae of the second look's and ORSNet's, for
            both_looks of the second look's, for residual_inspector of the inspector's.
        faces: `faces.json` of the photos, for the last five.
        cache: Beside it the relighter keeps its small photos, those that find faces their denoised
            scenes.
        prior: Folder of the weights of face_prior, for face_vae.
        embedder: Folder of the weights of embedder, likewise.

    Raises:
        ValueError: There is no such task, or it lacks its labels.
    """
    if recipe.network == "denoiser":
        return DenoiserTask(recipe, pool)
    if recipe.network == "inspector":
        return InspectorTask(recipe, pool)
    if recipe.network == "residual_inspector":
        return ResidualInspectorTask(recipe, pool, denoiser_folder)
    if recipe.network == "tone_inspector":
        return ToneInspectorTask(recipe, pool, denoiser_folder)
    if recipe.network == "orsnet":
        return ORSNetTask(recipe, pool, denoiser_folder)
    if recipe.network == "second_look":
        return SecondLookTask(recipe, pool, denoiser_folder)
    if recipe.network == "both_looks":
        return BothLooksTask(recipe, pool, denoiser_folder)
    if recipe.network == "relighter":
        return RelighterTask(recipe, pool, cache.with_name("small"))
    if recipe.network in ON_FACES:
        if faces is None:
            raise ValueError(f"{recipe.network}: needs the faces of the photos, --faces faces.json")
        if recipe.network == "embedder":
            return EmbedderTask(recipe, pool, faces)
        if recipe.network == "face_prior":
            return FacePriorTask(recipe, pool, faces)
        if recipe.network == "face_vae":
            return FaceVAETask(recipe, pool, faces, denoiser_folder, prior, embedder)
        task = DetectorTask if recipe.network == "retinaface" else RefinerTask
        return task(recipe, pool, faces, denoiser_folder, cache.with_name("denoised-scenes"))
    raise ValueError(
        f"{recipe.network}: this command trains denoiser, inspector, residual_inspector, "
        f"tone_inspector, second_look, both_looks, orsnet, relighter, {', '.join(ON_FACES)}"
    )


def start(network: nn.Module, name: str, folder: Path) -> None:
    """Give a network the weights of a finished run.

    ORSNet may have become deeper since. The prior of faces can take its decoder from the finished
    pair, so that its encoder learns the latents that this decoder draws from.

    Raises:
        WeightsError: The file is missing, broken or of another network.
    """
    if isinstance(network, FacePrior) and name == "face_vae":
        pair = weights.load(FaceVAEPair, name, folder=folder)
        network.decoder.load_state_dict(pair.prior.state_dict())
        return
    state = weights.load(type(network), name, folder=folder).state_dict()
    network.load_state_dict(deepened(state, network) if isinstance(network, ORSNet) else state)


def take_first(task: Task, folder: Path) -> None:
    """Give the pair that a task trains VAE A of another one.

    Raises:
        WeightsError: The other one's file is missing, broken or of another network.
    """
    pair = getattr(task.network, "shipped", None)
    assert isinstance(pair, FaceVAEPair)
    other = weights.load(FaceVAEPair, "face_vae", folder=folder)
    pair.first.load_state_dict(other.first.state_dict())


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
    parser = argparse.ArgumentParser(description=__doc__, parents=[run_options(), photo_options()])
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
    parser.add_argument("--first", type=Path, help="folder of a pair whose VAE A face_vae takes")
    parser.add_argument(
        "--embedder", type=Path, default=Path("runs/embedder"), help="folder of embedder's weights"
    )
    arguments = parser.parse_args()
    use_threads(arguments)
    recipe = read_recipe(arguments.recipe)
    if arguments.workers and recipe.network not in STREAMED:
        parser.error(f"--workers make samples for {', '.join(STREAMED)}, not {recipe.network}")
    if arguments.first and recipe.network != "face_vae":
        parser.error(f"--first is for face_vae, not {recipe.network}")
    task = make_asked_task(recipe, arguments, arguments.device)
    if recipe.start_from:
        shipped = getattr(task.network, "shipped", task.network)
        start(shipped, recipe.start_from, arguments.start)
    if arguments.first:
        take_first(task, arguments.first)
    run(task, recipe, arguments, partial(open_make, recipe, arguments))


if __name__ == "__main__":
    main()
