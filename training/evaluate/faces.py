"""What the face step does to the faces of a labelled set: `python -m training.evaluate.faces SET`.

SET holds `clean/`, `degraded/` and `faces.json`, as for `training.evaluate.detector`. Denoise and
relight run once, the face step at each fidelity; every restored face is compared with the clean one
in its box, before and after. To measure only; nothing is chosen by it. `--sheet` shows faces side
by side.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from restorecli import weights
from restorecli.faces.alignment import (
    MASK_FEATHER,
    align,
    fit_pixel_aligned,
    pixel_centres,
    radii,
    sample_crop,
)
from restorecli.faces.detection import detect
from restorecli.faces.detections import Detections
from restorecli.faces.restore import FaceRecord, FaceStatus, restore_faces
from restorecli.metrics import psnr, ssim
from restorecli.networks.face_vae import FaceVAEPair, FaceVAEPairConfig
from restorecli.networks.relighter import LUMINANCE
from restorecli.options import Options
from restorecli.pipeline import Restorer
from restorecli.relight import estimate, lit
from restorecli.tiling.sources import TensorSource, whole
from training.arguments import thread_options, use_threads
from training.evaluate.detector import labelled, score

LEAST_SIDE = 16  # px of a face's box; a smaller one has no room for SSIM's window
EDGE = (1 - MASK_FEATHER, 1.0)  # radii of the mask's feather
BESIDE = (0.62, 1.15)  # radii that its surroundings reach to
CELL, GAP, COLUMNS = 96, 4, 5  # of the sheet: px of a face, px, faces in a row
Image3 = Float[Tensor, "1 3 h w"]


class Sample(NamedTuple):
    """A photo: clean, as it came but made light, after denoise, and the faces found in it."""

    name: str
    clean: Image3
    degraded: Image3
    image: Image3
    detections: Detections


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How one face compares with the clean one, in its box.

    Attributes:
        ssim: Of Wang et al. 2004.
        psnr: In dB.
        gradient: Mean gradient magnitude of the luma over the clean face's.
        edge: Mean gradient magnitude under the mask's feather over that on both sides of it.
    """

    ssim: float
    psnr: float
    gradient: float
    edge: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A restored face: its quality before and after faces, its brightness, and the record."""

    before: Quality
    after: Quality
    luminance: float
    record: FaceRecord


def quality(image: Image3, clean: Image3, record: FaceRecord, config: FaceVAEPairConfig) -> Quality:
    """Compare a face with the clean one, the pair's config saying how it was cut out."""
    x0, y0, x1, y1 = (max(0, int(value)) for value in record.box)
    face, clean_face = (part[..., y0:y1, x0:x1] for part in (image, clean))
    marks = torch.tensor(record.landmarks)
    placement = fit_pixel_aligned(marks, config.smallest, config.largest)
    slope = gradient(sample_crop(TensorSource(image), placement))
    side = placement.size
    radius = radii(pixel_centres(0, 0, side, side) / side)[:-1, :-1]
    under = (radius > EDGE[0]) & (radius < EDGE[1])
    beside = (radius > BESIDE[0]) & (radius < BESIDE[1]) & ~under
    return Quality(
        ssim=ssim(face, clean_face),
        psnr=psnr(face, clean_face),
        gradient=float(gradient(face).mean() / gradient(clean_face).mean()),
        edge=float(slope[under].mean() / slope[beside].mean()),
    )


def gradient(image: Image3) -> Float[Tensor, "h w"]:
    """Magnitude of the luma's forward differences; a row and a column less than the picture."""
    luma = (image * image.new_tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1)[0]
    return torch.hypot(luma.diff(dim=0)[:, :-1], luma.diff(dim=1)[:-1])


def restored(
    sample: Sample, pair: FaceVAEPair, options: Options
) -> tuple[Image3, list[FaceRecord]]:
    """Run the face step."""
    image, source = sample.image.clone(), TensorSource(sample.degraded)
    faces = restore_faces(TensorSource(image), sample.detections, pair, options, source=source)
    return image, list(faces.records)


def compare(
    samples: Iterable[Sample], pair: FaceVAEPair, options: Options
) -> tuple[list[Comparison], Counter[str]]:
    """Restore the faces of a set.

    Returns:
        Each restored face that is `LEAST_SIDE` wide and high, and how many faces had which status.
    """
    rows, statuses = [], Counter[str]()
    for sample in samples:
        image, records = restored(sample, pair, options)
        for record in records:
            statuses[str(record.status)] += 1
            x0, y0, x1, y1 = record.box
            if record.status != FaceStatus.RESTORED or min(x1 - x0, y1 - y0) < LEAST_SIDE:
                continue
            before, after = (
                quality(p, sample.clean, record, pair.config) for p in (sample.image, image)
            )
            box = sample.clean[..., int(max(0, y0)) : int(y1), int(max(0, x0)) : int(x1)]
            luminance = float((box * box.new_tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1).mean())
            rows.append(Comparison(before=before, after=after, luminance=luminance, record=record))
    return rows, statuses


