"""Whatever a file holds, reading ends with a photo or with one clear line."""

import os
import random
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from restorecli.cli import process
from restorecli.errors import PhotoReadError, PhotoTooLargeError, RestoreError
from restorecli.photo import Photo, decode
from restorecli.photo.formats import FORMATS, announced_length, signature
from tests.support.mutated_photos import mutated, seeds
from tests.support.photo_samples import exif_block, photo, quadrants, saved

HINT = "Try opening it in a viewer first."


def refusal(source: Path | str | bytes) -> str:
    with pytest.raises(PhotoReadError) as caught:
        Photo.read(source)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert caught.value.__cause__ is not None or "known kind" in message or "empty" in message
    return message


@pytest.mark.parametrize("format", sorted(FORMATS))
@pytest.mark.parametrize("part", [0.3, 0.8])
def test_a_truncated_photo(format: str, part: float, tmp_path: Path) -> None:
    data = photo(side=64).encode(format)
    path = tmp_path / f"scan.{format}"
    path.write_bytes(data[: int(len(data) * part)])
    message = refusal(path)
    assert message.startswith(f"{path}: not an image Pillow can read (truncated at ")
    assert message.endswith(HINT)


def test_lengths_are_told_in_the_unit_that_fits() -> None:
    noisy = photo(side=120).encode("png")
    assert "(truncated at 900 bytes)" in refusal(noisy[:900])
    assert "(truncated at 12 KB)" in refusal(noisy[:12_000])
    assert decode._amount(3_400_000) == "3.4 MB"


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    assert refusal(path) == (f"{path}: not an image Pillow can read (empty file, 0 bytes). {HINT}")


@pytest.mark.parametrize(
    "content",
    [
        b"Dear Sir,\n",
        b"%PDF-1.7\n",
        b"8BPS\0\1",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypmp42\0\0\0\0",
    ],
)
def test_what_is_no_photo(content: bytes) -> None:
    assert "not a photo of a known kind" in refusal(content)


def test_a_stream_that_is_no_photo_is_not_read_to_its_end() -> None:
    class Endless:
        @staticmethod
        def read(size: int = -1, /) -> bytes:
            assert size > 0
            return bytes(min(size, 10))

    with pytest.raises(PhotoReadError, match=r"\(not a photo of a known kind\)"):
        Photo.read(Endless())
    with pytest.raises(PhotoReadError, match="not a photo of a known kind, 9 bytes"):
        Photo.read(BytesIO(b"Dear Sir,"))


