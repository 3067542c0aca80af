"""Colours that a file describes by numbers: nclx boxes, PNG's cICP, gAMA and cHRM.

What a profile can say becomes a profile, and the pixels stay as they are; the brightness of PQ and
HLG, which no profile of a photo can say, is brought to that of paper and common screens.
"""

import struct
from dataclasses import dataclass

import numpy as np

Curve = tuple[float, ...]  # ICC's parametric curve: a gamma, or g, a, b, c, d of its third type
Primaries = tuple[float, ...]  # x and y of white, red, green and blue

_D65 = (0.3127, 0.329)
_SRGB: Primaries = (*_D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_PRIMARIES: dict[int, Primaries] = {  # of ITU-T H.273, table 2
    1: _SRGB,
    4: (0.31, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*_D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
_SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_VIDEO_CURVE: Curve = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: dict[int, Curve] = {  # table 3; what is not known or not stated is taken for sRGB's
    **dict.fromkeys((1, 6, 14, 15), _VIDEO_CURVE),
    4: (2.2,),
    5: (2.8,),
    7: (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4.0, 0.0913),
    8: (1.0,),
    17: (2.6,),
}
PQ, HLG = 16, 18
_D50 = (0.9642, 1.0, 0.8249)  # white of the space that profiles convert to
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_PAPER = 203.0  # cd/m² of white in a picture with highlights above it (ITU-R BT.2408)
_KNEE = 0.8  # from this share of white on, highlights are pressed together
_BAND_PIXELS = 1 << 18


@dataclass(frozen=True)
class Colours:
    """What the values of a picture mean.

    Attributes:
        primaries: White, red, green and blue.
        curve: From a value to light.
        bright: `PQ` or `HLG` if it is one of those; then `curve` says nothing.
    """

    primaries: Primaries
    curve: Curve
    bright: int | None = None

    @property
    def profile(self) -> bytes | None:
        """An ICC profile that says the same; None for sRGB, which needs none."""
        alike = np.allclose(self.primaries, _SRGB, atol=0.002)
        if self.bright or (alike and self.curve == _SRGB_CURVE):
            return None
        return _profile(self.primaries, self.curve)


def from_codes(primaries: int, transfer: int) -> Colours:
    """What two code points of ITU-T H.273 mean."""
    bright = transfer if transfer in (PQ, HLG) else None
    return Colours(_PRIMARIES.get(primaries, _SRGB), _CURVES.get(transfer, _SRGB_CURVE), bright)


def from_gamma(gamma: float | None, primaries: Primaries | None) -> Colours:
    """What PNG's gAMA and cHRM mean; either may be missing.

    Args:
        gamma: As stored, 0.45455 for what looks like sRGB.
        primaries: x and y of white, red, green and blue.
    """
    usual = not gamma or abs(gamma - 1 / 2.2) < 0.005
    plausible = primaries if primaries and _invertible(primaries) else _SRGB
    return Colours(plausible, _SRGB_CURVE if usual or not gamma else (1 / gamma,))


def to_sdr(pixels: np.ndarray, colours: Colours) -> np.ndarray:
    """Bring a picture in PQ or HLG to sRGB, band by band.

    White as bright as paper becomes white; highlights above it are pressed into the last fifth.

    Args:
        pixels: (h, w, 3) or (h, w), uint8 or uint16.
        colours: Its `bright` is set.

    Returns:
        sRGB of the same shape and type.
    """
    most = np.iinfo(pixels.dtype).max
    light = (_pq_light if colours.bright == PQ else _hlg_light)(np.linspace(0, 1, most + 1))
    light = light.astype(np.float32)
    matrix = (np.linalg.inv(_to_xyz(_SRGB)) @ _to_xyz(colours.primaries)).astype(np.float32)
    result = np.empty_like(pixels)
    rows = max(1, _BAND_PIXELS // pixels.shape[1])
    for top in range(0, len(pixels), rows):
        band = light[pixels[top : top + rows]]
        if colours.bright == HLG:  # the display's own curve, for 1,000 cd/m²
            weights = _to_xyz(colours.primaries)[1].astype(np.float32)
            luminance = band if band.ndim == 2 else (band @ weights)[..., None]
            band *= np.maximum(luminance, 1e-6) ** np.float32(0.2)
        if band.ndim == 3:
            band = (band @ matrix.T).clip(0, None)
        band = _gentle(band, band if band.ndim == 2 else band.max(axis=2, keepdims=True))
        result[top : top + rows] = np.rint(_srgb_values(band) * most).astype(pixels.dtype)
    return result


def _gentle(light: np.ndarray, brightest: np.ndarray) -> np.ndarray:
    """Press what is brighter than `_KNEE` below 1, hue kept."""
    room = 1 - _KNEE
    over = np.maximum(brightest - _KNEE, 0)
    pressed = _KNEE + room * (1 - np.exp(-over / room))
    gentle: np.ndarray = light * np.where(over > 0, pressed / np.maximum(brightest, _KNEE), 1)
    return gentle


def _pq_light(values: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: values in [0, 1] to light, 1 for white paper."""
    powered = values ** (32 / 2523)
    above = np.maximum(powered - 0.8359375, 0)
    light: np.ndarray = (
        10000 / _PAPER * (above / (18.8515625 - 18.6875 * powered)) ** (16384 / 2610)
    )
    return light


def _hlg_light(values: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100's HLG: values in [0, 1] to light of the scene, scaled for the display."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene: np.ndarray = np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
    # With the display's curve of 1.2, 75 % become white paper: 1,000 cd/m² × 0.203.
    scene *= (1000 / _PAPER) ** (1 / 1.2)
    return scene


def _srgb_values(light: np.ndarray) -> np.ndarray:
    bounded = light.clip(0, 1)
    values: np.ndarray = np.where(
        bounded <= 0.0031308, 12.92 * bounded, 1.055 * bounded ** np.float32(1 / 2.4) - 0.055
    )
    return values


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _to_xyz(primaries: Primaries) -> np.ndarray:
    """Matrix from linear RGB to XYZ under the file's own white."""
    x, y = primaries[0::2], primaries[1::2]
    columns = np.stack([_xyz(x[index], y[index]) for index in (1, 2, 3)], axis=1)
    scales: np.ndarray = columns * np.linalg.solve(columns, _xyz(x[0], y[0]))
    return scales


def _invertible(primaries: Primaries) -> bool:
    if len(primaries) != 8 or not all(0 < value < 1 for value in primaries):
        return False
    matrix = np.array([[primaries[i], primaries[i + 1], 1] for i in (2, 4, 6)])
    return abs(float(np.linalg.det(matrix))) > 0.01


def _profile(primaries: Primaries, curve: Curve) -> bytes:
    """Write a matrix profile of ICC version 4."""
    white = _xyz(*primaries[:2])
    cones = (_BRADFORD @ np.array(_D50)) / (_BRADFORD @ white)
    adaptation = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD
    colorants = adaptation @ _to_xyz(primaries)
    kind = 3 if len(curve) == 5 else 0
    curves = b"para" + struct.pack(">IHH", 0, kind, 0) + _fixed(*curve)
    texts = {b"desc": "RGB as described by the source", b"cprt": "No copyright"}
    tags = {name: _text(text) for name, text in texts.items()}
    tags |= {b"wtpt": b"XYZ \0\0\0\0" + _fixed(*_D50)}
    tags |= {b"chad": b"sf32\0\0\0\0" + _fixed(*adaptation.ravel())}
    for index, letter in enumerate("rgb"):
        tags[f"{letter}XYZ".encode()] = b"XYZ \0\0\0\0" + _fixed(*colorants[:, index])
        tags[f"{letter}TRC".encode()] = curves
    return _assembled(tags)


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    """Header, table and data of a profile; equal data are stored once."""
    start, data = 132 + 12 * len(tags), b""
    places: dict[bytes, int] = {}
    table = struct.pack(">I", len(tags))
    for name, content in tags.items():
        if content not in places:
            places[content] = start + len(data)
            data += content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", places[content], len(content))
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"\0" * 4, 0x04400000, b"mntr",
                       b"RGB ", b"XYZ ")  # fmt: skip
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _fixed(*_D50)
    return head.ljust(128, b"\0") + table + data


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _text(text: str) -> bytes:
    words = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(words), 28) + words
