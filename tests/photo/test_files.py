"""A file appears complete or not at all, and nothing else changes."""

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from restorecli.errors import PhotoWriteError
from restorecli.photo import Photo, encode
from tests.support.photo_samples import noise, photo

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's special files")


def refusal(target: Path | str, of: Photo | None = None, **settings: object) -> str:
    with pytest.raises(PhotoWriteError) as caught:
        (of or photo()).write(target, **settings)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_an_existing_file_is_kept_unless_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    assert refusal(path) == (f"{path}: exists. Allow it with --overwrite, or choose another name.")
    assert path.read_bytes() == b"precious"
    photo().write(path, overwrite=True)
    assert Photo.read(path).width == 21
    assert names(tmp_path) == ["a.png"]


def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    original = encode._write

    def slowly(*arguments: object) -> None:
        original(*arguments)  # type: ignore[arg-type]
        path.write_bytes(b"another's")

    monkeypatch.setattr(encode, "_write", slowly)
    assert "exists" in refusal(path)
    assert path.read_bytes() == b"another's"
    assert names(tmp_path) == ["a.png"]


def test_a_file_that_appears_at_the_last_moment_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    link = os.link

    def later(source: Path, target: Path) -> None:
        path.write_bytes(b"another's")
        link(source, target)

    monkeypatch.setattr(os, "link", later)
    assert refusal(path) == f"{path}: exists. Allow it with --overwrite, or choose another name."
    assert path.read_bytes() == b"another's"
    assert names(tmp_path) == ["a.png"]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    photo().write(tmp_path / "a.png")
    assert Photo.read(tmp_path / "a.png").width == 21
    assert names(tmp_path) == ["a.png"]


def test_unknown_formats_name_the_known(tmp_path: Path) -> None:
    known = "Use one of avif, bmp, heic, jpeg, png, tiff, webp."
    for name in ("a.gif", "a.xyz", "a", ".png"):
        message = refusal(tmp_path / name)
        assert "not a format this tool writes" in message
        assert message.endswith(known)
    assert refusal(tmp_path / "a.png", format="jp2").endswith(known)
    assert "no suffix" in refusal(tmp_path / "a")
    with pytest.raises(PhotoWriteError, match="no suffix"):
        photo().write(BytesIO())
    assert names(tmp_path) == []


def test_folders_and_impossible_names(tmp_path: Path) -> None:
    folder = tmp_path / "folder.png"
    folder.mkdir()
    assert refusal(folder) == f"{folder}: a folder. Name a file in it."
    missing = tmp_path / "none" / "a.png"
    assert refusal(missing) == (f"{missing}: there is no folder {missing.parent}. Make it first.")
    (tmp_path / "file").touch()
    assert "there is no folder" in refusal(tmp_path / "file" / "a.png")
    assert "not a file name" in refusal(tmp_path / "a\0.png")
    assert "name too long" in refusal(tmp_path / ("x" * 300 + ".png"))


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    path = tmp_path / "a.png"
    assert refusal(path) == f"{path}: no permission to write there. Choose another folder."


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the system fail writes beyond this size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@LINUX
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.bmp", "a.avif", "a.heic"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_failing_disk_leaves_the_old_file(name: str, bits: int, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"precious")
    with files_of_at_most(200):
        message = refusal(path, photo(3, bits, side=40), overwrite=True)
    assert message == f"{path}: could not be written (file too large). Nothing was left behind."
    assert path.read_bytes() == b"precious"
    assert names(tmp_path) == [name]


@LINUX
def test_devices_are_written_to_and_a_full_one_says_so(tmp_path: Path) -> None:
    before = Path("/dev/null").stat().st_mode
    photo().write("/dev/null", format="png")
    assert Path("/dev/null").stat().st_mode == before
    link = tmp_path / "full.png"
    link.symlink_to("/dev/full")
    assert "no space left on device" in refusal(link)


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        arguments[-1].write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(encode, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        photo().write(tmp_path / "a.png")
    assert names(tmp_path) == []


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(mask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        photo().write(tmp_path / "a.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.png", tmp_path / "link.png"
    real.write_bytes(b"old")
    link.symlink_to(real)
    photo().write(link, overwrite=True)
    assert link.is_symlink()
    assert Photo.read(real).width == 21
    assert names(tmp_path) == ["link.png", "real.png"]


def test_a_stream_that_cannot_be_written() -> None:
    class Broken:
        def write(self, data: bytes, /) -> None:
            raise BrokenPipeError(32, "Broken pipe")

        def flush(self) -> None:
            """Do nothing."""

    with pytest.raises(PhotoWriteError, match=r"<stream>: could not be written \(.*pipe"):
        photo().write(Broken(), format="png")


@pytest.mark.parametrize(("format", "most"), [("jpeg", 65500), ("webp", 16383), ("avif", 32768)])
def test_pictures_beyond_a_formats_longest_side(format: str, most: int) -> None:
    for shape in ((1, most + 1), (most + 1, 1)):
        long = Photo(pixels=np.zeros(shape, np.uint8))
        with pytest.raises(PhotoWriteError) as caught:
            long.encode(format)
        assert f"holds at most {most}" in str(caught.value)
        assert str(caught.value).endswith("Use PNG or TIFF, or a smaller scale.")
    longest = Photo(pixels=np.zeros((1, most), np.uint8))
    assert Photo.read(longest.encode(format)).width == most


def test_what_an_encoder_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no encoder")

    monkeypatch.setattr(encode, "_write_heic", refuse)
    with pytest.raises(PhotoWriteError, match=r"cannot be written as HEIC \(no encoder\)"):
        photo().encode("heic")


PEAK = """
import sys
import numpy as np
from restorecli.photo import Photo
from tests.support.photo_samples import noise

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

path = sys.argv[1]
Photo(pixels=noise(9, 9)).write(path)
Photo.read(path)
large = Photo(pixels=np.tile(noise(500, 500), (8, 8, 1)))
before = peak()
large.write(path, overwrite=True)
written = peak() - before
name, pixels = large.name, large.height * large.width
del large
again = Photo.read(path)
print(written / pixels + 3, (peak() - before) / pixels + 3)
"""


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.bmp"])
def test_memory_stays_near_8_bytes_a_pixel(name: str, tmp_path: Path) -> None:
    """16 megapixels; what is fixed, such as buffers, may take half a byte a pixel."""
    asked = [sys.executable, "-c", PEAK, str(tmp_path / name)]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    written, read = (float(word) for word in done.stdout.split())
    assert written < 8.5
    assert read < 8.5


def test_noise_is_seeded() -> None:
    assert np.array_equal(noise(3, 3), noise(3, 3))
