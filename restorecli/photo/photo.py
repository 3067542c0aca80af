"""A photo: its pixels and everything that belongs to them, read from a file and written to one.

The formats are in `formats`, decoding in `decode`, encoding in `encode`. What a
photo means to the networks, float32 RGB in [0, 1], begins and ends here.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.errors import printable
from restorecli.options import RunOptions, SaveOptions
from restorecli.photo import capacity, decode, encode, files
from restorecli.photo.encode import Encoded
from restorecli.photo.files import Stored
from restorecli.photo.formats import READABLE, WRITABLE, ByteSource, Target
from restorecli.photo.metadata import Metadata
from restorecli.photo.rows import to_8_bits, to_16_bits

__all__ = ["READABLE", "WRITABLE", "Metadata", "Photo"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo:
    """An upright photo.

    A picture whose three channels are equal everywhere is grey, whatever its file said: so an old
    black-and-white scan cannot take on a tint.

    Attributes:
        pixels: (h, w, 3) RGB or (h, w) grey, uint8 or uint16, in the colour space that
            `metadata.icc` describes, sRGB if it is None.
        alpha: (h, w) of the same type, not premultiplied; None if the photo is opaque.
        metadata: What is kept beside the pixels.
        name: For messages, such as `photo.jpg` or `<stdin>`.
        notices: What reading could not keep, one sentence each.

    Raises:
        TypeError: Pixels or alpha are no array of uint8 or uint16, or not of the same type.
        ValueError: Their shapes are others, do not belong together, or hold no pixel.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    metadata: Metadata = field(default_factory=Metadata)
    name: str = "photo"
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse types and shapes that do not belong together."""
        kind = getattr(self.pixels, "dtype", type(self.pixels).__name__)
        if kind not in (np.uint8, np.uint16):
            raise TypeError(f"pixels of {kind}: must be an array of uint8 or uint16")
        shape = self.pixels.shape
        if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or 0 in shape:
            raise ValueError(f"pixels of shape {shape}: must be (h, w, 3), or (h, w) for grey")
        if self.alpha is None:
            return
        opacity = getattr(self.alpha, "dtype", type(self.alpha).__name__)
        if opacity != kind:
            raise TypeError(f"alpha of {opacity}: must be of the pixels' type, {kind}")
        if self.alpha.shape != shape[:2]:
            raise ValueError(f"alpha of shape {self.alpha.shape}: must be {shape[:2]}")

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.pixels.shape[1])

    @property
    def grey(self) -> bool:
        """It has one channel."""
        return self.pixels.ndim == 2

    @property
    def bits(self) -> int:
        """Bits a channel: 8 or 16, by the type of the file, never by the values in it."""
        return 8 * self.pixels.dtype.itemsize

    @classmethod
    def read(
        cls,
        source: Path | str | bytes | ByteSource | Stored,
        *,
        max_megapixels: float = RunOptions.max_megapixels,
        page: int | None = None,
        name: str | None = None,
    ) -> "Photo":
        """Read a photo, upright, with everything that belongs to it.

        Args:
            source: A path, the bytes of a file, an object in a store, or a binary stream, which is
                read to its end. The content decides the format, not the name.
            max_megapixels: More than this is refused by the size the file declares.
            page: Of a TIFF file, from 1 on; None is the first, and `notices` tell of others.
            name: For messages; by default the path's last part, or the stream's own name.

        Returns:
            The photo; of an animation the first frame, of a TIFF file the first page that is no
            thumbnail.

        Raises:
            PhotoReadError: It is missing, damaged, not a photo, or of a kind that is refused.
            PhotoTooLargeError: It has more pixels than the limit or than memory holds.
        """
        place = Path(source) if isinstance(source, str) else source
        file = place if isinstance(place, Path | Stored) else None
        subject = printable(name or (_stream_name(place) if file is None else str(file)))
        with files.opened(source, subject) as stream:
            decoded = decode.decode(stream, subject, max_megapixels, page)
        return cls(
            pixels=decoded.pixels,
            alpha=decoded.alpha,
            metadata=decoded.metadata,
            name=name or (subject if file is None else file.name),
            notices=decoded.notices,
        )

    @staticmethod
    def page_count(
        source: Path | str | bytes | ByteSource | Stored, *, name: str | None = None
    ) -> int:
        """Number of pages that `read` takes from a file, 1 of whatever is no TIFF file.

        Args:
            source: As of `read`; a stream is read to its end.
            name: As of `read`.

        Raises:
            PhotoReadError: As `read`, or there may be pages that cannot be read.
        """
        subject = printable(name or str(source if isinstance(source, Path | Stored) else "photo"))
        with files.opened(source, subject) as stream:
            return decode.page_count(stream, subject)

    def write(
        self,
        target: Path | str | Target | Stored,
        *,
        format: str | None = None,
        quality: int = SaveOptions.quality,
        overwrite: bool = False,
    ) -> tuple[str, ...]:
        """Write the photo; a file appears complete or not at all.

        Args:
            target: A path, an object in a store, or a binary stream.
            format: `"png"`, `"jpeg"`, `"webp"`, `"tiff"`, `"bmp"`, `"avif"` or `"heic"`; by default
                the target's suffix decides.
            quality: 1 to 100, for JPEG (always 4:4:4), WebP (100 is lossless), AVIF and HEIC.
            overwrite: An existing file may be replaced.

        Returns:
            What the format could not hold, one sentence each; see `losses`.

        Raises:
            PhotoWriteError: The format is unknown or cannot hold the picture, the target exists,
                or it cannot be written.
        """
        if isinstance(target, Path | str):
            path = Path(target)
            encoded = self.encoded(format or path.suffix, quality, str(path))
            files.replace_file(path, encoded.write, overwrite=overwrite)
        elif isinstance(target, Stored):
            encoded = self.encoded(format or target.suffix, quality)
            target.write_bytes(encoded.content(), overwrite=overwrite)
        else:
            subject = _stream_name(target)
            encoded = self.encoded(format or "", quality, subject)
            files.send(target, encoded.content(), subject)
        return encoded.losses

    def encode(self, format: str, quality: int = SaveOptions.quality) -> bytes:
        """The bytes of the file that `write` would make, with the same arguments and errors."""
        return self.encoded(format, quality).content()

    def losses(self, format: str) -> tuple[str, ...]:
        """Say what of this photo a format cannot hold, such as transparency in JPEG."""
        return self.encoded(format).losses

    def encoded(
        self, format: str, quality: int = SaveOptions.quality, name: str | None = None
    ) -> Encoded:
        """Make the photo ready for a file: what writes it, and what the format cannot hold.

        Args:
            format: Its name, or a suffix.
            quality: As for `write`.
            name: Subject of error messages; by default the photo's own.

        Raises:
            PhotoWriteError: The format is unknown, or there is no such quality.
        """
        return encode.encode(
            self.pixels,
            self.alpha,
            self.metadata,
            format=format,
            quality=quality,
            name=printable(name or self.name),
        )

    def refuse_scale(self, scale: float, format: str, name: str | None = None) -> None:
        """Refuse a format that cannot hold the photo enlarged, before there is anything to write.

        Args:
            scale: Size of the result over that of the photo.
            format: As of `encoded`.
            name: As of `encoded`.

        Raises:
            PhotoWriteError: The format is unknown, or its pictures have shorter sides.
        """
        subject = printable(name or self.name)
        known = encode.known_format(format, subject)
        capacity.refuse_size(
            *capacity.enlarged_size(self.height, self.width, scale), known, subject
        )

    def stripped(self, *, gps: bool = False, metadata: bool = False) -> "Photo":
        """The photo as it is given to strangers.

        Args:
            gps: Leave out where it was taken.
            metadata: Leave out everything but colour profile and resolution.
        """
        if metadata:
            return replace(self, metadata=self.metadata.for_strangers())
        return replace(self, metadata=self.metadata.without_gps()) if gps else self

    def colours(self) -> np.ndarray:
        """The pixels, with those that are wholly transparent filled from their neighbours.

        What stands under full transparency is arbitrary, mostly black; a filter or a network would
        smear it over the edge. Without transparency this is `pixels` itself.
        """
        if self.alpha is None or bool(self.alpha.all()):
            return self.pixels
        hidden = self.alpha == 0
        filled = _filled(self.pixels, ~hidden)
        return np.where(hidden if self.grey else hidden[..., None], filled, self.pixels)

    def image(self) -> Float[Tensor, "1 3 h w"]:
        """The photo as the networks see it: float32, [0, 1]; grey is repeated on three channels."""
        return _image(self.colours())

    @classmethod
    def from_image(cls, image: Float[Tensor, "1 3 h w"], name: str = "photo") -> "Photo":
        """A photo of three channels and 8 bits from an image in [0, 1]; other values are clipped.

        Nothing is checked: it is for what the steps hand on. `from_tensor` takes what others made.
        """
        return cls(pixels=_rounded(image, 255).astype(np.uint8), name=name)

    def to_tensor(self) -> Float[Tensor, "1 3 h w"]:
        """The pixels as a tensor, for a network of your own; `from_tensor` gives them back.

        `image` differs from it in what is wholly transparent: it fills that from the neighbours.

        Returns:
            float32 RGB on the CPU, each value divided by 255 or 65535 and so in [0, 1], in the
            photo's own colour space. Grey is repeated on three channels. Alpha, metadata and name
            are not in it.
        """
        return _image(self.pixels)

    @classmethod
    def from_tensor(
        cls, image: Tensor, *, bits: Literal[8, 16] = 8, name: str = "photo"
    ) -> "Photo":
        """A photo from a tensor: `Photo.from_tensor(p.to_tensor(), bits=p.bits)` has p's pixels.

        Args:
            image: float32 `(1, 3, h, w)`, RGB in [0, 1], on any device; values outside are clipped.
            bits: Of a channel, 8 or 16. Values are rounded to the nearest of 256 or 65,536 steps.
            name: For messages.

        Returns:
            An opaque photo without metadata, which readers take for sRGB; grey if its channels are
            equal everywhere. `dataclasses.replace(photo, metadata=other.metadata)` adds another's;
            `other.replaced(photo.pixels)` its alpha and grey as well.

        Raises:
            TypeError: It is no tensor.
            ValueError: It is of another shape or type, holds NaN, or `bits` is another number.
        """
        _check_tensor(image)
        if bits not in (8, 16):
            raise ValueError(f"bits {bits}: must be 8 or 16")
        pixels = _rounded(image, 2**bits - 1).astype(np.uint8 if bits == 8 else np.uint16)
        grey = bool((pixels == pixels[..., :1]).all())
        return cls(pixels=np.ascontiguousarray(pixels[..., 0]) if grey else pixels, name=name)

    def replaced(self, pixels: np.ndarray) -> "Photo":
        """The same photo with restored pixels.

        Args:
            pixels: (s·h, s·w, 3) RGB, rounded, uint8 or uint16, of any scale s.

        Returns:
            A photo with the metadata of this one, its alpha resized to fit, and grey again if this
            one is grey.

        Raises:
            ValueError: The sides are not in the proportion of this photo's.
        """
        height, width = pixels.shape[:2]
        if not capacity.is_enlarged_size(height, width, (self.height, self.width)):
            raise ValueError(f"{height} × {width} is no multiple of {self.height} × {self.width}")
        alpha = self.alpha
        if alpha is not None:
            alpha = to_8_bits(alpha) if pixels.dtype == np.uint8 else to_16_bits(alpha)
            if alpha.shape != (height, width):
                kind = cv2.INTER_CUBIC if height > self.height else cv2.INTER_AREA
                alpha = cv2.resize(alpha, (width, height), interpolation=kind)
        if self.grey:
            pixels = _mean_of_channels(pixels)
        return replace(self, pixels=pixels, alpha=alpha)


def _image(values: np.ndarray) -> Float[Tensor, "1 3 h w"]:
    """Divide (h, w, 3) or (h, w) by the type's greatest value, plane by plane."""
    most = np.float32(np.iinfo(values.dtype).max)
    image = torch.empty((1, 3, *values.shape[:2]))
    for channel in range(3):
        plane = values if values.ndim == 2 else values[..., channel]
        np.divide(plane, most, out=image[0, channel].numpy(), dtype=np.float32)
    return image


