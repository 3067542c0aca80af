"""The individual typology angle: colours known from elsewhere, and cheeks that lie in the face."""

import pytest
import torch

from restorecli.faces.alignment import TEMPLATE, radii
from training.evaluate.skin import cheek_colour, cheeks, lab, thirds, typology_angle

TEMPLATE_MARKS = torch.tensor(TEMPLATE)


def srgb(text: str) -> torch.Tensor:
    return torch.tensor([int(text[at : at + 2], 16) / 255 for at in (0, 2, 4)])


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ("ffffff", (100, 0, 0)),
        ("000000", (0, 0, 0)),
        ("ff0000", (53.24, 80.09, 67.20)),  # of every table of CIELAB under D65
        ("0000ff", (32.30, 79.19, -107.86)),
        ("777777", (50.03, 0, 0)),
    ],
)
def test_lab_of_known_colours(colour: str, expected: tuple[float, float, float]) -> None:
    assert lab(srgb(colour)) == pytest.approx(expected, abs=0.02)


def test_angles_of_known_skins() -> None:
    light, dark = typology_angle(srgb("f3d9c6")), typology_angle(srgb("5a3a2a"))
    assert light is not None
    assert dark is not None
    # L* 88.3, b* 12.6 and L* 27.8, b* 15.6: arctan(38.3 / 12.6), arctan(−22.2 / 15.6)
    assert light == pytest.approx(71.8, abs=1.5)
    assert dark == pytest.approx(-54.9, abs=1.5)


@pytest.mark.parametrize("colour", ["777777", "d9d9d9", "8090c0"])
def test_grey_and_blue_have_no_angle(colour: str) -> None:
    assert typology_angle(srgb(colour)) is None


def test_cheeks_lie_in_the_oval_and_off_the_marks() -> None:
    middles = cheeks(TEMPLATE_MARKS)
    assert (radii(middles.double()[None]) < 0.8).all()
    assert (torch.cdist(middles, TEMPLATE_MARKS).amin(1) > 0.1).all()  # twice a disc's radius
    assert middles[0, 0] < TEMPLATE_MARKS[2, 0] < middles[1, 0]


@pytest.mark.parametrize("turned", [False, True])
def test_the_colour_is_the_cheeks_own(turned: bool) -> None:
    image = torch.zeros(1, 3, 200, 200)
    skin = torch.tensor([0.8, 0.6, 0.5])
    marks = TEMPLATE_MARKS * 160 + 20
    for x, y in cheeks(marks).round().int().tolist():
        image[..., y - 12 : y + 13, x - 12 : x + 13] = skin.view(1, 3, 1, 1)
    if turned:
        image = image.rot90(1, (2, 3))
        marks = torch.stack((marks[:, 1], 200 - marks[:, 0]), 1)
    assert torch.allclose(cheek_colour(image, marks), skin, atol=0.01)


def test_thirds_are_by_rank_and_leave_out_what_has_no_angle() -> None:
    groups = thirds([10.0, None, -30.0, 50.0, 20.0, 60.0, -10.0])
    assert groups == ["middle", "", "darker", "lighter", "middle", "lighter", "darker"]
    assert thirds([None]) == [""]
