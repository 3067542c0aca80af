"""Command-line options that the training commands share, as parent parsers of argparse."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from training.data.photo_pool import PhotoPool
from training.engine.feed import Feed, Make
from training.engine.loop import Run, StreamedTask, Task
from training.engine.recipe import Recipe


def photo_options(*, required: bool = True) -> argparse.ArgumentParser:
    """`--photos` and `--cache`: which photos, and where they are kept decoded."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--photos", type=Path, required=required, help="folder tree of clean photos"
    )
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"), help="decoded photos")
    return parser


def thread_options() -> argparse.ArgumentParser:
    """`--threads`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves the default")
    return parser


def machine_options() -> argparse.ArgumentParser:
    """`--device` and `--threads`: what computes."""
    parser = argparse.ArgumentParser(add_help=False, parents=[thread_options()])
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    return parser


def run_options() -> argparse.ArgumentParser:
    """`recipe`, `--out`, `--minutes`, `--every` and `--workers`: one training run."""
    parser = argparse.ArgumentParser(add_help=False, parents=[machine_options()])
    parser.add_argument("recipe", type=Path, help="TOML file from training/recipes/")
    parser.add_argument("--out", type=Path, required=True, help="folder of this run")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this long")
    parser.add_argument("--every", type=int, default=500, help="steps between checkpoints")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that make samples; 0: the run does"
    )
    return parser


def use_threads(arguments: argparse.Namespace) -> None:
    """Obey `--threads`."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)


def open_photos(arguments: argparse.Namespace, device: torch.device) -> PhotoPool:
    """The photos of `photo_options`, on a device."""
    return PhotoPool.open(arguments.photos, arguments.cache, device)


def run(
    task: Task,
    recipe: Recipe,
    arguments: argparse.Namespace,
    open_make: Callable[[], Make] | None = None,
) -> None:
    """Train as `run_options` say; with `--workers`, on what `open_make` gives each of them."""
    started = Run(task, recipe, arguments.out, arguments.device)
    go = partial(started.go, minutes=arguments.minutes, every=arguments.every)
    if open_make is None or not arguments.workers:
        go()
        return
    assert isinstance(task, StreamedTask)
    with Feed(
        open_make,
        recipe.phases,
        arguments.device,
        workers=arguments.workers,
        seed=(recipe.seed, started.step),
        symmetries=task.symmetries,
    ) as feed:
        go(feed=feed)