def test_postscript_is_never_run() -> None:
    assert "known kind" in refusal(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_a_lying_suffix_is_read_by_content(format: str, tmp_path: Path) -> None:
    path = tmp_path / "lying.jpg"
    path.write_bytes(Photo(pixels=quadrants()).encode(format))
    assert np.abs(Photo.read(path).pixels.astype(int) - quadrants()).mean() < 8


def test_missing_files_and_folders(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.jpg").endswith("none.jpg: no such file. Check the path.")
    assert "a folder, not a photo. Use restore batch." in refusal(tmp_path)
    assert "cannot be opened" in refusal("nul\0.jpg")
    assert "cannot be opened" in refusal(tmp_path / ("x" * 300))
    assert refusal("two\nlines.jpg").startswith("$'two\\x0alines.jpg': no such file")


def test_files_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert refusal(tmp_path / "a.jpg").endswith("a.jpg: no permission to read it. Check its mode.")


def test_a_closed_stream() -> None:
    stream = BytesIO(b"")
    stream.close()
    with pytest.raises(PhotoReadError, match="cannot be opened"):
        Photo.read(stream)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = photo().encode("png")
    with ThreadPoolExecutor(1) as writer:
        writing = writer.submit(path.write_bytes, data)
        assert np.array_equal(Photo.read(path).pixels, photo().pixels)
        assert writing.result() == len(data)


def png_header(width: int, height: int) -> bytes:
    data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = struct.pack(">I", 13) + data + struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + body + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def test_a_bomb_is_refused_by_what_it_declares() -> None:
    with pytest.raises(PhotoTooLargeError) as caught:
        Photo.read(png_header(60_000, 50_000), name="bomb.png")
    assert str(caught.value) == (
        "bomb.png: 60000 × 50000 pixels are 3,000 megapixels, the limit is 400. Make it smaller "
        "first, or raise --max-megapixels if you trust it."
    )


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_the_limit_is_in_megapixels(format: str) -> None:
    data = Photo(pixels=quadrants(40, 50)).encode(format)
    with pytest.raises(PhotoTooLargeError, match=r"50 × 40 pixels"):
        Photo.read(data, max_megapixels=0.0019)
    Photo.read(data, max_megapixels=0.002)


def test_pillows_own_limit_plays_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for format in ("png", "jpeg", "tiff", "bmp"):
        assert Photo.read(photo().encode(format)).width == 21


def test_a_picture_that_does_not_fit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decode, "_decode_picture", full)
    with pytest.raises(PhotoTooLargeError, match=r"too many pixels to decode \(WebP, \d+ bytes\)"):
        Photo.read(Photo(pixels=quadrants()).encode("webp"))


def odd_file() -> bytes:
    """A PNG that says it has no frames at all, which Pillow warns of."""
    frames = [Image.fromarray(quadrants()), Image.fromarray(quadrants()[::-1].copy())]
    data = bytearray(saved(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    at = data.index(b"acTL")
    data[at + 4 : at + 8] = bytes(4)
    data[at + 12 : at + 16] = struct.pack(">I", zlib.crc32(data[at : at + 12]))
    return bytes(data)


def test_warnings_of_pillow_stay_inside_a_command(recwarn: pytest.WarningsRecorder) -> None:
    warnings.simplefilter("always")
    process.silence_pillow()
    with ThreadPoolExecutor(4) as readers:
        for photo in readers.map(Photo.read, [odd_file()] * 12):
            assert np.array_equal(photo.pixels, quadrants())
    assert [str(warning.message) for warning in recwarn] == []


def test_reading_leaves_the_filters_of_a_library_user_alone() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        before, show = list(warnings.filters), warnings.showwarning
        assert np.array_equal(Photo.read(odd_file()).pixels, quadrants())
        assert (list(warnings.filters), warnings.showwarning) == (before, show)
    assert {str(warning.message)[:12] for warning in seen} == {"Invalid APNG"}


def test_where_warnings_are_errors_an_odd_file_is_refused_in_one_line() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "damaged PNG file" in refusal(odd_file())


def test_damaged_exif_does_not_cost_the_photo() -> None:
    data = saved(Image.fromarray(quadrants()), "JPEG", exif=b"Exif\0\0" + exif_block()[:40])
    photo = Photo.read(data)
    assert photo.metadata.exif is None
    assert photo.notices == ("its EXIF block is damaged and was left out",)


def test_opencv_and_pillow_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    assert "damaged PNG file" in refusal(photo(3, 16).encode("png"))


def test_mutated_files_end_in_a_photo_or_in_one_line() -> None:
    chance, files = random.Random(20), seeds()
    read, refusals = 0, []
    for number in range(8 * len(files)):
        data = mutated(files[number % len(files)], chance)
        try:
            photo = Photo.read(data, max_megapixels=1)
        except RestoreError as error:
            refusals.append(str(error))
        else:
            assert photo.encode("png")[1:4] == b"PNG"
            read += 1
    assert min(read, len(refusals)) > 50
    assert not any("\n" in line for line in refusals)


def test_signatures_of_files_made_of_boxes() -> None:
    assert signature(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif") == "avif"
    assert signature(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic") == "heic"
    assert signature(b"\0\0\0\x10ftypmif1\0\0\0\0") == "heic"
    assert signature(b"\0\0\0\x10ftypisom\0\0\0\0") is None


def test_boxes_announce_their_length() -> None:
    long = struct.pack(">I4sQ", 1, b"mdat", 50)
    assert announced_length(BytesIO(long), "heic") == 50
    assert announced_length(BytesIO(struct.pack(">I4s", 0, b"mdat")), "heic") == 0
    assert announced_length(BytesIO(struct.pack(">I4s", 8, b"free") + b"\0\0"), "avif") == 16
    assert announced_length(BytesIO(b"anything"), "png") == 0
