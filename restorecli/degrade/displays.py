"""Photographed screens, video fields, tapes and the banding of sensors and scanners.

Each function takes the photo (n, 3, h, w), coordinates in px and draws, and returns (n, 3, h, w).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.colour import luma
from restorecli.degrade.corruption import gaussian_blur
from restorecli.degrade.rng import Draws
from restorecli.degrade.textures import clouds, column, push

Image = Float[Tensor, "n 3 h w"]
Field = Float[Tensor, "n h w"]
TAU = 2 * math.pi


def _frame(image: Image) -> tuple[Float[Tensor, "1 h 1"], Float[Tensor, "1 1 w"]]:
    """Pixel coordinates y, x about the centre."""
    height, width = image.shape[-2:]
    y = torch.arange(height, device=image.device).view(1, -1, 1) - height / 2
    x = torch.arange(width, device=image.device).view(1, 1, -1) - width / 2
    return y, x


def _bulge(draws: Draws, image: Image) -> Field:
    """Displacement in px of a screen seen askew through a lens: quadratic and cubic, a few px."""
    y, x = _frame(image)
    reach = max(200.0, 0.4 * max(image.shape[-2:]))  # px at which displacements are those drawn
    y, x = y / reach, x / reach
    bend = [draws.uniform(-4, 4).view(-1, 1, 1) for _ in range(3)]
    barrel = draws.uniform(-3, 3).view(-1, 1, 1) * (x * x + y * y)
    return bend[0] * x * x + bend[1] * x * y + bend[2] * y * y + barrel * (x + y)


def _grating(
    draws: Draws, image: Image, beat: Float[Tensor, " n"], coloured: Float[Tensor, " n"]
) -> Image:
    """A grating of a screen under the sensor's own: what box sampling leaves of it, mean 0.

    A grating of k ± 1/beat cycles a pixel, sampled at whole pixels, is seen at its beat, and what
    displaces it by a pixel moves the beat by k of its own periods. Red, green and blue lie
    thirds of a triad apart on the screen, and their sensor sites half a pixel apart (Bayer).
    """
    y, x = _frame(image)
    angle, k = draws.uniform(0, TAU), draws.integers(1, 3).view(-1, 1, 1)
    cos, sin = torch.cos(angle).view(-1, 1, 1), torch.sin(angle).view(-1, 1, 1)
    phase = (x * cos + y * sin) / beat.view(-1, 1, 1) + k * _bulge(draws, image)
    phase = (phase + draws.uniform().view(-1, 1, 1)).unsqueeze(1)
    sites = torch.stack([draws.uniform(-0.12, 0.12) for _ in range(3)], 1)
    triad = torch.arange(3, device=image.device).view(1, -1) / 3 * coloured.view(-1, 1)
    phase = phase + (sites + triad).view(-1, 3, 1, 1)
    second = column(draws.uniform(0, 0.4))  # harmonic: box and lens leave little of it
    return torch.cos(TAU * phase) + second * torch.cos(2 * TAU * phase)


def monitor(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """A display's subpixels and lines sampled askew by a camera: curved, coloured moiré.

    Two gratings (columns of coloured triads; rows of the black matrix or a tube's scan lines)
    beat with the sensor's: Amidror, "The Theory of the Moiré Phenomenon" (2009); subpixels and
    Bayer sites as in Yuan et al., "Image demoireing" (AIM 2019).
    """
    near = draws.log_uniform(4, 60)
    far = draws.log_uniform(4, 60)
    triads = torch.where(draws.chance(0.7), 1.0, 0.0)  # a tube's or a grey display's are not seen
    columns = _grating(draws, photo, near, triads) * column(draws.log_uniform(0.05, 0.25))
    rows = _grating(draws, photo, far, triads * 0) * column(draws.uniform(0, 0.22))
    drift = torch.sigmoid(clouds(draws, 1, (photo.shape[-2], photo.shape[-1]),
                                 draws.log_uniform(60, 200), 60)) * 1.6  # fmt: skip
    mesh = torch.cos(u * (TAU / draws.uniform(2.1, 4)).view(-1, 1, 1)).unsqueeze(1)
    mesh = mesh * column(draws.uniform(0, 0.15) * draws.chance(0.4))
    glow = column(draws.uniform(0, 0.05))
    soft = gaussian_blur(photo, draws.uniform(0.2, 0.8))
    light = (soft * (1 - glow) + glow) * (1 + drift * (columns + rows) + mesh)
    fringe = draws.uniform(-0.7, 0.7).view(-1, 1, 1, 1) * torch.tensor(
        [1.0, 0.0, -1.0], device=photo.device
    ).view(1, 3, 1, 1)
    return push(light, fringe)


def interlace(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """Two fields of a video woven into one frame while things moved: combs on every edge.

    ITU-R BT.601 frames: odd lines are a fiftieth or sixtieth of a second late. The frame may have
    been enlarged, the lines then have 1 to 3 px; the late field may be brighter or darker.
    """
    height, width = photo.shape[-2:]
    y, _ = _frame(photo)
    thick = torch.where(draws.chance(0.6), draws.integers(1, 4).float(), draws.uniform(1, 3))
    wave = torch.sin(math.pi * (y + height / 2 + 0.5) / thick.view(-1, 1, 1))
    odd = (wave * 2 * thick.view(-1, 1, 1) + 0.5).clamp(0, 1).unsqueeze(1)
    motion = column(draws.log_uniform(1.5, 14) * draws.sign())
    moving = clouds(draws, 1, (height, width), draws.log_uniform(40, 160), 40)
    whole = column(draws.chance(0.5).float())
    motion = motion * torch.maximum(whole, torch.sigmoid(3 * moving))
    late = push(photo, motion)
    late = late * (1 + column(draws.uniform(-0.2, 0.2) * draws.chance(0.4)))
    return photo * (1 - odd) + late * odd


def _smeared(chroma: Float[Tensor, "n 2 h w"], draws: Draws) -> Float[Tensor, "n 2 h w"]:
    """Chroma of a narrow band: smeared to the right by a one-sided kernel, and late."""
    taps = 32
    reach, delay = draws.log_uniform(2, 10), draws.uniform(0, 6)
    offsets = torch.arange(taps, device=chroma.device).view(1, -1) - delay.view(-1, 1)
    kernel = torch.exp(-offsets.clamp(min=0) / reach.view(-1, 1)) * (offsets > -1)
    kernel = (kernel / kernel.sum(1, keepdim=True)).flip(1).repeat_interleave(2, 0)
    n, _, height, width = chroma.shape
    planes = F.pad(chroma.reshape(1, 2 * n, height, width), (taps - 1, 0, 0, 0), mode="replicate")
    return F.conv2d(planes, kernel.view(2 * n, 1, 1, taps), groups=2 * n).view_as(chroma)


def tape(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """A home video tape: chroma smeared and late, lines that jitter, noise in bands, scan lines.

    Chroma has about 40 lines' bandwidth in VHS's colour-under recording (SMPTE 32M) and is dropped
    an eighth as fine as luma; the lines' jitter is the drum's time-base error.
    """
    height, width = photo.shape[-2:]
    size, y = (height, width), _frame(photo)[0]
    bright = luma(photo)
    chroma = _smeared(photo[:, ::2] - bright, draws)
    thick = draws.uniform(1, 2.5)
    rows = draws.normal_field(1, height, 1)
    sway = clouds(draws, 1, (height, 1), draws.log_uniform(6, 40), 6)
    jitter = rows * column(draws.uniform(0, 0.6)) + sway * column(draws.uniform(0, 1.2))
    band = torch.sigmoid(2 * clouds(draws, 1, (height, 1), draws.log_uniform(4, 24), 4) - 1)
    hiss = gaussian_blur(draws.normal_field(1, *size), thick * 0.4)
    hiss = hiss * (column(draws.uniform(0, 0.03)) + band * column(draws.uniform(0, 0.1)))
    planes = torch.cat([bright + hiss, chroma], 1)
    planes = push(planes, jitter)
    bright, red, blue = planes[:, :1], planes[:, :1] + planes[:, 1:2], planes[:, :1] + planes[:, 2:]
    green = (bright - 0.299 * red - 0.114 * blue) / 0.587
    period = torch.where(draws.chance(0.5), draws.integers(2, 5).float(), draws.uniform(2, 6))
    lines = torch.cos(TAU * y / period.view(-1, 1, 1)).unsqueeze(1)
    lines = lines * column(draws.uniform(-0.1, 0.35).clamp(min=0))
    return torch.cat([red, green, blue], 1) * (1 + lines)


def banding(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """Columns or rows of unequal gain: a scanner's line sensor or a camera's column amplifiers.

    Fixed-pattern noise as in EMVA 1288: random lines of a pixel, smooth bands of several periods,
    low in contrast, stronger at times in the shadows, seldom coloured.
    """
    height, width = photo.shape[-2:]
    upright = draws.chance(0.5).view(-1, 1, 1)
    y, x = _frame(photo)
    along = torch.where(upright, x, y)
    waves = torch.zeros_like(along)
    for _ in range(3):
        share, period = draws.uniform(0, 1).view(-1, 1, 1), draws.log_uniform(2.5, 64)
        wave = torch.cos(TAU * (along / period.view(-1, 1, 1) + draws.uniform().view(-1, 1, 1)))
        waves = waves + share * wave
    single = draws.normal_field(3, 1, height + width)
    single = torch.where(draws.chance(0.6).view(-1, 1, 1, 1), single[:, :1], single)
    place = (along + (height + width) / 2).long().clamp(0, height + width - 1)
    n = photo.shape[0]
    lines = single[:, :, 0].gather(2, place.reshape(n, 1, -1).expand(n, 3, -1))
    lines = lines.view(n, 3, height, width)
    drift = torch.sigmoid(2 * clouds(draws, 1, (height, width), draws.log_uniform(40, 200), 40))
    shares = column(draws.uniform(0, 1)), column(draws.uniform(0, 1))
    bands = (waves.unsqueeze(1) * shares[0] + lines * shares[1]) * (0.4 + 0.6 * drift)
    bands = bands / (shares[0] + shares[1]).clamp(min=0.3) * column(draws.log_uniform(0.025, 0.16))
    shadows = torch.where(draws.chance(0.35).view(-1, 1, 1, 1), (1 - luma(photo)) ** 2, 1.0)
    scaled = torch.where(draws.chance(0.5).view(-1, 1, 1, 1), 0.3 + photo, 0.8)
    return photo + bands * shadows * scaled
