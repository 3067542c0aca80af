"""Laws of `Photo`: reading undoes writing, images are the pixels, what is replaced stays itself."""

import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from restorecli.errors import PhotoWriteError
from restorecli.photo import READABLE, WRITABLE, Metadata, Photo
from restorecli.photo.capacity import enlarged_size
from restorecli.photo.formats import FORMATS
from tests.support.photo_samples import LOSSLESS, full_metadata, noise, photo

SIDES = st.integers(1, 9)


@st.composite
def parts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels and alpha of a photo; not the photo, whose type checks use chance."""
    kind = draw(st.sampled_from((np.uint8, np.uint16)))
    sides = (draw(SIDES), draw(SIDES))
    pixels = draw(arrays(kind, sides if draw(st.booleans()) else (*sides, 3)))
    return pixels, draw(st.none() | arrays(kind, sides))


def _photo(pixels: np.ndarray, alpha: np.ndarray | None) -> Photo:
    return Photo(pixels=pixels, alpha=alpha, metadata=full_metadata())


@settings(deadline=None, max_examples=60)
@given(drawn=parts(), format=st.sampled_from(("png", "tiff")))
def test_lossless_formats_give_back_what_was_written(
    drawn: tuple[np.ndarray, np.ndarray | None], format: str
) -> None:
    original = _photo(*drawn)
    again = Photo.read(original.encode(format))
    assert again.bits == original.bits
    assert torch.equal(_opaque_image(again), _opaque_image(original))
    given_alpha = original.alpha
    if given_alpha is None or bool((given_alpha == np.iinfo(given_alpha.dtype).max).all()):
        assert again.alpha is None
    else:
        assert again.alpha is not None
        assert np.array_equal(again.alpha, given_alpha)
    assert again.metadata.icc == original.metadata.icc
    assert original.losses(format) == ()


@settings(deadline=None, max_examples=30)
@given(pixels=arrays(np.uint8, st.tuples(SIDES, SIDES, st.just(3))))
def test_bmp_gives_back_opaque_pixels(pixels: np.ndarray) -> None:
    again = Photo.read(Photo(pixels=pixels).encode("bmp"))
    assert torch.equal(again.image(), Photo(pixels=pixels).image())


def _opaque_image(of: Photo) -> torch.Tensor:
    return Photo(pixels=of.pixels).image()


@pytest.mark.parametrize("format", [name for name in FORMATS if name not in LOSSLESS])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_formats_come_close_and_grey_stays_grey(format: str, channels: int) -> None:
    smooth = np.add.outer(np.arange(40), np.arange(56)).astype(np.uint8) * 2
    pixels = smooth if channels == 1 else np.dstack((smooth, 255 - smooth, smooth // 2))
    again = Photo.read(Photo(pixels=pixels).encode(format))
    assert again.grey == (channels == 1)
    assert again.bits == 8
    assert np.abs(again.pixels.astype(int) - pixels).mean() < 2


def test_webp_of_quality_100_is_lossless() -> None:
    original = photo(alpha=True)
    again = Photo.read(original.encode("webp", quality=100))
    assert np.array_equal(again.pixels, original.pixels)
    assert again.alpha is not None
    assert original.alpha is not None
    assert np.array_equal(again.alpha, original.alpha)


@pytest.mark.parametrize("bits", [8, 16])
def test_an_image_is_the_pixels_over_their_greatest_value(bits: int) -> None:
    pixels = noise(5, 7, 3, bits)
    image = Photo(pixels=pixels).image()
    assert image.shape == (1, 3, 5, 7)
    assert image.dtype == torch.float32
    expected = pixels.astype(np.float32) / np.float32(2**bits - 1)
    assert np.array_equal(image[0].permute(1, 2, 0).numpy(), expected)


def test_grey_is_repeated_on_three_channels() -> None:
    image = Photo(pixels=noise(4, 4, 1)).image()
    assert torch.equal(image[:, 0], image[:, 1])
    assert torch.equal(image[:, 0], image[:, 2])


@settings(deadline=None)
@given(pixels=arrays(np.uint8, st.tuples(SIDES, SIDES, st.just(3))))
def test_from_image_undoes_image(pixels: np.ndarray) -> None:
    again = Photo.from_image(Photo(pixels=pixels).image(), "again.jpg")
    assert np.array_equal(again.pixels, pixels)
    assert again.name == "again.jpg"


def test_from_image_clips() -> None:
    values = torch.tensor([-1.0, 0.5, 2.0]).reshape(1, 3, 1, 1)
    assert Photo.from_image(values, "x").pixels.tolist() == [[[0, 128, 255]]]


@settings(deadline=None, max_examples=60)
@given(drawn=parts())
def test_from_tensor_undoes_to_tensor(drawn: tuple[np.ndarray, np.ndarray | None]) -> None:
    original = _photo(*drawn)
    again = Photo.from_tensor(original.to_tensor(), bits=16 if original.bits == 16 else 8)
    assert (again.bits, again.alpha, again.metadata) == (original.bits, None, Metadata())
    if again.grey and not original.grey:  # three channels that are equal everywhere
        assert np.array_equal(np.dstack([again.pixels] * 3), original.pixels)
    else:
        assert np.array_equal(again.pixels, original.pixels)


@pytest.mark.parametrize("bits", [8, 16])
def test_every_value_comes_back(bits: Literal[8, 16]) -> None:
    values = np.arange(2**bits).reshape(-1, 16).astype(np.uint8 if bits == 8 else np.uint16)
    assert np.array_equal(
        Photo.from_tensor(Photo(pixels=values).to_tensor(), bits=bits).pixels, values
    )


def test_a_tensor_keeps_what_is_hidden_and_an_image_fills_it() -> None:
    pixels, alpha = np.full((4, 4, 3), 200, np.uint8), np.full((4, 4), 255, np.uint8)
    pixels[:, 2:], alpha[:, 2:] = 0, 0
    cut_out = Photo(pixels=pixels, alpha=alpha)
    assert float(cut_out.to_tensor().min()) == 0
    assert float(cut_out.image().min()) > 0.5


def test_from_tensor_rounds_clips_and_names() -> None:
    values = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True).reshape(1, 3, 1, 1)
    made = Photo.from_tensor(values, name="made.png")
    assert (made.pixels.tolist(), made.name) == ([[[0, 128, 255]]], "made.png")
    assert Photo.from_tensor(values, bits=16).pixels.tolist() == [[[0, 32768, 65535]]]


@pytest.mark.parametrize(
    ("image", "fact"),
    [
        (torch.zeros(3, 4, 5), r"shape (3, 4, 5): must be (1, 3, height, width)"),
        (torch.zeros(2, 3, 4, 5), "shape (2, 3, 4, 5)"),
        (torch.zeros(1, 4, 4, 5), "shape (1, 4, 4, 5)"),
        (torch.zeros(1, 3, 0, 5), "shape (1, 3, 0, 5)"),
        (torch.zeros(1, 3, 4, 5, dtype=torch.float64), "torch.float64: must be torch.float32"),
        (torch.zeros(1, 3, 4, 5, dtype=torch.uint8), "torch.uint8: must be torch.float32"),
        (torch.full((1, 3, 4, 5), torch.nan), "holds NaN"),
    ],
)
def test_what_is_no_image_is_refused(image: torch.Tensor, fact: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fact)):
        Photo.from_tensor(image)


REFUSALS = """
import numpy as np
from restorecli import Photo

