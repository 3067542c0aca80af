"""Small files of every format and kind of pixel, and a seeded mutator that damages them.

Nothing is stored: the seeds are written by this tool, by Pillow, tifffile and pillow-heif.
"""

import random
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import tifffile
from PIL import Image

from restorecli.photo import Metadata, Photo
from tests.support.photo_samples import exif_block, full_metadata, noise, photo, quadrants, saved

PNG_START = 8
FILES = Path(__file__).parents[1] / "photo" / "files"
TALKATIVE = Metadata(texts=(("Author", "Ann"), ("Title", "한국"), ("Long", "é" * 2000)))
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def seeds() -> list[bytes]:
    """One small file of every format and kind of pixel, most with all metadata."""
    picture = Image.fromarray(quadrants())
    indexed = picture.quantize(8)
    files = [
        photo(channels, bits, alpha).encode(format)
        for format in ("png", "tiff", "webp")
        for channels, bits, alpha in ((1, 8, True), (3, 8, False), (3, 16, True))
    ]
    files += [photo(side=9).encode(format) for format in ("jpeg", "bmp", "avif", "heic")]
    files += _pillows(picture, indexed) + _tiffs(picture)
    for deep in (np.uint8, np.uint16):
        heif = pillow_heif.from_bytes(
            "RGB" if deep is np.uint8 else "RGB;16", (16, 16), noise(16, 16).astype(deep).tobytes()
        )
        file = BytesIO()
        heif.save(file, quality=40)
        files.append(file.getvalue())
    return files


def _pillows(picture: Image.Image, indexed: Image.Image) -> list[bytes]:
    metadata = full_metadata()
    exif = b"Exif\0\0" + exif_block(6, mark=">", thumbnail=b"\xff\xd8\xff\xd9")
    frames: dict[str, Any] = {
        "save_all": True,
        "append_images": [picture.rotate(90), picture.rotate(180)],
    }
    icc = metadata.icc
    return [
        saved(indexed, "GIF"),
        saved(indexed, "GIF", save_all=True, append_images=[indexed.rotate(90)], transparency=2),
        saved(indexed, "PNG", transparency=1),
        saved(picture, "PNG", **frames),
        saved(picture.convert("1"), "PNG"),
        saved(picture.convert("CMYK"), "JPEG"),
        saved(picture, "JPEG", progressive=True, exif=exif, icc_profile=icc, dpi=(72, 72)),
        saved(picture.convert("L"), "JPEG", restart_marker_blocks=1),
        saved(picture, "WEBP", lossless=True, exif=exif, icc_profile=icc),
        saved(picture, "WEBP", **frames),
        saved(picture, "AVIF", exif=exif, icc_profile=icc),
        saved(indexed, "BMP"),
        saved(picture.convert("1"), "BMP"),
        saved(picture, "JPEG2000"),
        saved(picture.convert("LA"), "JPEG2000", no_jp2=True),
        saved(indexed, "TGA"),
        saved(picture.convert("RGBA"), "TGA", compression="tga_rle"),
        saved(picture, "PPM"),
        b"P5 24 16 65535\n" + noise(16, 24, 1, 16).tobytes(),
        *((FILES / name).read_bytes() for name in ("p3.avif", "ultrahdr.jpg", "iptc.jpg")),
        saved(picture, "TIFF", save_all=True, append_images=[picture.rotate(90)]),
        Photo(pixels=quadrants(), metadata=TALKATIVE).encode("png"),
    ]


def _tiffs(picture: Image.Image) -> list[bytes]:
    files = [
        saved(picture, "TIFF", compression=compression)
        for compression in ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg")
    ]
    settings: tuple[dict[str, Any], ...] = (
        {"bigtiff": True},
        {"byteorder": ">"},
        {"tile": (16, 16), "compression": "zlib", "predictor": True},
        {"planarconfig": "separate", "photometric": "rgb"},
    )
    for setting in settings:
        file = BytesIO()
        deep = noise(32, 32, bits=16)
        pixels = deep.transpose(2, 0, 1) if "planarconfig" in setting else deep
        keywords: dict[str, Any] = {"photometric": "rgb"} | setting
        tifffile.imwrite(file, pixels, **keywords)
        files.append(file.getvalue())
    return files


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change bytes and numbers, mostly near the start; move, cut, repeat; mend PNG's checksums."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        reach = min(len(changed), chance.choice((64, 400, len(changed))))
        at = chance.randrange(reach)
        if chance.random() < 0.7:
            changed[at] = chance.choice((0, 255, changed[at] ^ 1 << chance.randrange(8),
                                         chance.randrange(256)))  # fmt: skip
        else:
            number = struct.pack(chance.choice("<>") + "I", chance.choice(NUMBERS))
            part = number[: chance.choice((2, 4))]
            changed[at : at + len(part)] = part
    if chance.random() < 0.15:
        start = chance.randrange(len(changed))
        piece = changed[start : start + chance.choice((4, 12, 64))]
        at = chance.randrange(len(changed))
        changed[at:at] = piece * chance.choice((1, 1, 8))
    if chance.random() < 0.25:
        del changed[chance.randrange(1, len(changed)) :]
    if data[1:4] == b"PNG" and chance.random() < 0.8:
        return _checked(bytes(changed))
    return bytes(changed)


def _checked(png: bytes) -> bytes:
    """Give every chunk the checksum that its content has now, so that damage goes deeper."""
    parts, at = [png[:PNG_START]], PNG_START
    while at + 12 <= len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(png):
            break
        parts += [png[at:end], struct.pack(">I", zlib.crc32(png[at + 4 : end]))]
        at = end + 4
    return b"".join([*parts, png[at:]])
