"""Inks and papers: what plates of ink take from a photo's light, and what a scanner sees of it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.colour import luma
from restorecli.degrade.corruption import gaussian_blur
from restorecli.degrade.rng import Draws
from restorecli.degrade.textures import clouds, column, grain

Image = Float[Tensor, "n 3 h w"]
Field = Float[Tensor, "n h w"]
_STREAM = 31
# What cyan, magenta and yellow take of red, green and blue: least and most, about real offset inks
_ABSORBED = (
    ((0.82, 0.97), (0.12, 0.34), (0.02, 0.1)),
    ((0.03, 0.12), (0.8, 0.95), (0.15, 0.42)),
    ((0.0, 0.03), (0.02, 0.1), (0.75, 0.95)),
)


@dataclass(frozen=True, eq=False)
class Stock:
    """Paper and the one ink on it.

    Attributes:
        paper: (n, 3, 1, 1) colour of the bare paper.
        absorbs: (n, 3, 1, 1) share of light a solid takes, relative: all ones for black.
        density: (n, 1, 1, 1) share that a solid takes in fact.
    """

    paper: Float[Tensor, "n 3 1 1"]
    absorbs: Float[Tensor, "n 3 1 1"]
    density: Float[Tensor, "n 1 1 1"]


def stock(draws: Draws) -> Stock:
    """Paper and ink of a sample; hang on its seed alone, not on what was drawn before."""
    own = Draws(draws.seeds, _STREAM)
    yellow = own.uniform(0, 0.11) * own.chance(0.5)
    white = own.uniform(0.88, 1.0)
    paper = torch.stack([white, white - 0.35 * yellow, white - yellow], 1)
    tinted = own.chance(0.14).view(-1, 1)
    weakest = torch.stack([own.uniform(0.55, 1) for _ in range(3)], 1)
    ink = weakest / weakest.amax(1, keepdim=True)
    absorbs = torch.where(tinted, ink, torch.ones_like(ink))
    shape = (-1, 3, 1, 1)
    return Stock(paper.view(shape), absorbs.view(shape), column(own.uniform(0.87, 0.99)))


def one_plate(photo: Image, draws: Draws) -> Image:
    """The photo as one plate can hold it: its luma, in the ink's hue. Black ink makes it grey."""
    return 1 - (1 - luma(photo)) * stock(draws).absorbs


def _fibres(draws: Draws, size: tuple[int, int]) -> Float[Tensor, "n 1 h w"]:
    """Lightness of rough paper about 1: fine grain and soft mottling."""
    fine = grain(draws, 1, size, draws.uniform(0.5, 1.2))
    soft = clouds(draws, 1, size, draws.log_uniform(4, 12), 4)
    return 1 + fine * column(draws.uniform(0, 0.025)) + soft * column(draws.uniform(0, 0.02))


def scanned(cover: Field, draws: Draws, sigma: Float[Tensor, " n"]) -> Image:
    """Paper under an ink that covers it in places, of uneven density, seen by a scanner."""
    size = (cover.shape[-2], cover.shape[-1])
    sheet = stock(draws)
    weather = clouds(draws, 1, size, draws.log_uniform(20, 90), 20)
    density = sheet.density * (1 - column(draws.uniform(0, 0.06)) * (1 + weather)).clamp(0.6, 1)
    paper = _fibres(draws, size)
    blurred = gaussian_blur(torch.cat([cover.unsqueeze(1) * density, paper], 1), sigma)
    return (sheet.paper * blurred[:, 1:] * (1 - blurred[:, :1] * sheet.absorbs)).clamp(0, 1)


def separate(
    photo: Image, inks: Float[Tensor, "n 3 3"], black: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """Coverages of cyan, magenta and yellow whose Demichel mean is the photo.

    Under independent plates the mean of channel c is `black · Π(1 - a_i · inks[i, c])`; each ink is
    solved for the channel it takes most of, in turns.

    Args:
        photo: In [0, 1].
        inks: Share of light that ink i takes of channel c.
        black: What the black plate lets through.
    """
    coloured = photo / black.clamp(min=0.02)
    cover = [1 - coloured[:, c] for c in range(3)]
    for _ in range(3):
        for c in range(3):
            others = torch.ones_like(cover[c])
            for i in range(3):
                if i != c:
                    others = others * (1 - cover[i] * inks[:, i, c].view(-1, 1, 1))
            full = inks[:, c, c].view(-1, 1, 1)
            cover[c] = ((1 - coloured[:, c] / others) / full).clamp(0, 1)
    return torch.stack(cover, 1)


def _inks(draws: Draws) -> Float[Tensor, "n 3 3"]:
    rows = [torch.stack([draws.uniform(*pair) for pair in ink], 1) for ink in _ABSORBED]
    return torch.stack(rows, 1)


def plates(photo: Image, draws: Draws) -> tuple[Float[Tensor, "n 4 h w"], Float[Tensor, "n 4 3"]]:
    """Coverages of cyan, magenta, yellow and black, and what their inks take of each channel.

    How much of the grey goes to the black plate (GCR) is drawn, from none to all.
    """
    inks, most = _inks(draws), draws.uniform(0.88, 0.98)
    lightest = photo.amax(1, keepdim=True).clamp(max=1)  # resampling may leave a hair more
    grey = (1 - lightest) * column(draws.uniform(0.2, 1) * draws.chance(0.85))
    key = (grey / column(most)) ** column(draws.uniform(1, 1.6))
    cover = separate(photo, inks, 1 - key * column(most))
    black = most.view(-1, 1, 1).expand(-1, 1, 3)
    return torch.cat([cover, key], 1), torch.cat([inks, black], 1)


def overprinted(cover: Float[Tensor, "n 4 h w"], inks: Float[Tensor, "n 4 3"]) -> Image:
    """What the inks leave of white light, one after the other."""
    reflected = torch.ones_like(cover[:, :3])
    for plate in range(4):
        reflected = reflected * (1 - cover[:, plate : plate + 1] * inks[:, plate].view(-1, 3, 1, 1))
    return reflected