def summary(rows: Sequence[Comparison]) -> dict[str, tuple[float, float]]:
    """Means before and after, by name.

    "worst third" is the SSIM of the third that was worst before; "gain of darker, of lighter half"
    holds the mean gain in SSIM of the two halves of the faces by the clean face's luminance.
    """
    before = {name: [getattr(row.before, name) for row in rows] for name in _MEASURES}
    after = {name: [getattr(row.after, name) for row in rows] for name in _MEASURES}
    gain = np.subtract(after["ssim"], before["ssim"])
    worst = np.argsort(before["ssim"])[: max(1, len(rows) // 3)]
    dark = np.array([row.luminance for row in rows])
    dark = dark < np.median(dark)
    means = {name: (_mean(before[name]), _mean(after[name])) for name in _MEASURES}
    off = [_mean(np.abs(np.subtract(1, side["gradient"]))) for side in (before, after)]
    return {
        **means,
        "gradient, distance from 1": (off[0], off[1]),
        "worst third": (
            _mean(np.take(before["ssim"], worst)),
            _mean(np.take(after["ssim"], worst)),
        ),
        "gain of darker, of lighter half": (_mean(gain[dark]), _mean(gain[~dark])),
        "prior, moved": (
            _mean([row.record.prior for row in rows]),
            _mean([row.record.moved for row in rows]),
        ),
    }


_MEASURES = ("ssim", "psnr", "gradient", "edge")


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def samples(restorer: Restorer, folder: Path, every: int) -> Iterable[tuple[Sample, Detections]]:
    """Every so many photos of a set after relight and denoise, with their labels."""
    labels = folder / "faces.json"
    names = [path.stem for path in sorted((folder / "clean").iterdir())[::every]]
    clean, degraded = (labelled(folder / part, labels, every) for part in ("clean", "degraded"))
    for name, (clean_photo, faces), (source, _) in zip(names, clean, degraded, strict=True):
        gains = estimate(TensorSource(source), restorer.relighter, "auto")
        came = whole(lit(TensorSource(source), gains))
        image = restorer.denoiser(came)[0].clamp(0, 1)
        yield Sample(name, clean_photo, came, image, finder(restorer, image)), faces


def finder(restorer: Restorer, image: Image3) -> Detections:
    """Find faces as the pipeline does by default."""
    threshold = Options().face_threshold
    source = TensorSource(image)
    return detect(restorer.detector, source, threshold=threshold, refiner=restorer.refiner)


def sheet(samples: Iterable[Sample], pair: FaceVAEPair, options: Options) -> Image.Image:
    """Draw the largest restored face of each photo as it came, denoised, restored, clean."""
    rows = []
    for sample in samples:
        image, records = restored(sample, pair, options)
        for record in [record for record in records if record.status == FaceStatus.RESTORED][:1]:
            pictures = (sample.degraded, sample.image, image, sample.clean)
            marks = torch.tensor(record.landmarks)
            rows.append([align(TensorSource(picture), marks, CELL)[0] for picture in pictures])
    return grid(rows, COLUMNS)


def grid(rows: Sequence[Sequence[Image3]], columns: int) -> Image.Image:
    """Draw groups of equal squares, each group beside each other, so many groups in a line."""
    side, wide = rows[0][0].shape[-1], len(rows[0]) * rows[0][0].shape[-1]
    lines, width = -(-len(rows) // columns), wide + GAP
    canvas = np.full((lines * (side + GAP), columns * width, 3), 255, np.uint8)
    for number, crops in enumerate(rows):
        line, column = divmod(number, columns)
        pixels = torch.cat(list(crops), 3)[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
        top, left = line * (side + GAP), column * width
        canvas[top : top + side, left : left + wide] = pixels.numpy()
    return Image.fromarray(canvas)


def main() -> None:
    """Print the table of each fidelity, and draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[thread_options()])
    parser.add_argument("set", type=Path, help="folder with clean/, degraded/ and faces.json")
    parser.add_argument("--weights", type=Path, default=None, help="folder of all steps' weights")
    parser.add_argument("--pair", type=Path, default=None, help="folder of face_vae, if another")
    parser.add_argument("--fidelity", type=float, nargs="+", default=[Options().fidelity])
    parser.add_argument("--every", type=int, default=1, help="every so many photos")
    parser.add_argument("--sheet", type=Path, help="picture of faces: as they came | after denoise "
                        "| after faces at the first fidelity | clean")  # fmt: skip
    parser.add_argument("--shown", type=Path, help="list of the sheet's photos, a line each")
    arguments = parser.parse_args()
    use_threads(arguments)
    restorer = Restorer.load(device="cpu", precision="fp32", folder=arguments.weights)
    pair = restorer.face_pair
    if arguments.pair:
        pair = weights.load(FaceVAEPair, "face_vae", folder=arguments.pair)
    find = partial(finder, restorer)
    with torch.inference_mode():
        both = list(samples(restorer, arguments.set, arguments.every))
        samples_of_set = [sample for sample, _ in both]
        before = score(find, ((sample.image, faces) for sample, faces in both))
        print(f"landmarks before: {before.landmark_error:.4f}")
        for fidelity in arguments.fidelity:
            options = Options(fidelity=fidelity)
            rows, statuses = compare(samples_of_set, pair, options)
            print(f"fidelity {fidelity}: {len(rows)} faces,", dict(statuses))
            for name, (first, second) in summary(rows).items():
                print(f"  {name:32} {first:8.4f} {second:8.4f}")
            after = score(find, ((restored(s, pair, options)[0], faces) for s, faces in both))
            print(f"  landmarks after: {after.landmark_error:.4f}", flush=True)
        if arguments.sheet:
            lines = arguments.shown.read_text("utf-8").splitlines()
            names = {line.split()[0] for line in lines if line and not line.startswith("#")}
            examples = [sample for sample in samples_of_set if sample.name in names]
            options = Options(fidelity=arguments.fidelity[0])
            sheet(examples, pair, options).save(arguments.sheet, quality=85)


if __name__ == "__main__":
    main()
