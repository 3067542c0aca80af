"""Scenes as denoise and relight leave them, made once: what the face detector sees at run time.

The denoiser costs ten times what the detector costs, so its outputs are made before training and
kept in a file; place, light, grey and mirror still change from draw to draw.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restorecli.degrade import DegradeConfig, degrade
from training.data.scenes import MIRRORED_ORDER, SMALLEST, WHOLE_ENOUGH, FacePhotos, Scene
from training.tasks.multibox import FACE, IGNORED

BATCH = 8
Denoise = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class DenoisedScenes:
    """Degraded and denoised scenes with their faces.

    Attributes:
        scenes: All of one size.
    """

    scenes: tuple[Scene, ...]

    @classmethod
    def open(cls, path: Path, make: Callable[[], list[Scene]]) -> "DenoisedScenes":
        """Read the .npz, or make the scenes and write it, whole or not at all."""
        if not path.exists():
            _write(path, make())
        return cls(_read(path))

    def scene(self, seed: int, size: int) -> Scene:
        """A square of the scene of a seed, mirrored for every other draw."""
        rng = np.random.default_rng(seed)
        scene = self.scenes[rng.integers(len(self.scenes))]
        left, top = rng.integers(0, scene.pixels.shape[0] - size + 1, 2)
        scene = cropped(scene, int(left), int(top), size)
        return mirrored(scene) if rng.random() < 0.5 else scene


def cropped(scene: Scene, left: int, top: int, size: int) -> Scene:
    """A square of a scene: boxes end at its border, faces that are mostly outside are IGNORED."""
    boxes = scene.boxes - [left, top, left, top]
    clipped = boxes.clip(0, size)
    sides = clipped[:, 2:] - clipped[:, :2]
    visible = sides.prod(axis=1) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    landmarks = scene.landmarks - [left, top]
    whole = ((landmarks >= 0) & (landmarks <= size)).all(axis=(1, 2))
    kinds = np.where(whole, scene.kinds, np.minimum(scene.kinds, FACE))
    kinds = np.where((visible < WHOLE_ENOUGH) | (sides[:, 0] < SMALLEST), IGNORED, kinds)
    rows = visible > 0
    pixels = scene.pixels[top : top + size, left : left + size]
    return Scene(pixels, clipped[rows], landmarks[rows], kinds[rows])


def mirrored(scene: Scene) -> Scene:
    """Left is right; landmarks keep their order, left in the picture first."""
    width = scene.pixels.shape[1]
    boxes, landmarks = scene.boxes.copy(), scene.landmarks[:, MIRRORED_ORDER].copy()
    boxes[:, [0, 2]] = width - scene.boxes[:, [2, 0]]
    landmarks[..., 0] = width - landmarks[..., 0]
    return Scene(scene.pixels[:, ::-1], boxes, landmarks, scene.kinds)


def denoised_scenes(
    stock: FacePhotos,
    denoise: Denoise,
    degradation: DegradeConfig,
    *,
    count: int,
    size: int,
    device: torch.device,
) -> list[Scene]:
    """Scenes of the seeds 0, 1, …, degraded and denoised.

    Args:
        stock: What scenes are made of.
        denoise: What leaves them so: (n, 3, s, s) in [0, 1] on `device` → the same.
        degradation: What befalls the scenes before.
        count: Scenes to make.
        size: Their side in pixels, a multiple of the denoiser's.
        device: Where `denoise` runs.
    """
    denoised: list[Scene] = []
    for start in range(0, count, BATCH):
        seeds = range(start, min(start + BATCH, count))
        scenes = [stock.scene(seed, size) for seed in seeds]
        pixels = np.stack([scene.pixels for scene in scenes]).transpose(0, 3, 1, 2)
        clean = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).float() / 255
        with torch.inference_mode():
            pair = degrade(clean, torch.tensor(list(seeds), device=device), degradation)
            image = denoise(pair.image).float().clamp(0, 1)
        rows = image.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        denoised += [
            Scene(row, scene.boxes, scene.landmarks, scene.kinds)
            for row, scene in zip(rows, scenes, strict=True)
        ]
    return denoised


def _write(path: Path, scenes: list[Scene]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp.npz")
    np.savez(
        unfinished,
        pixels=np.stack([scene.pixels for scene in scenes]),
        counts=np.array([len(scene.kinds) for scene in scenes]),
        boxes=np.concatenate([scene.boxes for scene in scenes]),
        landmarks=np.concatenate([scene.landmarks for scene in scenes]),
        kinds=np.concatenate([scene.kinds for scene in scenes]),
    )
    unfinished.replace(path)


def _read(path: Path) -> tuple[Scene, ...]:
    with np.load(path) as file:
        ends = np.cumsum(file["counts"])[:-1]

        def split(name: str) -> list[NDArray[Any]]:
            return np.split(file[name], ends)

        rows = zip(file["pixels"], split("boxes"), split("landmarks"), split("kinds"), strict=True)
        return tuple(Scene(*row) for row in rows)