def _rounded(image: Float[Tensor, "1 3 h w"], most: int) -> np.ndarray:
    """Whole numbers from 0 to `most`, as a contiguous float array (h, w, 3)."""
    values = (image[0].detach().clamp(0, 1) * most).round().cpu()
    return np.ascontiguousarray(values.permute(1, 2, 0).numpy())


def _check_tensor(image: object) -> None:
    """Refuse what is no image in a sentence; see `Photo.from_tensor`."""
    if not isinstance(image, Tensor):
        raise TypeError(f"image of {type(image).__name__}: must be a tensor")
    shape = tuple(image.shape)
    if len(shape) != 4 or shape[:2] != (1, 3) or 0 in shape:
        raise ValueError(f"image of shape {shape}: must be (1, 3, height, width)")
    if image.dtype != torch.float32:
        raise ValueError(f"image of {image.dtype}: must be torch.float32, with values in [0, 1]")
    if bool(image.isnan().any()):
        raise ValueError("image holds NaN: each value must be a number")


def _stream_name(stream: object) -> str:
    name = getattr(stream, "name", None)
    return name if isinstance(name, str) else "<bytes>" if isinstance(stream, bytes) else "<stream>"


def _mean_of_channels(pixels: np.ndarray) -> np.ndarray:
    total = pixels[..., 0].astype(np.uint32)
    for channel in (1, 2):
        total += pixels[..., channel]
    mean: np.ndarray = (total + 1) // 3
    rounded: np.ndarray = mean.astype(pixels.dtype)
    return rounded


def _filled(pixels: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Give every pixel the mean colour of the visible ones near it, from coarse to fine."""
    weights = visible.astype(np.float32)
    colours = pixels.astype(np.float32) * (weights if pixels.ndim == 2 else weights[..., None])
    filled: np.ndarray = np.rint(_spread(colours, weights)).astype(pixels.dtype)
    return filled


def _spread(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Divide sums of colours by their weights; where those are 0, ask the picture half the size."""
    height, width = weights.shape
    known = weights > 0
    lifted = np.maximum(weights, np.finfo(np.float32).tiny)
    means: np.ndarray = colours / (lifted if colours.ndim == 2 else lifted[..., None])
    if bool(known.all()) or max(height, width) == 1:
        return means
    half = (max(1, width // 2), max(1, height // 2))
    coarse = _spread(
        cv2.resize(colours, half, interpolation=cv2.INTER_AREA),
        cv2.resize(weights, half, interpolation=cv2.INTER_AREA),
    )
    upward = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    filled: np.ndarray = np.where(known if colours.ndim == 2 else known[..., None], means, upward)
    return filled
