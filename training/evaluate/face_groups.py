"""What each face gains by the face step, by group: Markdown tables.

    python -m training.evaluate.face_groups --set SET --photos PHOTOS --faces PHOTOS/faces.json
        --out runs/face_groups [--weights FOLDER]

The first faces of a labelled set at x1; held-out faces at x1 and x2. A row for each way to restore:
as it came (at x2 enlarged bicubically), steps 1 and 3, steps 1 to 3. Measured in the upright box of
the oval that the face step works in. To measure only; nothing is chosen by it.

Groups are thirds of a set by the clean face's cheeks (`training.evaluate.skin`): by typology angle,
which a photo's white balance moves, and by L* alone; and women and men where the source's file name
begins with `woman_` or `man_`, as those of `pixabay-faces` do.
"""

import argparse
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from restorecli import Restorer, weights
from restorecli.faces.alignment import MASK_CENTRE, MASK_RADII, align, fit_similarity
from restorecli.metrics import ssim
from restorecli.tiling.sources import TensorSource
from training.arguments import machine_options, open_photos, photo_options, use_threads
from training.evaluate.face_sets import (
    ALL,
    CAME,
    SETTINGS,
    WITHOUT,
    Kept,
    held_out_set,
    kept,
    labelled_set,
    restore,
)
from training.evaluate.faces import gradient, grid
from training.evaluate.skin import cheek_colour, lab, thirds, typology_angle
from training.networks.embedder import MEASURES, Embedder, distance, rank_one, roc_area

