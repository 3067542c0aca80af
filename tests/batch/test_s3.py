"""Batches from and to S3: the real client against a server on the loopback."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from restorecli.cli import main
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.pipeline import Restoration
from tests.support import s3_server
from tests.support.fake_restorer import FakeRestorer, picture
from tests.support.s3_server import SECRET, S3Server

IN, OUT = "s3://pictures/in", "s3://pictures/out"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server with three photos below `in/`, two of them equal to those in the folder `in`."""
    monkeypatch.chdir(tmp_path)
    with s3_server.running(monkeypatch) as running:
        for name in ("a.png", "deep/b c#1?.jpg"):
            running.put(f"in/{name}", picture(Path("in", name)).read_bytes())
        running.put("in/", b"")  # what consoles make for a folder
        running.put("in/notes.txt", b"no photo")
        yield running


@pytest.fixture
def restorer(monkeypatch: pytest.MonkeyPatch) -> FakeRestorer:
    return FakeRestorer().installed(monkeypatch)


def test_a_batch_from_s3_to_s3_gives_the_bytes_of_one_on_disk(
    server: S3Server, restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "in", "-o", "out", "--json", "--quiet"]) == 0
    on_disk = capsys.readouterr().out.splitlines()
    assert main(["batch", IN, "-o", OUT, "--json", "--quiet"]) == 0
    in_store, errors = capsys.readouterr()
    expected = {
        path.relative_to("out").as_posix(): path.read_bytes()
        for path in Path("out").rglob("*")
        if path.is_file()
    }
    assert set(expected) == {"a.png", "deep/b c#1?.jpg"}
    assert server.objects("out/") == expected
    for here, there in zip(on_disk[:-1], in_store.splitlines()[:-1], strict=True):
        record, other = json.loads(here), json.loads(there)
        assert other.pop("source") == f"s3://pictures/{record.pop('source')}"
        assert other.pop("target") == f"s3://pictures/{record.pop('target')}"
        assert other == record
    assert restorer.seen[2:] == restorer.seen[:2]
    assert SECRET not in in_store + errors


def test_a_stopped_run_goes_on_and_nothing_is_replaced_unasked(
    server: S3Server, restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.put("out/a.png", b"here already")
    assert main(["batch", IN, "-o", OUT]) == 1
    assert "s3://pictures/out/a.png: exists already" in capsys.readouterr().err
    assert main(["batch", IN, "-o", OUT, "--skip-existing"]) == 0
    assert capsys.readouterr().out == "1 restored, 0 failed, 1 skipped\n"
    assert server.objects("out/")["a.png"] == b"here already"
    assert main(["batch", IN, "-o", OUT, "--overwrite"]) == 0
    assert server.objects("out/")["a.png"] != b"here already"


def test_a_bad_object_and_a_missing_one_do_not_stop_the_rest(
    server: S3Server, restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.put("in/bad.jpg", b"no photo")
    assert main(["batch", IN, "s3://pictures/none.jpg", "-o", "out", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == "2 restored, 2 failed, 0 skipped\n"
    assert err.splitlines() == [
        "restore: s3://pictures/in/bad.jpg: not an image Pillow can read (not a photo of a known "
        "kind, 8 bytes). Try opening it in a viewer first.",
        "restore: s3://pictures/none.jpg: cannot be read (no such object or bucket).",
    ]


def test_a_target_taken_in_the_meantime_is_kept(
    server: S3Server,
    restorer: FakeRestorer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    compute = restorer.restore

    def meanwhile(photo: Photo, options: Options, **how: int) -> Restoration:
        server.put("out/a.png", b"another writer's")
        return compute(photo, options, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(restorer, "restore", meanwhile)
    assert main(["batch", f"{IN}/a.png", "-o", OUT, "--quiet"]) == 1
    assert "s3://pictures/out/a.png: exists." in capsys.readouterr().err
    assert server.objects("out/") == {"a.png": b"another writer's"}


def test_a_missing_bucket_is_one_line(
    server: S3Server, restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "in", "-o", "s3://elsewhere/out", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == "0 restored, 2 failed, 0 skipped\n"
    assert len(err.splitlines()) == 1  # it meets every photo
    assert "could not be written (no such object or bucket). No other photo is tried." in err


@pytest.mark.parametrize("output", [None, "s3://pictures/in/a.restored.png", "here.png"])
def test_one_photo(
    output: str | None,
    server: S3Server,
    restorer: FakeRestorer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [f"{IN}/a.png", "--quiet", *(["-o", output] if output else [])]
    assert main(words) == 0
    target = output or "s3://pictures/in/a.restored.png"
    assert capsys.readouterr() == (f"{target}\n", "")
    data = Path(target).read_bytes() if output == "here.png" else None
    data = data or server.objects("in/")["a.restored.png"]
    assert Image.open(BytesIO(data)).size == (24, 32)
    if output != "here.png":
        assert main(words) == 1
        assert capsys.readouterr().err.startswith(f"restore: {target}: exists already.")


def test_one_photo_is_not_its_own_target(
    server: S3Server, restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["in/a.png", "-o", "s3://pictures/a"]) == 2
    assert "cannot be written as a file without a suffix" in capsys.readouterr().err
    assert main([f"{IN}/a.png", "-o", f"{IN}/a.png", "--overwrite"]) == 2
    assert "is the photo itself" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["photo"], ["batch"], ["batch", "--json"], ["photo", "--json"]])
def test_credentials_in_a_url_are_refused_and_not_said(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("s3://key:sesame@b/a.jpg", "s3://key:ses/ame@b/a.jpg"):
        assert main([*words, place, "-o", "gs://key:sesame@out"]) in (1, 2)
        said = "".join(capsys.readouterr())
        assert "sesame" not in said
