"""Train a stage of the face pair: `python -m training.train_face_vae recipe.toml --crops …`.

The crops come from `training.data.face_crops`; each stage starts from the weights of the one
before.
"""

import argparse
from pathlib import Path

from training.arguments import run, run_options, use_threads
from training.engine.recipe import read_recipe
from training.tasks.face_fusion import make_face_task


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[run_options()])
    parser.add_argument("--crops", type=Path, required=True, help="folder of pairs of crops")
    parser.add_argument("--start", type=Path, default=Path("runs"), help="earlier stage's weights")
    parser.add_argument("--denoiser", type=Path, help="folder of step 1's weights; the shipped")
    arguments = parser.parse_args()
    use_threads(arguments)
    recipe = read_recipe(arguments.recipe)
    device, denoiser = arguments.device, arguments.denoiser
    run(
        make_face_task(recipe, arguments.crops, arguments.start, device, denoiser),
        recipe,
        arguments,
    )


if __name__ == "__main__":
    main()
