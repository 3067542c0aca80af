"""How well a face detector does on a labelled set: `python -m training.evaluate.detector SET`.

SET holds `clean/`, `degraded/` and `faces.json` (labels of the clean photos, by name without
suffix). To measure only; nothing is chosen by it. With the photos of training, also on scenes made
of those that were held out: small faces, and none.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from restorecli import weights
from restorecli.faces import anchors
from restorecli.faces.detection import detect
from restorecli.faces.detections import Detections
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.face_refiner import FaceRefiner
from restorecli.networks.retinaface import RetinaFace
from training.arguments import open_photos, photo_options
from training.data.scenes import FacePhotos
from training.tasks.multibox import FACE

TRUSTED_SCORE = 0.6
SAME_FACE = 0.5
SMALL_WIDTHS = (12, 16, 24, 48)  # px
MADE_SCENES, MADE_SIDE = 300, 256
Finder = Callable[[Float[Tensor, "1 3 h w"]], Detections]


@dataclass(frozen=True, kw_only=True)
class DetectorScore:
    """Sums over a set.

    Attributes:
        recall: Share of the trusted labels that were found.
        precision: Share of the finds that are a label, untrusted labels left out of account.
        landmark_error: Mean distance of a landmark from its label, in eye distances.
        false_finds: Finds without a label, a photo.
        seconds: A photo.
    """

    recall: float
    precision: float
    landmark_error: float
    false_finds: float
    seconds: float


def score(finder: Finder, samples: Iterable[tuple[Tensor, Detections]]) -> DetectorScore:
    """Compare what a detector finds with labels.

    Args:
        finder: Image → faces.
        samples: Images (1, 3, h, w) in [0, 1] and their labels.
    """
    photos = true = hits = right = wrong = 0
    errors: list[float] = []
    seconds = 0.0
    for image, labels in samples:
        start = time.perf_counter()
        detections = finder(image)
        seconds += time.perf_counter() - start
        photos += 1
        trusted = labels.scores >= TRUSTED_SCORE
        true += int(trusted.sum())
        shared = anchors.iou(detections.boxes, labels.boxes)
        best = shared.max(1) if len(labels) and len(detections) else None
        if best is None:
            wrong += len(detections)
            continue
        same = best.values >= SAME_FACE
        wrong += int((~same).sum())
        right += int((same & trusted[best.indices]).sum())
        hits += int(((shared >= SAME_FACE).any(0) & trusted).sum())
        for row in torch.nonzero(same & trusted[best.indices])[:, 0].tolist():
            truth = labels.landmarks[best.indices[row]]
            distance = (detections.landmarks[row] - truth).norm(dim=-1).mean()
            errors.append(float(distance / (truth[1] - truth[0]).norm()))
    return DetectorScore(
        recall=hits / max(1, true),
        precision=right / max(1, right + wrong),
        landmark_error=float(np.mean(errors)) if errors else float("nan"),
        false_finds=wrong / max(1, photos),
        seconds=seconds / max(1, photos),
    )


def labelled(folder: Path, labels: Path, every: int) -> Iterable[tuple[Tensor, Detections]]:
    """Photos of a folder with the faces that a JSON list says of their names."""
    faces = {entry["name"]: entry["faces"] for entry in json.loads(labels.read_text("utf-8"))}
    for path in sorted(folder.iterdir())[::every]:
        with Image.open(path) as photo:
            pixels = np.array(photo.convert("RGB"))
        image = torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).float() / 255
        entries = faces.get(path.stem, [])
        yield (
            image,
            Detections(
                torch.tensor([face["box"] for face in entries]).reshape(-1, 4),
                torch.tensor([face["landmarks"] for face in entries]).reshape(-1, 5, 2),
                torch.tensor([face["score"] for face in entries]).reshape(-1),
            ),
        )


def made_scenes(
    stock: FacePhotos, *, count: int, size: int, narrowest: float, widest: float
) -> Iterable[tuple[Tensor, Detections]]:
    """Scenes of a stock; only faces of these widths in pixels count, the others are not trusted."""
    for seed in range(count):
        scene = stock.scene(seed, size)
        image = torch.from_numpy(scene.pixels.copy()).permute(2, 0, 1).unsqueeze(0).float() / 255
        width = scene.boxes[:, 2] - scene.boxes[:, 0]
        counts = (scene.kinds >= FACE) & (width >= narrowest) & (width < widest)
        boxes, landmarks, scores = (
            torch.from_numpy(values).float() for values in (scene.boxes, scene.landmarks, counts)
        )
        yield image, Detections(boxes, landmarks, scores)


def print_made(finder: Finder, stock: FacePhotos, threshold: float) -> None:
    """Print the scores on small faces, and in how many scenes without faces none is found."""
    for narrowest, widest in itertools.pairwise(SMALL_WIDTHS):
        scenes = made_scenes(
            stock, count=MADE_SCENES, size=MADE_SIDE, narrowest=narrowest, widest=widest
        )
        recall = score(finder, scenes).recall
        print(f"{threshold} made, {narrowest} to {widest} px: recall {recall:.3f}", flush=True)
    scenes = made_scenes(stock, count=MADE_SCENES * 4, size=MADE_SIDE, narrowest=0, widest=0)
    empty = [len(finder(image)) == 0 for image, faces in scenes if not len(faces)]
    share = sum(empty) / max(1, len(empty))
    print(f"{threshold} made, no faces: none found in {share:.3f} of {len(empty)}", flush=True)


def main() -> None:
    """Print the scores on clean, degraded and denoised photos, and on made scenes."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[photo_options(required=False)])
    parser.add_argument("set", type=Path, help="folder with clean/, degraded/ and faces.json")
    parser.add_argument(
        "--weights", type=Path, default=None, help="folder of retinaface and face_refiner"
    )
    parser.add_argument(
        "--without-refiner", action="store_true", help="take the detector's finds as they are"
    )
    parser.add_argument("--denoiser", type=Path, default=None, help="folder of its weights")
    parser.add_argument("--threshold", type=float, nargs="+", default=[0.6])
    parser.add_argument("--every", type=int, default=1, help="every so many photos")
    parser.add_argument("--faces", type=Path, help="faces.json of those photos")
    arguments = parser.parse_args()
    detector = weights.load(RetinaFace, "retinaface", folder=arguments.weights)
    refiner = (
        None
        if arguments.without_refiner
        else weights.load(FaceRefiner, "face_refiner", folder=arguments.weights)
    )
    denoiser = (
        weights.load(Denoiser, "denoiser", folder=arguments.denoiser)
        if arguments.denoiser
        else None
    )

    for threshold in arguments.threshold:
        finder = partial(detect, detector, threshold=threshold, refiner=refiner)

        def after_denoise(image: Tensor, finder: Finder = finder) -> Detections:
            assert denoiser is not None
            return finder(denoiser(image)[0].clamp(0, 1))

        for name in ("clean", "degraded", "denoised"):
            if name == "denoised" and denoiser is None:
                continue

            folder = arguments.set / ("clean" if name == "clean" else "degraded")
            with torch.inference_mode():
                samples = labelled(folder, arguments.set / "faces.json", arguments.every)
                finder_of_name = after_denoise if name == "denoised" else finder
                print(threshold, name, score(finder_of_name, samples), flush=True)
        if arguments.photos and arguments.faces:
            pool = open_photos(arguments, torch.device("cpu"))
            stock = FacePhotos.read(pool, arguments.faces, held_out=True)
            with torch.inference_mode():
                print_made(finder, stock, threshold)


if __name__ == "__main__":
    main()
