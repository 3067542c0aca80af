"""Train a stage of the face pair: `python -m training.train_face_vae recipe.toml --crops …`.

The crops come from `training.face_crops`; each stage starts from the weights of the one before.
"""

import argparse
from pathlib import Path

import torch

from training.face_mapping import make_face_task
from training.loop import Run
from training.recipe import read_recipe


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path, help="training/recipes/face_vae*.toml")
    parser.add_argument("--crops", type=Path, required=True, help="folder of aligned pairs")
    parser.add_argument("--start", type=Path, default=Path("runs"), help="earlier stage's weights")
    parser.add_argument("--out", type=Path, required=True, help="folder of this run")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves the default")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this long")
    parser.add_argument("--every", type=int, default=200, help="steps between checkpoints")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    recipe = read_recipe(arguments.recipe)
    task = make_face_task(recipe, arguments.crops, arguments.start, device)
    run = Run(task, recipe, arguments.out, device)
    run.go(minutes=arguments.minutes, every=arguments.every)


if __name__ == "__main__":
    main()
