"""Tests of what is said about a photo, in JSON and in words."""

import json
from dataclasses import replace
from pathlib import Path

from restorecli import record
from restorecli.faces.restore import FaceRecord, FaceStatus
from restorecli.photo import Photo
from restorecli.record import Outcome
from tests.support.fake_restorer import FACE, FakeRestorer, picture

KEPT = FaceRecord(
    box=(0, 0, 4, 5), landmarks=FACE.landmarks, score=0.7, status=FaceStatus.TOO_SMALL
)
FIELDS = [
    *("source", "target", "status", "error", "page", "height", "width", "scale", "seconds"),
    *("stage_seconds", "device"),
    *("precision", "relit", "presence", "believed_tone", "peaks", "work_size", "faces", "notices"),
]


def restored(path: Path) -> Outcome:
    photo = Photo.read(picture(path))
    return record.restored("a/b.png", "c.png", photo, FakeRestorer().restore(photo))


def test_every_status_has_the_same_fields(tmp_path: Path) -> None:
    outcomes = [
        restored(tmp_path / "b.png"),
        record.failed("a", None, ValueError("no")),
        Outcome(source="a", target="b", status="skipped"),
    ]
    for outcome in outcomes:
        line = record.json_line(outcome)
        assert "\n" not in line
        assert list(json.loads(line)) == FIELDS


def test_a_face_in_json(tmp_path: Path) -> None:
    face = json.loads(record.json_line(restored(tmp_path / "b.png")))["faces"][0]
    assert face == {
        "box": [2.0, 3.0, 10.0, 14.0],
        "landmarks": [[4.0, 6.0], [8.0, 6.0], [6.0, 8.0], [4.0, 11.0], [8.0, 11.0]],
        "score": 0.875,
        "status": "restored",
        "prior": 0.25,
        "moved": 0.5,
    }


def test_names_survive_json() -> None:
    name = "사진 😀 \udcff.jpg"
    line = record.json_line(record.failed(name, None, ValueError("no")))
    assert line.isascii()
    assert json.loads(line)["source"] == name


def test_an_error_is_one_line_and_never_empty() -> None:
    assert record.failed("a", None, ValueError("two\n  lines")).error == "two lines"
    assert record.failed("a", None, MemoryError()).error == "MemoryError"


def test_sentences() -> None:
    outcome = Outcome(
        source="a.jpg",
        target="b.png",
        status="restored",
        height=10,
        width=20,
        scale=4,
        seconds=1.26,
        device="cuda:0",
        precision="bf16",
        relit=True,
        faces=(FACE, KEPT),
    )
    assert record.sentence(outcome) == (
        "a.jpg: 20×10 → 80×40; 1 of 2 faces restored; brightened; 1.3 s on cuda:0, bf16"
    )
    assert "tone" not in record.sentence(replace(outcome, believed_tone=0.4))
    assert "; its own tone kept; " in record.sentence(replace(outcome, believed_tone=0.0))
    assert record.face_lines(outcome.faces) == [
        "  face 0: 8×11 px at (2, 3), score 0.88: restored",
        "  face 1: 4×5 px at (0, 0), score 0.70: kept: too small",
    ]


def test_summary() -> None:
    line = record.summary_line({"restored": 2, "failed": 1}, 1.23456, left=4, ignored=3)
    counts = {"restored": 2, "failed": 1, "skipped": 0, "planned": 0, "left": 4, "ignored": 3}
    assert json.loads(line) == {"summary": counts | {"seconds": 1.235}}
