"""Fonts found on the machine, the scripts they can write, and words invented for them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
SUFFIXES = {".ttf", ".otf", ".ttc"}
SYSTEM_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/share/texmf/fonts"), Path("/Library/Fonts"))
UNREADABLE = ("symbol", "math", "dingbat", "icon", "music", "emoji", "keyboard", "bitmap",
              "hairline", "initials", "terminus", "blank", "d050000l")  # fmt: skip
MONOSPACED = ("mono", "firacode", "courier", "typewriter", "hack", "inconsolata", "terminal")
HELD_OUT_OF = 8  # one family in so many is kept for measuring
SCRIPTS = {
    "latin": "",  # written with syllables, below
    "greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюя",
    "hangul": "가나다라마바사아자차카타파하거너더러머버서어저처고노도로모보소오조초의을은는이",
    "hebrew": "אבגדהוזחטילמנסעפצקרשת",
    "armenian": "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
    "georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    "thai": "กขคงจฉชซญดตถทธนบปผพฟภมยรลวศสหอฮ",
    "devanagari": "अआइईउएओकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह",
    "kana": "あいうえおかきくけこさしすせそたちつてとなにのはひふまみむめもやゆよらりるれろわをん",
}
ONSETS = ("b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st",
          "tr", "pl", "br", "ch", "sh", "th", "qu", "gr", "cl", "str", "fr", "pr")  # fmt: skip
VOWELS = ("a", "e", "i", "o", "u", "e", "a", "i", "o", "ea", "ou", "ai", "io", "ee")
CODAS = ("n", "r", "s", "t", "l", "m", "nd", "st", "ng", "ck", "rt", "x", "p", "d", *[""] * 14)


@dataclass(frozen=True)
class Face:
    """One font file, or Pillow's own font where `path` is None."""

    path: str | None

    def at(self, size: float) -> Font:
        """The font at a size in px."""
        return _open(self.path, max(4, round(size)))

    def writes(self, script: str) -> bool:
        """Whether it has glyphs for a script."""
        letters = SCRIPTS[script] or "aegt"
        return _writes(self.path, letters[0] + letters[len(letters) // 2] + letters[-1])


@dataclass(frozen=True)
class Fonts:
    """The faces to write with.

    Attributes:
        faces: All of them.
        monospaced: Those for code; all of them if there is none.
    """

    faces: tuple[Face, ...]
    monospaced: tuple[Face, ...]

    @classmethod
    def find(
        cls, folders: Iterable[Path] = SYSTEM_FOLDERS, *, held_out: bool | None = False
    ) -> "Fonts":
        """Find the TrueType and OpenType fonts below some folders.

        Args:
            folders: Those that do not exist are passed over.
            held_out: Take the families for drawing (False), for measuring (True) or both (None).
        """
        paths = sorted(
            path
            for folder in folders
            for path in (folder.rglob("*") if folder.is_dir() else ())
            if path.suffix.lower() in SUFFIXES
            and not any(word in path.name.lower() for word in UNREADABLE)
            and held_out in (None, _is_held_out(path))
        )
        by_name = {path.name: Face(str(path)) for path in paths}  # one of files installed twice
        faces = tuple(face for face in by_name.values() if any(face.writes(s) for s in SCRIPTS))
        faces = faces or (Face(None),)
        even = tuple(
            f for f in faces if any(word in Path(str(f.path)).name.lower() for word in MONOSPACED)
        )
        return cls(faces, tuple(f for f in even if f.writes("latin")) or faces)

    def choose(self, rng: np.random.Generator, *, monospaced: bool = False) -> tuple[Face, str]:
        """A face, and a script that it writes; mostly Latin."""
        faces = self.monospaced if monospaced else self.faces
        for _ in range(8):
            face = faces[int(rng.integers(len(faces)))]
            scripts = [script for script in SCRIPTS if face.writes(script)]
            if "latin" in scripts and (monospaced or rng.random() < 0.8):
                return face, "latin"
            if scripts and rng.random() < 0.35:
                return face, scripts[int(rng.integers(len(scripts)))]
        return face, "latin"


def word(rng: np.random.Generator, script: str = "latin") -> str:
    """An invented word, a number now and then."""
    if rng.random() < 0.04:
        return str(rng.integers(1, 3000))
    if letters := SCRIPTS[script]:
        length = 1 + int(rng.poisson(1.5 if script in ("hangul", "kana") else 4.5))
        return "".join(letters[int(n)] for n in rng.integers(0, len(letters), length))
    parts = []
    for _ in range(1 + min(3, int(rng.poisson(1.1)))):
        for table in (ONSETS, VOWELS, CODAS):
            parts.append(table[int(rng.integers(len(table)))])
    if rng.random() < 0.25:
        return "".join(parts[1:3]) or "a"
    return "".join(parts)


def words(rng: np.random.Generator, count: int, script: str = "latin") -> list[str]:
    """A paragraph of words with capitals, commas and full stops."""
    result, begin = [], True
    for _ in range(count):
        one = word(rng, script)
        one = one.capitalize() if begin or rng.random() < 0.04 else one
        mark = rng.random()
        begin = mark < 0.09
        result.append(one + ("." if begin else "," if mark < 0.17 else ""))
    return result


def phrase(rng: np.random.Generator, count: int, script: str = "latin") -> str:
    """A few words in a row, the first with a capital."""
    return " ".join(word(rng, script) for _ in range(count)).capitalize()


def _is_held_out(path: Path) -> bool:
    family = path.stem.split("-")[0].lower()[:9]
    return hashlib.sha256(family.encode()).digest()[0] % HELD_OUT_OF == 0


@lru_cache(512)
def _open(path: str | None, size: int) -> Font:
    if path is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(8192)
def _writes(path: str | None, letters: str) -> bool:
    try:
        font = _open(path, 24)
    except OSError:
        return False
    missing = bytes(font.getmask("\uffff"))
    shapes = [bytes(font.getmask(letter)) for letter in letters]
    return all(any(shape) and shape != missing for shape in shapes) and len(set(shapes)) > 1
