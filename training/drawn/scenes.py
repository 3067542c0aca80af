"""Textures within a photo: clothes with folds, curtains, walls and floors in perspective, fences.

Everything lies in one part of the picture, has an edge, and is lit: what tells a texture of the
photo from a pattern over the photo.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from training.drawn import textures
from training.drawn.camera import Pixels, Plane, rounded, smooth_noise
from training.drawn.textures import Colours, Texture

FINE = 2  # samples a px, each way
Weaver = Callable[[np.random.Generator, float], Texture]
CLOTHS: tuple[Weaver, ...] = (
    textures.stripes, textures.stripes, textures.checks, textures.checks, textures.houndstooth,
    textures.herringbone, textures.knit, textures.dots, textures.weave,
)  # fmt: skip


def clothing(rng: np.random.Generator, photo: Pixels) -> Pixels:
    """One to three patterned garments, cushions, flags or umbrellas in front of a photo."""
    image = photo.astype(np.float32)
    height, width = photo.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        blob = (_umbrella, _torso, _blob, _blob)[int(rng.integers(4))](rng, height, width)
        image = _covered(rng, image, _cloth(rng, height, width), blob)
    return rounded(image)


def striped(rng: np.random.Generator, photo: Pixels, weavers: tuple[Weaver, ...]) -> Pixels:
    """One large garment of some cloths, in front of a photo."""
    height, width = photo.shape[:2]
    weaver = weavers[int(rng.integers(len(weavers)))]
    cloth = _cloth(rng, height, width, weaver)
    return rounded(_covered(rng, photo.astype(np.float32), cloth, _torso(rng, height, width)))


def curtain(rng: np.random.Generator, photo: Pixels) -> Pixels:
    """Curtains on one or both sides, or a cloth over the lower part."""
    height, width = photo.shape[:2]
    v, u = _places(height, width)
    reach = width * rng.uniform(0.25, 0.5)
    wave = 10 * np.sin(v / rng.uniform(30, 90))
    place = rng.integers(3)
    if place == 0:
        mask = _step(reach + wave - u)
    elif place == 1:
        mask = np.maximum(_step(reach + wave - u), _step(u - width + reach + wave))
    else:
        mask = _step(v - height * rng.uniform(0.3, 0.7) + 10 * np.sin(u / rng.uniform(30, 90)))
    return rounded(_covered(rng, photo.astype(np.float32), _cloth(rng, height, width), mask))


def wall(
    rng: np.random.Generator, photo: Pixels, weaver: Weaver, low: float = 8, whole: float = 0.4
) -> Pixels:
    """A plane in perspective, of a period from `low` px up, beside a photo or filling the picture.

    The more a surface resembles a pattern over a photo, the less often it is the `whole` picture.
    """
    height, width = photo.shape[:2]
    v, u = _places(height, width)
    period = math.exp(rng.uniform(math.log(low), math.log(low * 5)))
    x, y = _perspective(rng, u, v, height, width)
    surface = _reduced(weaver(rng, period)(x, y))
    surface *= (1 + 0.12 * smooth_noise(rng, height, width, width / 3))[..., None]
    surface += rng.uniform(0, 5) * smooth_noise(rng, height, width, 1.3)[..., None]
    surface += rng.uniform(0, 8) * smooth_noise(rng, height, width, rng.uniform(4, 20))[..., None]
    if rng.random() < whole:
        return rounded(surface)
    slant = rng.uniform(-0.4, 0.4) * (v - height / 2)
    line = u - width * rng.uniform(0.1, 0.6) - slant
    upright = rng.random() < 0.6
    edge = _reduced(_step(line if upright else v - height * rng.uniform(0.1, 0.6) - slant * 0.2))
    return rounded(photo * (1 - edge[..., None]) + surface * edge[..., None])


def floor(rng: np.random.Generator, photo: Pixels) -> Pixels:
    """A tiled or boarded floor that runs to a horizon, the photo above it."""
    height, width = photo.shape[:2]
    v, u = _places(height, width)
    horizon = height * rng.uniform(-0.1, 0.45)
    depth = np.maximum(v - horizon, 1) / height
    turn = rng.uniform(-0.7, 0.7)
    far, side = 160 / depth, (u - width * rng.uniform(0.2, 0.8)) / depth
    x, y = (
        side * math.cos(turn) + far * math.sin(turn),
        far * math.cos(turn) - side * math.sin(turn),
    )
    weaver = (textures.tiles, textures.tiles, textures.hexagons, textures.planks, textures.bricks)
    texture = weaver[int(rng.integers(len(weaver)))](rng, rng.uniform(40, 150))
    surface = _reduced(texture(x, y))
    start = horizon + height * rng.uniform(0.1, 0.25)
    surface *= (1 + 0.12 * smooth_noise(rng, height, width, width / 3))[..., None]
    edge = _reduced(_step(v - start))[..., None]
    return rounded(photo * (1 - edge) + surface * edge)


def blinds(rng: np.random.Generator, photo: Pixels) -> Pixels:
    """A window with slats, the photo between them, cords down."""
    height, width = photo.shape[:2]
    v, u = _places(height, width)
    gap = rng.uniform(8, 34)
    tilt = v + rng.uniform(-0.08, 0.08) * (u - width / 2) + 2 * np.sin(u / 190)
    if rng.random() < 0.25:
        tilt = u + rng.uniform(-0.05, 0.05) * v
    into = np.mod(tilt, gap) / gap
    share = rng.uniform(0.35, 0.95)
    slat = (np.array(rng.uniform(90, 250, 3), np.float32) * (0.55 + 0.45 * np.sin(
        np.pi * np.clip(into / share, 0, 1)))[..., None])  # fmt: skip
    cord = (np.mod(u, width / rng.integers(2, 5)) < 2)[..., None]
    slat = np.where(cord, slat * 0.6, slat)
    box = rng.uniform(0, 0.3, 2), rng.uniform(0.7, 1, 2)
    frame = ((u > width * box[0][0]) & (u < width * box[1][0])
             & (v > height * box[0][1]) & (v < height * box[1][1]))  # fmt: skip
    return _over(photo, slat, (frame & (into < share)).astype(np.float32))


def fence(rng: np.random.Generator, photo: Pixels) -> Pixels:
    """Pickets, railings, lattice or wire in front of some part of a photo.

    Never over all of it: a screen that fills the picture is what has to go.
    """
    height, width = photo.shape[:2]
    v, u = _places(height, width)
    x, y = _perspective(rng, u, v, height, width)
    gap = math.exp(rng.uniform(math.log(16), math.log(60)))
    style = rng.integers(5)
    thick = rng.uniform(0.08, 0.35) if style < 3 else rng.uniform(0.04, 0.16)
    bars = np.abs(np.mod(x / gap, 1) - 0.5) / thick
    if style == 0:  # pickets with points, and two rails
        top = height * rng.uniform(0.1, 0.5) + gap * 0.6 * bars * thick * 2
        lit, there = (
            bars,
            ((bars < 0.5) | (np.abs(np.mod(v, height / 2) - height / 4) < gap / 6)) & (v > top),
        )
    elif style in (1, 2):  # bars, with rails
        rail = np.abs(np.mod(y / (gap * rng.uniform(3, 9)), 1) - 0.5) / thick * 3
        lit = np.minimum(bars, rail)
        there = lit < 0.5
    else:  # lattice or wire: two ways askew
        slope = rng.uniform(0.6, 1.6)
        one = np.abs(np.mod((x + y * slope) / gap, 1) - 0.5) / thick
        two = np.abs(np.mod((x - y * slope) / gap, 1) - 0.5) / thick
        lit = np.where(one < 0.5, one, two)
        there = lit < 0.5
    colour = np.array(rng.uniform(10, 245, 3), np.float32) * rng.uniform(0.4, 1)
    surface = colour * (0.6 + 0.5 * np.cos(np.clip(lit, 0, 0.5) * np.pi))[..., None]
    area = _part(rng, height, width) if style else np.ones_like(u)
    return _over(photo, np.asarray(surface, dtype=np.float32), there * area)


def grille(rng: np.random.Generator, photo: Pixels) -> Pixels:
    """A plate with round holes or slots, as over a loudspeaker, in a part of the picture."""
    height, width = photo.shape[:2]
    v, u = _places(height, width)
    x, y = _perspective(rng, u, v, height, width)
    gap, size = rng.uniform(6, 26), rng.uniform(0.25, 0.42)
    long = float(rng.choice([1, 1, 2.5, 5]))
    row = np.floor(y / gap)
    dx = np.abs(np.mod(x + gap * long / 2 * np.mod(row, 2), gap * long) - gap * long / 2)
    dy = np.mod(y, gap) - gap / 2
    hole = np.hypot(np.maximum(dx - gap * (long - 1) / 2, 0), dy) < gap * size
    plate = np.array(rng.uniform(40, 230, 3), np.float32)
    light = 0.8 + 0.3 * (v / height) + 0.1 * np.sin(u / width * 4)
    surface = plate * (light * np.where(hole, rng.uniform(0.05, 0.4), 1))[..., None]
    return _over(photo, np.asarray(surface, dtype=np.float32), _part(rng, height, width))


def stairs(rng: np.random.Generator, photo: Pixels) -> Pixels:
    """Steps seen from below: treads light, risers dark, each a little smaller than the last."""
    height, width = photo.shape[:2]
    v, u = _places(height, width)
    shrink, first = rng.uniform(0.02, 0.12), rng.uniform(14, 60)
    up = np.maximum(
        height * rng.uniform(0.9, 1.2) - v + rng.uniform(-0.3, 0.3) * (u - width / 2), 0
    )
    step = np.log1p(up / first * shrink) / shrink
    into, number = np.mod(step, 1), np.floor(step)
    stone = np.array(rng.uniform(80, 230, 3), np.float32)
    tone = (
        np.where(into < 0.55, 0.55, 1)
        * (1 - 0.25 * (into < 0.06))
        * (1 + 0.05 * np.sin(number * 7))
    )
    surface = np.asarray(stone * tone[..., None], dtype=np.float32)
    middle, half = width * rng.uniform(0.3, 0.7), width * rng.uniform(0.3, 0.7)
    there = (np.abs(u - middle) < half * (1 - 0.4 * (1 - v / height))) & (
        v > height * rng.uniform(0, 0.4)
    )
    return _over(photo, surface, there.astype(np.float32))


def _cloth(
    rng: np.random.Generator, height: int, width: int, weaver: Weaver | None = None
) -> Colours:
    """Cloth over the whole picture at FINE samples a px: turned, folded, shaded."""
    fine = (width * FINE, height * FINE)
    v, u = (place[FINE // 2 :: 4 * FINE, FINE // 2 :: 4 * FINE] for place in _places(height, width))
    weaver = weaver or CLOTHS[int(rng.integers(len(CLOTHS)))]
    period = math.exp(rng.uniform(math.log(5), math.log(60)))
    if weaver in (textures.knit, textures.weave):
        period = math.exp(rng.uniform(math.log(3.5), math.log(16)))
    turn = rng.normal(0, 0.25) if rng.random() < 0.6 else rng.uniform(-np.pi, np.pi)
    x, y = u * math.cos(turn) + v * math.sin(turn), v * math.cos(turn) - u * math.sin(turn)
    shade = np.ones_like(u)
    for _ in range(int(rng.integers(2, 6))):
        angle, length = rng.uniform(-0.6, 0.6), rng.uniform(40, 260)
        phase = (u * math.cos(angle) + v * math.sin(angle)) / length * 2 * np.pi + rng.uniform(0, 6)
        phase += rng.uniform(0, 1.5) * np.sin(v / rng.uniform(80, 300))
        depth = rng.uniform(0.02, 0.09)
        x += depth * length * np.sin(phase)
        y += depth * length * 0.5 * np.cos(phase)
        shade += rng.uniform(0.03, 0.2) * np.cos(phase)
    rumple = smooth_noise(rng, u.shape[0], u.shape[1], rng.uniform(10, 30))
    light = np.clip(shade + 0.06 * rumple, 0.2, 1.35) * rng.uniform(0.6, 1)
    folded = [
        np.asarray(cv2.resize(np.asarray(plane, np.float32), fine, interpolation=cv2.INTER_CUBIC))
        for plane in (x + 3 * rumple, y - 2 * rumple, light)
    ]  # folds are smooth: a quarter of the places is enough to know them
    colours = weaver(rng, period)(folded[0], folded[1]) * folded[2][..., None]
    thread = rng.standard_normal(colours.shape[:2], dtype=np.float32) * rng.uniform(0, 7)
    return np.asarray(colours + thread[..., None], dtype=np.float32)


def _covered(rng: np.random.Generator, image: Colours, cloth: Colours, mask: Plane) -> Colours:
    """Lay cloth over a picture; a soft shadow falls beside it."""
    cover = _reduced(mask)
    shadow = cv2.GaussianBlur(np.roll(cover, (6, 5), (0, 1)), (0, 0), 8) * rng.uniform(0.1, 0.5)
    share = cover[..., None]
    behind = image * (1 - shadow * (1 - cover))[..., None]
    return np.asarray(behind * (1 - share) + _reduced(cloth) * share, dtype=np.float32)


def _over(photo: Pixels, surface: Colours, mask: Plane) -> Pixels:
    """Put what was sampled finely over a photo."""
    share = mask[..., None]
    cover = _reduced(np.asarray(mask, dtype=np.float32))[..., None]
    return rounded(photo * (1 - cover) + _reduced(surface * share))


def _places(height: int, width: int) -> tuple[Plane, Plane]:
    v, u = np.mgrid[0 : height * FINE, 0 : width * FINE].astype(np.float32)
    return (v + 0.5) / FINE, (u + 0.5) / FINE


def _reduced(fine: np.ndarray) -> np.ndarray:
    """Means of FINE × FINE samples."""
    size = (fine.shape[1] // FINE, fine.shape[0] // FINE)
    reduced = cv2.resize(np.asarray(fine, np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(reduced)


def _perspective(
    rng: np.random.Generator, u: Plane, v: Plane, height: int, width: int
) -> tuple[Plane, Plane]:
    """Places on a plane that is turned and slanted; about one px a px in the middle."""
    turn = rng.normal(0, 0.12)
    slant = [float(part) for part in rng.uniform(-0.45, 0.45, 2) * (rng.random() < 0.75)]
    x, y = u - width / 2, v - height / 2
    nearness = np.maximum(1 + slant[0] * x / width * 2 + slant[1] * y / height * 2, 0.25)
    x, y = x / nearness, y / nearness
    return (np.asarray(x * math.cos(turn) + y * math.sin(turn), dtype=np.float32),
            np.asarray(y * math.cos(turn) - x * math.sin(turn), dtype=np.float32))  # fmt: skip


def _step(signed: Plane) -> Plane:
    """1 where positive, with an edge of about a px."""
    return np.asarray(np.clip(signed + 0.5, 0, 1), dtype=np.float32)


def _part(rng: np.random.Generator, height: int, width: int) -> Plane:
    """A blob, or what is below or beside a line: a quarter to two thirds of the picture."""
    if rng.random() < 0.3:
        return _blob(rng, height, width)
    v, u = _places(height, width)
    reach, slope = rng.uniform(0.25, 0.65), rng.uniform(-0.3, 0.3)
    if rng.random() < 0.6:
        return _step(v - height * (1 - reach) + slope * (u - width / 2))
    signed = u - width * reach + slope * (v - height / 2)
    return _step(signed if rng.random() < 0.5 else -signed)


def _blob(rng: np.random.Generator, height: int, width: int) -> Plane:
    v, u = _places(height, width)
    centre = rng.uniform(0.2, 0.8, 2)
    x, y = u - width * centre[0], v - height * centre[1]
    angle, far = np.arctan2(y, x), np.hypot(x, y)
    radius = min(height, width) * rng.uniform(0.25, 0.55) * np.ones_like(u)
    for wave in range(2, 6):
        radius *= 1 + rng.uniform(0, 0.14) * np.cos(wave * angle + rng.uniform(0, 6))
    return _step(radius - far)


def _torso(rng: np.random.Generator, height: int, width: int) -> Plane:
    v, u = _places(height, width)
    middle, neck = width * rng.uniform(0.3, 0.7), height * rng.uniform(0.1, 0.5)
    shoulder = width * rng.uniform(0.18, 0.42)
    down = (v - neck) / height
    half = shoulder * np.clip(np.sqrt(np.clip(down * 9, 0.05, 1)), 0, 1) * (1 + 0.2 * down)
    body = np.minimum(half - np.abs(u - middle), v - neck)
    collar = 0.3 * shoulder - np.abs(u - middle) - (v - neck) * 0.9
    return np.asarray(np.minimum(_step(body), 1 - _step(collar)))


def _umbrella(rng: np.random.Generator, height: int, width: int) -> Plane:
    v, u = _places(height, width)
    x, y = u - width * rng.uniform(0.2, 0.8), v - height * rng.uniform(0.5, 0.9)
    reach = min(height, width) * rng.uniform(0.35, 0.6)
    scallop = reach * 0.08 * np.abs(np.sin(x / reach * 2 * np.pi))
    return np.asarray(np.minimum(_step(reach - np.hypot(x, y * 1.2)), _step(-y - scallop)))
