"""Scenes to train the face detector on: portraits cut out, turned and pasted on anything.

The photos are portraits, so crowds, small faces, faces cut by the border and pictures without
people are made. A scene depends on its seed alone. What light, grain and patterns do to it comes
later, batched (`training.tasks.detector`).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.photo_pool import PhotoPool
from training.tasks.multibox import FACE, FACE_WITH_LANDMARKS, IGNORED

TRUSTED_SCORE = 0.6
LONGEST_SIDE = 448
WHOLE_ENOUGH = 0.55
SMALLEST = 8  # px of width from which on a face is to be found
MIRRORED_ORDER = [1, 0, 2, 4, 3]
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Portrait:
    """Faces of one photo of the pool.

    Attributes:
        photo: Its pixels (h, w, 3).
        boxes: (k, 4) in pixels.
        landmarks: (k, 5, 2).
        trusted: (k,) whether the label is good enough to learn from.
    """

    photo: Pixels
    boxes: Floats
    landmarks: Floats
    trusted: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scene:
    """A made picture and its faces, in pixels of the picture."""

    pixels: Pixels
    boxes: Floats
    landmarks: Floats
    kinds: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FacePhotos:
    """Photos to make scenes of.

    Attributes:
        portraits: Photos with at least one trusted face.
        empty: Pixels of photos without any face.
    """

    portraits: tuple[Portrait, ...]
    empty: tuple[Pixels, ...]

    @classmethod
    def read(cls, pool: PhotoPool, labels: Path, *, held_out: bool) -> "FacePhotos":
        """Join the photos of one split with their labels, at most `LONGEST_SIDE` pixels long.

        Args:
            pool: Photos; a label's `name` is a name of the pool.
            labels: JSON list of `{name, faces: [{box, landmarks, score}]}`.
            held_out: Which split.
        """
        numbers = {pool.names[number]: number for number in pool.split(held_out=held_out)}
        portraits, empty = [], []
        for entry in json.loads(labels.read_text("utf-8")):
            number, faces = numbers.get(entry["name"]), entry["faces"]
            if number is None:
                continue
            photo, scale = _reduced(pool, number)
            if not faces:
                empty.append(photo)
                continue
            portrait = Portrait(
                photo,
                np.array([face["box"] for face in faces], dtype=np.float64) * scale,
                np.array([face["landmarks"] for face in faces], dtype=np.float64) * scale,
                np.array([face["score"] >= TRUSTED_SCORE for face in faces]),
            )
            if portrait.trusted.any():
                portraits.append(portrait)
        return cls(tuple(portraits), tuple(empty))

    def scene(self, seed: int, size: int) -> Scene:
        """Make the scene of a seed, `size` pixels square."""
        return SceneBuilder(self, np.random.default_rng(seed), size).build()


class SceneBuilder:
    """One scene while it is made."""

    def __init__(self, stock: FacePhotos, rng: np.random.Generator, size: int) -> None:
        self.stock, self.rng, self.size = stock, rng, size
        self.canvas = self._background()
        self.boxes: list[Floats] = []
        self.landmarks: list[Floats] = []
        self.kinds: list[int] = []

    def build(self) -> Scene:
        """Paint one scene."""
        kind = self.rng.random()
        if kind < 0.4:
            self._paste_portrait(float(self._log_uniform(20, 1.25 * self.size)), whole=True)
        elif kind < 0.88:
            small = self.rng.random() < 0.5
            for _ in range(self.rng.integers(2, 10 if small else 6)):
                side = self._log_uniform(10, self.size * (0.25 if small else 0.6))
                self._paste_portrait(side, whole=bool(self.rng.random() < 0.15))
        return Scene(
            self.canvas,
            np.array(self.boxes, dtype=np.float64).reshape(-1, 4),
            np.array(self.landmarks, dtype=np.float64).reshape(-1, 5, 2),
            np.array(self.kinds, dtype=np.int64),
        )

    def _log_uniform(self, low: float, high: float) -> float:
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def _background(self) -> Pixels:
        """A piece of a photo without faces, of a portrait beside its faces, or one colour."""
        kind, size = self.rng.random(), self.size
        if kind < 0.1:
            return np.full((size, size, 3), self.rng.integers(0, 256, 3), dtype=np.uint8)
        if kind < 0.6:
            photo = self.stock.empty[self.rng.integers(len(self.stock.empty))]
            faces = np.zeros((0, 4))
        else:
            portrait = self.stock.portraits[self.rng.integers(len(self.stock.portraits))]
            photo, faces = portrait.photo, portrait.boxes
        height, width = photo.shape[:2]
        for attempt in range(12):
            side = int(min(height, width, max(32, min(height, width) * self.rng.uniform(0.15, 1))))
            side = max(24, side >> (attempt // 4))
            left = int(self.rng.integers(0, max(1, width - side + 1)))
            top = int(self.rng.integers(0, max(1, height - side + 1)))
            window = np.array([left, top, left + side, top + side])
            if not len(faces) or _covered(_grown(faces, 0.15), window).max() == 0:
                piece = photo[top : top + side, left : left + side]
                if self.rng.random() < 0.5:
                    piece = piece[:, ::-1]
                return _resized(piece, size, size)
        return np.full((size, size, 3), self.rng.integers(0, 256, 3), dtype=np.uint8)

    def _paste_portrait(self, side: float, *, whole: bool) -> None:
        """Put one face, `side` pixels wide, somewhere where it hides no other."""
        portrait = self.stock.portraits[self.rng.integers(len(self.stock.portraits))]
        index = int(self.rng.choice(np.flatnonzero(portrait.trusted)))
        box = portrait.boxes[index]
        photo = portrait.photo
        window = _whole(photo) if whole else self._window(photo, box)
        scale = min(side / (box[2] - box[0]), 4.0)
        upright = self.rng.random() < 0.4
        angle = self.rng.normal(0, 4) if upright else self.rng.uniform(-40, 40)
        mirrored = bool(self.rng.random() < 0.5)
        turn = _similarity(scale, np.deg2rad(angle), mirrored)
        centre = (box[:2] + box[2:]) / 2
        for _ in range(6):
            matrix = np.column_stack([turn, self._place(side) - turn @ centre])
            corners = _corners(window) @ matrix[:, :2].T + matrix[:, 2]
            hull = np.concatenate([corners.min(0), corners.max(0)])
            if not self.boxes or _covered(np.array(self.boxes), hull).max() < 0.1:
                break
        else:
            return
        ellipse = not whole and self.rng.random() < 0.35
        self._draw(photo, window, matrix, box if ellipse else None, scale)
        self._label(portrait, window, matrix, mirrored=mirrored)

    def _place(self, side: float) -> Floats:
        """Centre of a face: mostly inside, now and then cut by the border."""
        slack = -0.35 * side if self.rng.random() < 0.15 else 0.5 * side
        slack = min(slack, 0.5 * self.size)
        return self.rng.uniform(slack, self.size - slack, 2)

    def _window(self, photo: Pixels, box: Floats) -> Floats:
        """Random margins around a face, within the photo."""
        width, height = box[2] - box[0], box[3] - box[1]
        low = box[:2] - [width, height] * self.rng.uniform([0.15, 0.2], [1.0, 0.8])
        high = box[2:] + [width, height] * self.rng.uniform([0.15, 0.05], [1.0, 1.0])
        bounds = _whole(photo)
        return np.round(np.concatenate([np.maximum(low, bounds[:2]), np.minimum(high, bounds[2:])]))

    def _draw(
        self, photo: Pixels, window: Floats, matrix: Floats, oval: Floats | None, scale: float
    ) -> None:
        left, top, right, bottom = window.astype(int)
        piece = photo[top:bottom, left:right]
        mask = np.full(piece.shape[:2], 255, dtype=np.uint8)
        if oval is not None:
            mask[:] = 0
            centre = (oval[:2] + oval[2:]) / 2 - [left, top]
            axes = (oval[2:] - oval[:2]) * self.rng.uniform(0.62, 0.9)
            cv2.ellipse(mask, (centre.tolist(), (axes * 2).tolist(), 0.0), 255, -1)
        shift = np.array([left, top], dtype=np.float64)
        if scale < 0.8:
            small = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
            piece, mask = _resized(piece, *small), _resized(mask, *small)
        shrink = np.array([piece.shape[1] / (right - left), piece.shape[0] / (bottom - top)])
        inner = np.column_stack([matrix[:, :2] / shrink, matrix[:, :2] @ shift + matrix[:, 2]])
        corners = _corners(window) @ matrix[:, :2].T + matrix[:, 2]
        low = np.clip(np.floor(corners.min(0)).astype(int), 0, self.size)
        high = np.clip(np.ceil(corners.max(0)).astype(int), 0, self.size)
        width, height = high - low
        if width < 1 or height < 1:
            return
        inner[:, 2] += inner[:, :2] @ [0.5, 0.5] - 0.5 - low
        shape = (int(width), int(height))
        warped = cv2.warpAffine(piece, inner, shape, borderMode=cv2.BORDER_REFLECT)
        alpha = cv2.warpAffine(mask, inner, shape)
        if oval is not None:
            alpha = cv2.blur(alpha, (5, 5))
        under = self.canvas[low[1] : high[1], low[0] : high[0]]
        blended = under + (warped.astype(np.float32) - under) * (alpha[..., None] / np.float32(255))
        self.canvas[low[1] : high[1], low[0] : high[0]] = np.round(blended)

    def _label(self, portrait: Portrait, window: Floats, matrix: Floats, *, mirrored: bool) -> None:
        inside = _covered(portrait.boxes, window)
        points = portrait.landmarks @ matrix[:, :2].T + matrix[:, 2]
        if mirrored:
            points = points[:, MIRRORED_ORDER]
        for box, marks, share, trusted in zip(
            _turned(portrait.boxes, matrix), points, inside, portrait.trusted, strict=True
        ):
            clipped = np.clip(box, 0, self.size)
            visible = share * np.prod(np.maximum(clipped[2:] - clipped[:2], 0))
            visible /= np.prod(box[2:] - box[:2])
            if visible <= 0:
                continue
            usable = trusted and visible >= WHOLE_ENOUGH and clipped[2] - clipped[0] >= SMALLEST
            whole = ((marks >= 0) & (marks <= self.size)).all()
            kind = FACE_WITH_LANDMARKS if whole else FACE
            self.boxes.append(clipped)
            self.landmarks.append(marks)
            self.kinds.append(kind if usable else IGNORED)


def _reduced(pool: PhotoPool, number: int) -> tuple[Pixels, float]:
    """A photo of the pool, made smaller if it is large, and its scale."""
    height, width = pool.sizes[number]
    start = pool.offsets[number]
    flat = pool.pixels[start : start + height * width * 3].cpu().numpy()
    photo: Pixels = flat.reshape(height, width, 3)
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    if scale == 1:
        return photo, scale
    return _resized(photo, round(width * scale), round(height * scale)), scale


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    method = cv2.INTER_AREA if pixels.shape[1] > width else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=method)
    return resized.astype(np.uint8)


def _whole(photo: Pixels) -> Floats:
    return np.array([0, 0, photo.shape[1], photo.shape[0]], dtype=np.float64)


def _grown(boxes: Floats, share: float) -> Floats:
    margin = (boxes[:, 2:] - boxes[:, :2]) * share
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def _covered(boxes: Floats, window: Floats) -> Floats:
    """Share of each box that lies in a window."""
    low, high = np.maximum(boxes[:, :2], window[:2]), np.minimum(boxes[:, 2:], window[2:])
    shared: Floats = np.prod(np.maximum(high - low, 0), axis=1)
    whole: Floats = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return shared / whole


def _corners(window: Floats) -> Floats:
    return window[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)


def _similarity(scale: float, angle: float, mirrored: bool) -> Floats:
    cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return turn * [-1, 1] if mirrored else turn


def _turned(boxes: Floats, matrix: Floats) -> Floats:
    """Upright boxes around the turned ellipses that fill the old boxes."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    reach = np.sqrt(half**2 @ (matrix[:, :2] ** 2).T)
    return np.concatenate([centre - reach, centre + reach], axis=1)
