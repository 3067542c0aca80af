"""Crops of faces: as the denoiser leaves a face, as it came to the denoiser, and clean.

`python -m training.data.face_crops --photos DIR --faces faces.json --out crops/` writes them once,
in parts, so that a stopped run goes on and later parts can see a better denoiser; `FacePairs` reads
them. The crops are made as at run time: photo → pattern → denoiser → a square around the face, at
the photo's own pixels.
"""

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from restorecli import weights
from restorecli.degrade import DegradeConfig, degrade
from restorecli.degrade.rng import Draws
from restorecli.networks.denoiser import Denoiser
from training.arguments import machine_options, open_photos, photo_options, use_threads
from training.data.photo_pool import PhotoPool, mirrored

WINDOWS = (208, 240, 272, 304)  # px; the part of a photo that the denoiser sees
EYES = (3.9, 5.6)  # so many eye distances is it wide
MIN_SCORE = 0.9
MIN_EYE_DISTANCE = 36  # px; smaller faces would be mostly invented
Crops = Float[Tensor, "n 3 s s"]


@dataclass(frozen=True)
class Face:
    """A labelled face: which photo of the pool, and its five landmarks (x, y) in px."""

    photo: int
    landmarks: tuple[tuple[float, float], ...]

    @property
    def eye_distance(self) -> float:
        """In pixels."""
        (left_x, left_y), (right_x, right_y) = self.landmarks[:2]
        return float(np.hypot(right_x - left_x, right_y - left_y))


def labelled_faces(pool: PhotoPool, listing: Path, *, held_out: bool) -> list[Face]:
    """Faces of one part of the pool that are sure and large enough.

    Args:
        pool: Photos, named as in the list.
        listing: JSON list of `{"name", "faces": [{"landmarks", "score"}]}`.
        held_out: Which part.
    """
    numbers = {pool.names[number]: number for number in pool.split(held_out=held_out)}
    faces = [
        Face(numbers[entry["name"]], tuple((x, y) for x, y in face["landmarks"]))
        for entry in json.loads(listing.read_text("utf-8"))
        if entry["name"] in numbers
        for face in entry["faces"]
        if face["score"] >= MIN_SCORE
    ]
    return [face for face in faces if face.eye_distance >= MIN_EYE_DISTANCE]


def window(
    pool: PhotoPool, face: Face, size: int, shift: tuple[float, float], eyes: float
) -> tuple[Float[Tensor, "1 3 s s"], Float[Tensor, "5 2"]]:
    """Cut a square around a face, reduced so that it is `eyes` eye distances wide.

    A photo that would have to be enlarged is left at its size and mirrored at its borders.

    Args:
        pool: Photos.
        face: Whose surroundings.
        size: Side in px.
        shift: Of the window against the face, as a share of the side.
        eyes: Eye distances that the window is wide.
    """
    photo = pool.photo(face.photo)
    scale = min(1.0, size / eyes / face.eye_distance)
    if scale < 1:
        sides = [max(1, round(side * scale)) for side in photo.shape[-2:]]
        photo = F.interpolate(photo, sides, mode="bilinear", antialias=True, align_corners=False)
    landmarks = torch.tensor(face.landmarks) * scale
    centre = landmarks.mean(0) + torch.tensor(shift) * size
    left, top = (round(float(value) - size / 2) for value in centre)
    rows = mirrored(torch.arange(top, top + size), photo.shape[-2])
    columns = mirrored(torch.arange(left, left + size), photo.shape[-1])
    return photo[:, :, rows][..., columns], landmarks - torch.tensor([left, top])


def make_pairs(
    pool: PhotoPool, faces: list[Face], seeds: list[int], side: int, denoiser: Denoiser | None
) -> tuple[Crops, Crops, Crops]:
    """Degrade and denoise the surroundings of some faces, each by its own seed, and cut them out.

    Args:
        pool: Photos.
        faces: As many as `seeds`.
        seeds: What happens to each.
        side: Of the crops in px; at most the smallest of `WINDOWS`.
        denoiser: On the pool's device; None leaves faint patterns and blur instead.

    Returns:
        The crops after denoise, before it, and clean; a face is near the middle of its crop.
    """
    rows = []
    for face, seed in zip(faces, seeds, strict=True):
        own = torch.tensor([seed], device=pool.pixels.device)
        draws = Draws(own, stream=23)
        size = WINDOWS[int(draws.integers(0, len(WINDOWS)))]
        shift = (float(draws.uniform(-0.06, 0.06)), float(draws.uniform(-0.06, 0.06)))
        clean, landmarks = window(pool, face, size, shift, float(draws.uniform(*EYES)))
        pair = degrade(clean, own, _FAINT if denoiser is None else _STRONG)
        image = pair.image if denoiser is None else denoiser(pair.image)[0].float().clamp(0, 1)
        corner = (landmarks.mean(0) - side / 2).round().clamp(0, size - side)
        left, top = (int(value) for value in corner)
        pictures = (image, pair.image, pair.target)
        rows.append([p[..., top : top + side, left : left + side] for p in pictures])
    degraded, source, clean = (torch.cat(column) for column in zip(*rows, strict=True))
    return degraded, source, clean


_STRONG = DegradeConfig(clean=0.03, plain=0.06, mild=0.1)
_FAINT = DegradeConfig(clean=0.15, plain=0.2, mild=1, second=0, sigma=0.03, plain_sigma=0.06,
                       jpeg=0.3, soften=0.6, dimmed=0, strength=0.7)  # fmt: skip


