"""Bombs: refused, or read for the small picture that they are, in little time and memory."""

import json

import pytest

from tests.reliability.commands import completed

SMALL = "48×32"
ENDS = {
    "vast_png": "60000 × 60000 pixels are 3,600 megapixels, the limit is 400.",
    "swollen_png": SMALL,
    "profile_png": "damaged PNG file",
    "text_png": "damaged PNG file",
    "profile_jpeg": SMALL,
    "profile_webp": "damaged WebP file",
    "lying_tiff": "truncated at 5 KB",
    "vast_tiff": "4294967295 × 4294967295 pixels are",
    "profile_tiff": SMALL,
    "many_framed_gif": SMALL,
    "vast_gif": "65535 × 65535 pixels are",
    "many_framed_png": SMALL,
    "nested_heic": "damaged HEIC file",
}
MEGABYTES = 64


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """How each bomb ended, read in one process of its own."""
    folder = tmp_path_factory.mktemp("bombs")
    run = completed("tests.reliability.bombs", [str(folder)], cwd=folder)
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return {line["name"]: line for line in lines}


def test_every_bomb_is_tried(answers: dict[str, dict[str, object]]) -> None:
    assert answers.keys() == ENDS.keys()


@pytest.mark.parametrize(("name", "end"), ENDS.items())
def test_a_bomb_does_not_go_off(name: str, end: str, answers: dict[str, dict[str, object]]) -> None:
    answer = answers[name]
    assert end in str(answer["end"])
    assert "\n" not in str(answer["end"])
    assert int(str(answer["megabytes"])) < MEGABYTES
