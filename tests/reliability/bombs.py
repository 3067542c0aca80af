"""Photos that would blow up: small files that say, or are, far more than they should be.

    python -m tests.reliability.bombs FOLDER

makes each, reads it with the limits of the command line, and prints how that ended, the seconds it
took and how many megabytes the peak of memory rose, a line of JSON for each.
"""

import json
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from restorecli.errors import RestoreError
from restorecli.photo import Photo
from tests.reliability.watchdog import watched
from tests.support.mutated_photos import seeds
from tests.support.photo_samples import ICC_RGB, quadrants, saved

TWO_GIGABYTES = 2**31 - 8


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    length, check = struct.pack(">I", len(content)), zlib.crc32(name + content)
    return length + name + content + struct.pack(">I", check)


def header(width: int, height: int) -> bytes:
    """A PNG file up to its first chunk of pixels, RGB."""
    fields = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", fields)


def zeros(count: int) -> bytes:
    """So many bytes of zero as one zlib stream: a packed mebibyte, over and over."""
    block = 2**20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    adler = (count % 65521) << 16 | 1
    return b"\x78\xda" + packed * (count // block) + b"\x03\0" + struct.pack(">I", adler)


def vast_png() -> bytes:
    """60,000 × 60,000 pixels, and data that goes on for a while."""
    return header(60_000, 60_000) + chunk(b"IDAT", zeros(2**28)) + chunk(b"IEND", b"")


def swollen_png() -> bytes:
    """A small picture whose pixels unpack to a hundred thousand times what it has."""
    return header(48, 32) + chunk(b"IDAT", zeros(2**29)) + chunk(b"IEND", b"")


def profile_png() -> bytes:
    """A colour profile that unpacks to two gigabytes."""
    whole = saved(Image.fromarray(quadrants()), "PNG")
    return whole[:33] + chunk(b"iCCP", b"sRGB\0\0" + zeros(2**31)) + whole[33:]


def text_png() -> bytes:
    """Text that unpacks to a gigabyte."""
    whole = saved(Image.fromarray(quadrants()), "PNG")
    return whole[:33] + chunk(b"zTXt", b"Comment\0\0" + zeros(2**30)) + whole[33:]


def profile_says(start: bytes) -> bytes:
    """A profile whose own header says that it has two gigabytes."""
    return start.replace(ICC_RGB[:4], struct.pack(">I", TWO_GIGABYTES), 1)


def profile_jpeg() -> bytes:
    """The profile of a JPEG says two gigabytes."""
    return profile_says(saved(Image.fromarray(quadrants()), "JPEG", icc_profile=ICC_RGB))


def profile_webp() -> bytes:
    """The chunk of a WebP file that holds the profile says two gigabytes."""
    whole = saved(Image.fromarray(quadrants()), "WEBP", icc_profile=ICC_RGB)
    at = whole.index(b"ICCP") + 4
    return whole[:at] + struct.pack("<I", TWO_GIGABYTES) + whole[at + 4 :]


def tiff(changes: dict[int, int]) -> bytes:
    """A plain TIFF file with other values for some of its tags."""
    whole = bytearray(saved(Image.fromarray(quadrants()), "TIFF", icc_profile=ICC_RGB))
    (at,) = struct.unpack_from("<I", whole, 4)
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", whole, at)[0], 12):
        (tag,) = struct.unpack_from("<H", whole, entry)
        if tag in changes:
            struct.pack_into("<HII", whole, entry + 2, 4, 1, changes[tag])
    return bytes(whole)


def lying_tiff() -> bytes:
    """20,000 × 19,000 pixels, it says, in the bytes of 48 × 32."""
    return tiff({256: 20_000, 257: 19_000, 278: 19_000})


def vast_tiff() -> bytes:
    """Four thousand million pixels a row."""
    return tiff({256: 2**32 - 1, 257: 2**32 - 1})


def profile_tiff() -> bytes:
    """A profile of two gigabytes behind the end of the file."""
    whole = bytearray(tiff({}))
    (at,) = struct.unpack_from("<I", whole, 4)
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", whole, at)[0], 12):
        if struct.unpack_from("<H", whole, entry)[0] == 34675:
            struct.pack_into("<I", whole, entry + 4, TWO_GIGABYTES)
    return bytes(whole)


def many_framed_gif() -> bytes:
    """A hundred thousand frames."""
    whole = saved(Image.fromarray(quadrants()).quantize(4), "GIF")
    frame = whole[whole.index(b",") : -1]
    return whole[:-1] + frame * 100_000 + b";"


def vast_gif() -> bytes:
    """A screen of 65,535 × 65,535 pixels around a frame of 48 × 32."""
    whole = saved(Image.fromarray(quadrants()).quantize(4), "GIF")
    return whole[:6] + b"\xff\xff\xff\xff" + whole[10:]


def many_framed_png() -> bytes:
    """An animated PNG that says it has four thousand million frames."""
    pages = [Image.fromarray(np.roll(quadrants(), step, 0)) for step in range(3)]
    whole = saved(pages[0], "PNG", save_all=True, append_images=pages[1:])
    at = whole.index(b"acTL")
    return whole[: at - 4] + chunk(b"acTL", b"\x7f\xff\xff\xff\0\0\0\0") + whole[at + 16 :]


def nested_heic() -> bytes:
    """Boxes in boxes in boxes."""
    whole = next(seed for seed in seeds() if seed[4:12] == b"ftypheic")
    nested = b""
    for _ in range(20_000):
        nested = struct.pack(">I4s", len(nested) + 8, b"moov") + nested
    return whole + nested


BOMBS: dict[str, Callable[[], bytes]] = {
    made.__name__: made
    for made in (
        vast_png, swollen_png, profile_png, text_png, profile_jpeg, profile_webp, lying_tiff,
        vast_tiff, profile_tiff, many_framed_gif, vast_gif, many_framed_png, nested_heic,
    )
}  # fmt: skip


def peak() -> int:
    """Megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def read(path: Path) -> str:
    """Read a file as the command does; say how it ended."""
    try:
        photo = Photo.read(path)
    except RestoreError as error:
        return str(error)
    return f"{photo.width}×{photo.height}"


def explode(name: str, folder: Path) -> dict[str, object]:
    """Make and read one; after ten seconds of reading the process ends."""
    file = folder / name
    file.write_bytes(BOMBS[name]())
    before, began = peak(), time.process_time()
    with watched():
        end = read(file)
    seconds, megabytes = time.process_time() - began, peak() - before
    return {"name": name, "end": end, "seconds": round(seconds, 3), "megabytes": megabytes}


if __name__ == "__main__":
    Photo.read(seeds()[0])
    for bomb in BOMBS:
        sys.stdout.write(json.dumps(explode(bomb, Path(sys.argv[1]))) + "\n")