@dataclass(frozen=True, eq=False)
class FacePairs:
    """Pairs of crops held in memory as bytes.

    Attributes:
        degraded: (m, 3, s, s) uint8, as the denoiser left them.
        source: (m, 3, s, s) uint8, as they came to the denoiser.
        clean: (m, 3, s, s) uint8.
        domain: (m,) 0 or 1: the random half of the photos that each crop's photo is in.
    """

    degraded: Tensor
    source: Tensor
    clean: Tensor
    domain: Tensor

    @classmethod
    def open(cls, folder: Path, part: str, device: torch.device) -> "FacePairs":
        """Read every part "train-000.npz", … or "held-out-000.npz", … of a folder.

        Raises:
            FileNotFoundError: There is none.
        """
        files = sorted(folder.glob(f"{part}-*.npz"))
        if not files:
            raise FileNotFoundError(
                f"{folder}: no {part}-*.npz. Run `python -m training.data.face_crops`."
            )
        parts = [np.load(file) for file in files]
        columns = (np.concatenate([part[key] for part in parts]) for key in _KEYS)
        return cls(*(torch.from_numpy(column).to(device) for column in columns))

    def draw(
        self,
        seeds: Int[Tensor, " n"],
        size: int,
        *,
        domain: int | None = None,
        drop_source: float = 0.0,
    ) -> tuple[Crops, Crops, Crops]:
        """Random crops, mirrored at times, a few in grey, cut to a random square of `size` px.

        Args:
            seeds: One a crop.
            size: At most the crops' side; multiples of 8 are cut at multiples of 8.
            domain: Only crops of this half of the photos.
            drop_source: Share of the crops whose source is given as what the denoiser made of it.

        Returns:
            What the denoiser left, the source, and the clean crops.
        """
        draws = Draws(seeds, stream=29)
        among = torch.arange(len(self.domain), device=seeds.device)
        if domain is not None:
            among = torch.nonzero(self.domain == domain)[:, 0]
        which = among[draws.integers(0, len(among))]
        mirrored, grey = draws.chance(0.5).tolist(), draws.chance(0.06).tolist()
        room = (self.clean.shape[-1] - size) // 8 + 1
        tops, lefts = draws.integers(0, room) * 8, draws.integers(0, room) * 8
        unknown = draws.chance(drop_source).tolist()
        rows = []
        for row, (number, top, left) in enumerate(zip(which, tops, lefts, strict=True)):
            source = self.degraded if unknown[row] else self.source
            crops = torch.stack((self.degraded[number], source[number], self.clean[number]))
            crops = crops[:, :, top : top + size, left : left + size].float() / 255
            crops = crops.flip(3) if mirrored[row] else crops
            rows.append(crops.mean(1, keepdim=True).expand_as(crops) if grey[row] else crops)
        degraded, source, clean = torch.stack(rows, 1)
        return degraded, source, clean


_KEYS = ("degraded", "source", "clean", "domain")


def _write_part(pool: PhotoPool, faces: list[Face], seeds: list[int], path: Path,
                side: int, denoiser: Denoiser | None) -> None:  # fmt: skip
    with torch.inference_mode():
        crops = make_pairs(pool, faces, seeds, side, denoiser)
    degraded, source, clean = (crop.mul(255).round().byte().cpu().numpy() for crop in crops)
    names = [pool.names[face.photo] for face in faces]
    domain = [hashlib.sha256(name.encode()).digest()[1] % 2 for name in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp.npz")
    np.savez(unfinished, degraded=degraded, source=source, clean=clean, domain=np.array(domain))
    unfinished.replace(path)


def main() -> None:
    """Parse the command line and write the parts that are missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, parents=[photo_options(), machine_options()]
    )
    parser.add_argument("--faces", type=Path, required=True, help="faces.json of those photos")
    parser.add_argument("--out", type=Path, required=True, help="folder of the parts")
    parser.add_argument("--weights", type=Path, help="folder of denoiser.safetensors; none: faint")
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--part", choices=("train", "held-out"), default="train")
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="number of the first part")
    parser.add_argument("--size", type=int, default=500, help="pairs a part")
    arguments = parser.parse_args()
    use_threads(arguments)
    pool = open_photos(arguments, arguments.device)
    faces = labelled_faces(pool, arguments.faces, held_out=arguments.part == "held-out")
    denoiser = None
    if arguments.weights:
        denoiser = weights.load(Denoiser, "denoiser", folder=arguments.weights).to(arguments.device)
    order = np.random.default_rng(0).permutation(len(faces))
    for number in range(arguments.first, arguments.first + arguments.parts):
        path = arguments.out / f"{arguments.part}-{number:03}.npz"
        if path.exists():
            continue
        seeds = list(range(number * arguments.size, (number + 1) * arguments.size))
        faces_drawn = [faces[order[seed % len(faces)]] for seed in seeds]
        salt = 10**6 if arguments.part == "train" else 2 * 10**9
        salted = [seed + salt for seed in seeds]
        _write_part(pool, faces_drawn, salted, path, arguments.side, denoiser)
        print(f"{path}: {len(faces_drawn)} of {len(faces)} faces", flush=True)


if __name__ == "__main__":
    main()
