"""Flat parts: seen to the bit, and gone under anything that is laid over the whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from restorecli.degrade import FAMILIES, DegradeConfig, degrade
from restorecli.inspection.flatness import LEAST, is_flat
from restorecli.inspection.squares import SIDE

SPARSE = {"watermark", "interlace"}  # between whose marks a flat picture stays as it is


def page(value: float, width: int = 256) -> Tensor:
    """Noise, with a flat bar of four squares' width."""
    image = torch.rand(1, 3, 192, width, generator=torch.Generator().manual_seed(3))
    image[..., : 4 * SIDE] = round(value * 255) / 255
    return image


@settings(deadline=None, max_examples=30)
@given(st.floats(0.08, 0.96), st.integers(0, 2), st.integers(0, SIDE - 1))
def test_one_value_to_the_bit_is_flat_and_a_step_of_one_channel_is_not(
    value: float, channel: int, place: int
) -> None:
    image = page(value)
    assert is_flat(image)
    image[:, channel, place::SIDE, place::SIDE] += 1 / 255
    assert not is_flat(image)


@pytest.mark.parametrize("value", [0.0, 0.03, 1.0])
def test_black_and_white_prove_nothing(value: float) -> None:
    assert not is_flat(page(value))


def test_a_little_of_it_proves_nothing() -> None:
    assert not is_flat(page(0.5, width=round(4 * SIDE / LEAST / SIDE + 2) * SIDE))


@pytest.mark.parametrize("side", [1, SIDE - 1])
def test_a_picture_smaller_than_a_square_is_not_flat(side: int) -> None:
    assert not is_flat(torch.full((1, 3, side, 90), 0.5))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in SPARSE])
def test_nothing_is_flat_under_a_pattern(family: str) -> None:
    """Whatever is laid over a page of one colour, as strongly as the denoiser learns it."""
    config = DegradeConfig(
        families=(family,), clean=0, plain=0, mild=0, dimmed=0, soften=0, second=0
    )
    images = degrade(torch.full((6, 3, 192, 192), 0.5), torch.arange(6), config).image
    assert sum(is_flat(image[None]) for image in images) <= 1


def test_nothing_is_flat_under_noise() -> None:
    config = DegradeConfig(clean=0, plain=1, dimmed=0)
    pair = degrade(torch.full((24, 3, 192, 192), 0.5), torch.arange(24), config)
    assert not any(is_flat(image[None]) for image in pair.image[pair.sigma > 0.012])