eight, alpha = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint16)
for call in (
    lambda: Photo(pixels=eight.astype(float)),
    lambda: Photo(pixels=[[0]]),
    lambda: Photo(pixels=eight[..., :2]),
    lambda: Photo(pixels=eight[0, 0]),
    lambda: Photo(pixels=eight[:0]),
    lambda: Photo(pixels=eight, alpha=alpha),
    lambda: Photo(pixels=eight, alpha=alpha[1:].astype(np.uint8)),
    lambda: Photo.from_tensor(eight),
    lambda: Photo.from_tensor(Photo(pixels=eight).to_tensor(), bits=10),
):
    try:
        call()
    except (TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}")
"""


def test_constructors_refuse_under_optimisation_too() -> None:
    run = subprocess.run(
        [sys.executable, "-O", "-c", REFUSALS], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == [
        "TypeError: pixels of float64: must be an array of uint8 or uint16",
        "TypeError: pixels of list: must be an array of uint8 or uint16",
        "ValueError: pixels of shape (4, 5, 2): must be (h, w, 3), or (h, w) for grey",
        "ValueError: pixels of shape (3,): must be (h, w, 3), or (h, w) for grey",
        "ValueError: pixels of shape (0, 5, 3): must be (h, w, 3), or (h, w) for grey",
        "TypeError: alpha of uint16: must be of the pixels' type, uint8",
        "ValueError: alpha of shape (3, 5): must be (4, 5)",
        "TypeError: image of ndarray: must be a tensor",
        "ValueError: bits 10: must be 8 or 16",
    ]


@settings(deadline=None, max_examples=40)
@given(drawn=parts(), scale=st.integers(1, 4), bits=st.sampled_from((8, 16)))
def test_a_replaced_photo_keeps_all_but_pixels(
    drawn: tuple[np.ndarray, np.ndarray | None], scale: int, bits: int
) -> None:
    original = _photo(*drawn)
    size = (original.height * scale, original.width * scale)
    changed = original.replaced(noise(*size, 3, bits))
    assert (changed.height, changed.width, changed.bits) == (*size, bits)
    assert changed.grey == original.grey
    assert changed.metadata == original.metadata
    assert changed.name == original.name
    assert (changed.alpha is None) == (original.alpha is None)
    if changed.alpha is not None:
        assert changed.alpha.shape == size


def test_replacing_pixels_by_themselves_changes_nothing() -> None:
    for original in (photo(1, alpha=True), photo(3, 16, alpha=True)):
        shown = original.pixels if not original.grey else np.dstack([original.pixels] * 3)
        again = original.replaced(shown)
        assert np.array_equal(again.pixels, original.pixels)
        assert again.alpha is original.alpha


def test_a_size_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="no multiple"):
        photo().replaced(noise(17, 21))
    with pytest.raises(ValueError, match="no multiple"):
        photo().replaced(noise(8, 12))


@given(scale=st.floats(0.1, 4), alpha=st.booleans())
def test_any_scale_is_a_size_of_the_same_shape(scale: float, alpha: bool) -> None:
    original = photo(alpha=alpha)
    size = enlarged_size(original.height, original.width, scale)
    changed = original.replaced(noise(*size))
    assert (changed.height, changed.width) == size
    assert changed.alpha is None or changed.alpha.shape == size


def test_depth_of_alpha_follows_the_pixels() -> None:
    opacity = np.array([[0, 128, 255]], np.uint8)
    shallow = Photo(pixels=noise(1, 3), alpha=opacity)
    deep = shallow.replaced(noise(1, 3, 3, 16))
    assert deep.alpha is not None
    assert deep.alpha.tolist() == [[0, 128 * 257, 65535]]
    back = deep.replaced(noise(1, 3))
    assert back.alpha is not None
    assert back.alpha.tolist() == [[0, 128, 255]]


def test_colours_under_transparency_come_from_their_neighbours() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    alpha = np.zeros((32, 32), np.uint8)
    pixels[8:24, 8:24], alpha[8:24, 8:24] = (200, 100, 50), 255
    cut_out = Photo(pixels=pixels, alpha=alpha)
    assert (cut_out.colours() == (200, 100, 50)).all()
    assert torch.allclose(cut_out.image()[0, :, 0, 0], torch.tensor([200, 100, 50]) / 255)
    grey = Photo(pixels=pixels[..., 0], alpha=alpha)
    assert (grey.colours() == 200).all()


def test_no_dark_halo_round_an_enlarged_cut_out() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    alpha = np.zeros((32, 32), np.uint8)
    pixels[8:24, 8:24], alpha[8:24, 8:24] = 255, 255
    cut_out = Photo(pixels=pixels, alpha=alpha)
    image = torch.nn.functional.interpolate(cut_out.image(), scale_factor=2, mode="bilinear")
    on_white = Photo.read(cut_out.replaced(Photo.from_image(image, "x").pixels).encode("bmp"))
    assert on_white.pixels.min() == 255


def test_wholly_transparent_and_opaque_photos_have_colours() -> None:
    hidden = Photo(pixels=noise(3, 3), alpha=np.zeros((3, 3), np.uint8))
    assert hidden.colours().shape == (3, 3, 3)
    shown = Photo(pixels=noise(3, 3))
    assert shown.colours() is shown.pixels


def test_streams_are_read_and_written() -> None:
    stream = BytesIO()
    notices = photo(alpha=True).write(stream, format="jpeg")
    assert notices == ("JPEG has no transparency: put on white",)
    stream.seek(0)
    again = Photo.read(stream)
    assert again.name == "<stream>"
    assert Photo.read(stream.getvalue(), name="<stdin>").name == "<stdin>"
    assert Photo.read(stream.getvalue()).name == "<bytes>"


@pytest.mark.parametrize("name", ["a b.png", "한글 사진.png", "📷 é.PNG", "x" * 251 + ".png"])
def test_any_file_name_works(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    original = photo()
    original.write(path)
    for spelled in (path, str(path)):
        again = Photo.read(spelled)
        assert again.name == name
        assert np.array_equal(again.pixels, original.pixels)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("suffix", sorted(WRITABLE))
def test_the_suffix_decides_what_is_written(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo{suffix.upper()}"
    photo().write(path)
    again = Photo.read(path.read_bytes())
    assert (again.height, again.width) == (16, 21)
    with pytest.raises(PhotoWriteError, match="exists"):
        photo().write(path)
    photo().write(path, overwrite=True)


def test_format_beats_suffix_and_aliases_are_known(tmp_path: Path) -> None:
    path = tmp_path / "photo.bin"
    photo().write(path, format="png")
    assert path.read_bytes()[1:4] == b"PNG"
    assert photo().encode("jpg")[:2] == b"\xff\xd8"
    assert photo().encode(".TIF")[:2] == b"II"


def test_everything_writable_is_readable() -> None:
    assert WRITABLE < READABLE
    assert {".gif", ".jpg", ".heic"} <= READABLE


def test_quality_changes_size_and_is_checked() -> None:
    flat = Photo(pixels=noise(32, 32), metadata=Metadata())
    for format in ("jpeg", "webp", "avif", "heic"):
        assert len(flat.encode(format, 20)) < len(flat.encode(format, 95)), format
    for quality in (0, 101):
        with pytest.raises(PhotoWriteError, match="1 to 100"):
            flat.encode("jpeg", quality)


def test_jpeg_is_written_with_full_colour_resolution() -> None:
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = (255, 0, 0), (0, 0, 255)
    again = Photo.read(Photo(pixels=stripes).encode("jpeg"))
    assert np.abs(again.pixels.astype(int) - stripes).max() < 30
