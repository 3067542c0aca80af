"""Three small photos end to end through the shipped weights, pixel by pixel.

`make goldens` writes the expected pictures anew. A failure leaves the actual picture, the expected
one and ten times their difference in tests/out/.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli import Options, Photo, Restorer

GOLDEN = Path(__file__).parent
OUT = Path(__file__).parents[1] / "out"
LARGEST = 2  # levels of 255 that any value may differ by
MEAN = 0.25  # levels of 255 that the picture may differ by on average
CASES = (("lines", 1), ("sine", 1), ("face", 1), ("face", 2))


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer.load(device="cpu", precision="fp32")


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_picture_is_as_expected(
    name: str, scale: int, restorer: Restorer, update_golden: bool
) -> None:
    options = Options(scale=scale, denoise="on")  # the face has no pattern: it would stay as it is
    result = restorer(Photo.read(GOLDEN / f"{name}.png"), options)
    path = GOLDEN / f"{name}.x{scale}.expected.png"
    if update_golden:
        Photo(pixels=result.pixels).write(path, overwrite=True)
    compare(f"{name}.x{scale}", result.pixels, Photo.read(path).pixels)


def test_face_of_the_golden_photo_is_restored(restorer: Restorer) -> None:
    options = Options(scale=1, denoise="on")
    faces = restorer.restore(Photo.read(GOLDEN / "face.png"), options).faces
    assert [face.status for face in faces] == ["restored"]


def test_a_difference_fails_and_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.OUT", tmp_path)
    expected = np.full((4, 4, 3), 100, np.uint8)
    compare("equal", expected + 1 * (np.indices((4, 4)).sum(0) == 3)[..., None], expected)
    assert list(tmp_path.iterdir()) == []
    actual = expected.copy()
    actual[1, 1, 1] += 3
    with pytest.raises(AssertionError, match="3 of 255"):
        compare("spot", actual, expected)
    assert np.asarray(Image.open(tmp_path / "spot.difference.png"))[1, 1, 1] == 30
    with pytest.raises(AssertionError, match="on average"):
        compare("shift", expected + 1, expected)


def compare(name: str, actual: np.ndarray, expected: np.ndarray) -> None:
    """Hold two pictures to the rule; a failure writes them and says how far they are apart."""
    assert actual.shape == expected.shape
    difference = np.abs(actual.astype(int) - expected.astype(int))
    if difference.max() <= LARGEST and difference.mean() <= MEAN:
        return
    OUT.mkdir(exist_ok=True)
    pictures = {
        "actual": actual,
        "expected": expected,
        "difference": (10 * difference).clip(max=255),
    }
    for kind, pixels in pictures.items():
        Image.fromarray(pixels.astype(np.uint8)).save(OUT / f"{name}.{kind}.png")
    histogram = np.bincount(difference.ravel())
    counts = ", ".join(f"{level}: {count}" for level, count in enumerate(histogram) if count)
    raise AssertionError(
        f"{name}: off by up to {difference.max()} of 255, {difference.mean():.3f} on average; "
        f"values by difference: {counts}. See {OUT}."
    )