CELL, COLUMNS = 160, 3  # of the sheet: px of a face, faces in a row
Image3 = Float[Tensor, "1 3 h w"]
HEAD = (
    "| | SSIM | worst third | gradient over the clean face's | distance to the clean face | "
    "rank 1 | ROC area |\n|---|---|---|---|---|---|---|"
)
GROUP_HEAD = (
    "| group | faces | SSIM | gain by the face step | distance | change by the face step |\n"
    "|---|---|---|---|---|---|"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """Of the faces of a set, restored in one way.

    Attributes:
        ssim: (n,) in the face's box.
        gradient: (n,) mean gradient magnitude over the clean face's.
        vectors: (n, d) of the embedder.
    """

    ssim: np.ndarray
    gradient: np.ndarray
    vectors: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """A set.

    Attributes:
        settings: Scores by name of the setting.
        clean: (n, d) vectors of the clean faces.
        angles: ITA of each clean face's cheeks in degrees.
        lightness: Their L*.
        sources: File name of each photo.
    """

    settings: dict[str, Scores]
    clean: Tensor
    angles: list[float | None]
    lightness: list[float | None]
    sources: list[str]

    def distances(self, setting: str) -> np.ndarray:
        """Of each face to the clean one: 0 the same, √2 where nothing is shared."""
        return distance(self.settings[setting].vectors, self.clean).double().numpy()

    def groups(self) -> dict[str, np.ndarray]:
        """Which faces each group has, by what its row is called."""
        groups = {"all": np.ones(len(self.sources), dtype=bool)}
        for measure, values in (("ITA", self.angles), ("L*", self.lightness)):
            skin = np.array(thirds(values))
            for name in ("darker", "middle", "lighter"):
                rows = skin == name
                own = [v for v, row in zip(values, rows, strict=True) if row and v is not None]
                bounds = f"{min(own):.0f} to {max(own):.0f}" if own else ""
                groups[f"{name}, {measure} {bounds}"] = rows
        sexes = np.array([sex(source) for source in self.sources])
        return groups | {name: sexes == name for name in ("women", "men")}


def sex(source: str) -> str:
    """What a photo's file name says: "women", "men" or nothing."""
    name = source.rsplit("/", 1)[-1]
    return "women" if name.startswith("woman_") else "men" if name.startswith("man_") else ""


def face_box(landmarks: Float[Tensor, "5 2"], height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the upright box around the face step's oval, within the photo."""
    low, high = (
        [centre + sign * radius for centre, radius in zip(MASK_CENTRE, MASK_RADII, strict=True)]
        for sign in (-1, 1)
    )
    corners = torch.tensor([[x, y] for x in (low[0], high[0]) for y in (low[1], high[1])])
    points = fit_similarity(landmarks, 1).to_photo(corners.double())
    left, top = points.amin(0).floor().clamp(min=0).int().tolist()
    right, bottom = points.amax(0).ceil().int().tolist()
    return slice(top, min(bottom, height)), slice(left, min(right, width))


def measure(faces: Iterable[Kept], embedder: Embedder) -> Measured:
    """Compare every picture with the clean one."""
    side = embedder.config.side
    ssims: dict[str, list[float]] = {name: [] for name in (CAME, *SETTINGS)}
    slopes: dict[str, list[float]] = {name: [] for name in ssims}
    vectors: dict[str, list[Tensor]] = {name: [] for name in ("clean", *ssims)}
    angles, lightness, sources = list[float | None](), list[float | None](), list[str]()
    for face in faces:
        rows, columns = face_box(face.landmarks, *face.clean.shape[-2:])
        clean = face.clean[..., rows, columns]
        for name, picture in face.pictures.items():
            part = picture[..., rows, columns]
            ssims[name].append(ssim(part, clean))
            slopes[name].append(float(gradient(part).mean() / gradient(clean).mean()))
        pictures = {"clean": face.clean, **face.pictures}
        crops = [align(TensorSource(p), face.landmarks, side)[0] for p in pictures.values()]
        for name, vector in zip(pictures, embedder(torch.cat(crops)), strict=True):
            vectors[name].append(vector)
        colour = cheek_colour(face.clean, face.landmarks)
        angles.append(typology_angle(colour))
        lightness.append(lab(colour)[0])
        sources.append(face.source)
    settings = {
        name: Scores(
            ssim=np.array(ssims[name]),
            gradient=np.array(slopes[name]),
            vectors=torch.stack(vectors[name]),
        )
        for name in ssims
    }
    return Measured(
        settings=settings,
        clean=torch.stack(vectors["clean"]),
        angles=angles,
        lightness=lightness,
        sources=sources,
    )


def worst_third(values: np.ndarray) -> float:
    """Mean of the third of the values that are lowest, of each setting its own."""
    return float(np.sort(values)[: max(1, len(values) // 3)].mean())


def table(measured: Measured) -> str:
    """A row for each setting."""
    lines = [HEAD]
    for name, scores in measured.settings.items():
        probes = scores.vectors
        lines.append(
            f"| {name} | {scores.ssim.mean():.4f} | {worst_third(scores.ssim):.4f} | "
            f"{scores.gradient.mean():.3f} | {measured.distances(name).mean():.4f} | "
            f"{rank_one(probes, measured.clean):.3f} | {roc_area(probes, measured.clean):.4f} |"
        )
    return "\n".join(lines)


def group_table(measured: Measured) -> str:
    """A row for each group that has a face: what steps 1 and 3 give, and what step 2 changes."""
    without, full = measured.settings[WITHOUT], measured.settings[ALL]
    before, after = measured.distances(WITHOUT), measured.distances(ALL)
    lines = [GROUP_HEAD]
    for name, rows in measured.groups().items():
        if not rows.any():
            continue
        gain = (full.ssim - without.ssim)[rows]
        change = (after - before)[rows]
        lines.append(
            f"| {name} | {rows.sum()} | "
            f"{without.ssim[rows].mean():.4f} | {gain.mean():+.4f} ± {_error(gain):.4f} | "
            f"{before[rows].mean():.4f} | {change.mean():+.4f} ± {_error(change):.4f} "
            f"({change.mean() / before[rows].mean():+.1%}) |"
        )
    return "\n".join(lines)


def sheet(faces: Iterable[Kept], shown: Collection[str]) -> Image.Image:
    """Draw faces of some sources as they came, by steps 1 and 3, by all steps, and clean."""
    rows = []
    for face in faces:
        if face.source in shown:
            pictures = *(face.pictures[name] for name in (CAME, WITHOUT, ALL)), face.clean
            rows.append([align(TensorSource(p), face.landmarks, CELL)[0] for p in pictures])
    return grid(rows, COLUMNS)


def _error(values: np.ndarray) -> float:
    """Standard error of the mean."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else float("nan")


def main(argv: Sequence[str] | None = None) -> None:
    """Restore what is not kept yet, measure, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, parents=[photo_options(required=False), machine_options()],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--set", type=Path, help="folder with clean/, degraded/, faces.json, "
                        "pairs.csv")  # fmt: skip
    parser.add_argument("--faces", type=Path, help="faces.json of the photos")
    parser.add_argument("--embedder", type=Path, default=MEASURES, help="folder of its weights")
    parser.add_argument("--weights", type=Path, help="folder of all steps' weights")
    parser.add_argument("--precision", default="auto", help="auto, fp32 or bf16")
    parser.add_argument("--out", type=Path, required=True, help="folder of what is restored, by "
                        "weights and precision")  # fmt: skip
    parser.add_argument("--count", type=int, default=0, help="photos of each set; 0 for all")
    parser.add_argument("--sheet", type=Path, help="picture of faces of the last set: as they came "
                        "| steps 1 and 3 | steps 1 to 3 | clean")  # fmt: skip
    parser.add_argument("--shown", type=Path, help="list of the sheet's photos, a line each")
    arguments = parser.parse_args(argv)
    use_threads(arguments)
    restorer = Restorer.load(
        device=str(arguments.device), precision=arguments.precision, folder=arguments.weights
    )
    of = weights.set_hash(arguments.weights)[:12]
    out = arguments.out / f"{of}-{arguments.precision}"  # nothing that other weights made
    print(f"weights {of}")
    embedder = weights.load(Embedder, "embedder", folder=arguments.embedder)
    sets = {}
    if arguments.set:
        sets["labelled-x1"] = labelled_set(arguments.set, arguments.count)
    if arguments.photos and arguments.faces:
        pool = open_photos(arguments, torch.device("cpu"))
        for scale in (1, 2):
            items = held_out_set(pool, arguments.faces, scale, arguments.count)
            sets[f"held-out-x{scale}"] = items
    for name, items in sets.items():
        restore(restorer, items, out / name)
        with torch.inference_mode():
            measured = measure(kept(out / name), embedder)
        print(f"\n{name}: {len(measured.sources)} faces\n\n{table(measured)}")
        print(f"\n{group_table(measured)}", flush=True)
    if arguments.sheet:
        lines = arguments.shown.read_text("utf-8").splitlines()
        names = {line for line in lines if not line.startswith("#")}
        sheet(kept(out / name), names).save(arguments.sheet, quality=85)


if __name__ == "__main__":
    main()
