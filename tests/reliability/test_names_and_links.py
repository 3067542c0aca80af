"""Names at the file system's limit, links out of the tree and in loops, two batches at once."""

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from restorecli.cli import main
from tests.reliability.commands import LINUX, SMALL, photos, started, tree
from tests.support.fake_restorer import FakeRestorer, picture

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and names of Unix")


@pytest.fixture(autouse=True)
def restorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRestorer:
    """A restorer that computes nothing, and an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return FakeRestorer().installed(monkeypatch)


def longest_name(suffix: str, letter: str = "x") -> str:
    """A name of as many bytes as the file system takes."""
    room = os.pathconf(".", "PC_NAME_MAX") - len(suffix)
    wide = len(letter.encode())
    return letter * (room // wide) + "y" * (room % wide) + suffix


@pytest.mark.parametrize("letter", ["x", "é", "한", "😀"])
def test_a_name_at_the_limit_keeps_its_name(letter: str) -> None:
    name = longest_name(".png", letter)
    picture(Path("in") / name)
    assert main(["batch", "in", "-o", "out", *SMALL]) == 0
    assert list(tree(Path("out"))) == [name]
    assert main([f"in/{name}", "-o", f"out/{name}", "--overwrite", *SMALL]) == 0
    assert list(tree(Path("out"))) == [name]


def test_a_name_that_grows_past_the_limit_fails_alone(capsys: pytest.CaptureFixture[str]) -> None:
    name = longest_name(".png")
    picture(Path("in") / name)
    picture(Path("in/b.png"))
    assert main(["batch", "in", "-o", "out", "--ext", "webp"]) == 1
    output, messages = capsys.readouterr()
    assert list(tree(Path("out"))) == ["b.webp"]
    assert output == "1 restored, 1 failed, 0 skipped\n"
    assert messages.count("\n") == 1
    assert "file name too long" in messages
    assert main(["batch", "in", "-o", "out", "--ext", "webp", "--skip-existing"]) == 1


def test_a_name_that_grows_past_the_limit_is_refused_before_any_work(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    name = longest_name(".png")
    picture(Path(name))
    for words in ([name], [name, "-o", "x" * 300 + ".png"], ["x" * 300 + ".png"]):
        assert main(words) == 1
        message = capsys.readouterr().err
        assert message.startswith("restore: ")
        assert message.count("\n") == 1
        assert "file name too long" in message
    assert restorer.seen == []


@pytest.mark.parametrize(
    "words",
    [
        ["a.png", "--save-steps", "x" * 300],
        ["a.png", "--compare", "x" * 300 + ".png"],
        ["batch", "in", "-o", "x" * 300],
        ["batch", "x" * 300, "-o", "out"],
        ["degrade", "x" * 300, "-o", "out"],
        ["degrade", "in", "-o", "x" * 300],
        ["weights", "verify", "--folder", "x" * 300],
        ["weights", "import", "x" * 300, "-o", "out"],
        ["weights", "import", "a.png", "-o", "x" * 300],
    ],
)
def test_a_name_that_no_file_can_have_is_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    picture(Path("a.png"))
    picture(Path("in/a.png"), height=40, width=40)
    assert main(words) in (1, 2, 3)
    captured = capsys.readouterr()
    assert captured.err.startswith("restore: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


def test_links_that_lead_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    picture(Path("in/a.png"))
    Path("in/self.png").symlink_to("self.png")
    Path("in/one.png").symlink_to("two.png")
    Path("in/two.png").symlink_to("one.png")
    Path("in/gone.png").symlink_to("/nowhere/at/all.png")
    Path("in/up").symlink_to("..")
    assert main(["batch", "in", "-o", "out"]) == 1
    output, messages = capsys.readouterr()
    assert list(tree(Path("out"))) == ["a.png"]
    assert output == "1 restored, 4 failed, 0 skipped\n"
    lines = sorted(messages.splitlines())
    assert [line.split(":")[1].strip() for line in lines] == [
        "in/gone.png", "in/one.png", "in/self.png", "in/two.png",
    ]  # fmt: skip
    assert "no such file" in lines[0]
    assert all("too many levels of symbolic links" in line for line in lines[1:])
    assert main(["in/self.png", "-o", "b.png"]) == 1
    assert "too many levels" in capsys.readouterr().err


def test_links_out_of_the_tree_are_read_and_never_written_through() -> None:
    """What they point to is a source; its result has its place in the tree of the results."""
    outside = picture(Path("elsewhere/photo.png"))
    picture(Path("elsewhere/deep/more.png"))
    before = tree(Path("elsewhere"))
    Path("in").mkdir()
    Path("in/a.png").symlink_to(outside.resolve())
    Path("in/folder").symlink_to(Path("elsewhere/deep").resolve())
    assert main(["batch", "in", "-o", "out", "--scale", "1"]) == 0
    assert sorted(tree(Path("out"))) == ["a.png", "folder/more.png"]
    assert not any(path.is_symlink() for path in Path("out").rglob("*"))
    assert tree(Path("elsewhere")) == before


def test_targets_that_are_links(capsys: pytest.CaptureFixture[str]) -> None:
    """A link among the results is followed, as any program does, but replaces only if allowed."""
    picture(Path("in/a.png"))
    picture(Path("in/loop.png"))
    precious = Path("precious.png")
    precious.write_bytes(b"precious")
    Path("out").mkdir()
    Path("out/a.png").symlink_to(precious.resolve())
    Path("out/loop.png").symlink_to("loop.png")
    assert main(["batch", "in", "-o", "out"]) == 1
    assert "out/a.png: exists already" in capsys.readouterr().err
    assert precious.read_bytes() == b"precious"
    assert main(["batch", "in", "-o", "out", "--skip-existing"]) == 1
    assert capsys.readouterr().err.startswith("restore: out/loop.png: exists.")
    assert precious.read_bytes() == b"precious"
    assert sorted(os.listdir("out")) == ["a.png", "loop.png"]  # noqa: PTH208


@LINUX
def test_two_batches_into_one_target_at_once(tmp_path: Path) -> None:
    """Each photo is there once and whole; who comes second counts it as skipped."""
    photos(Path("in"), 24)
    words = ["batch", "in", "-o", "out", *SMALL, "--skip-existing", "--json", "--quiet"]
    runs = [started("tests.reliability.commands", words, cwd=tmp_path) for _ in range(2)]
    answers = [run.communicate() for run in runs]
    for run, (_, messages) in zip(runs, answers, strict=True):
        assert run.returncode == 0
        assert messages == ""
    restored = [output.count('"status": "restored"') for output, _ in answers]
    assert sum(restored) == 24
    skipped = [output.count('"status": "skipped"') for output, _ in answers]
    assert sum(skipped) == 24
    names = sorted(tree(Path("out")))
    assert len(names) == 24
    for name in names:
        with Image.open(Path("out") / name) as image:
            image.load()


@LINUX
def test_a_name_that_is_no_text_is_printed_as_a_path_that_exists(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    name = os.fsdecode(b"a\xff\x1b[1m.png")
    picture(Path("in/a.png")).rename(Path("in") / name)
    assert main([f"in/{name}", "-o", f"{name}.png"]) == 0
    output, messages = capfdbinary.readouterr()
    assert output == b"a\xff\x1b[1m.png.png\n"  # to a program
    assert messages.startswith(rb"$'in/a\xff\x1b[1m.png': ")  # to a person
    assert main(["batch", "in", "-o", "out", "--dry-run", "--quiet"]) == 0
    output, _ = capfdbinary.readouterr()
    assert output == "in/a\udcff\x1b[1m.png → out/a\udcff\x1b[1m.png\n".encode(
        "utf-8", "surrogateescape"
    )
    Path("in", name).write_bytes(b"no photo")
    assert main(["batch", "in", "-o", "out"]) == 1
    _, messages = capfdbinary.readouterr()
    assert messages.startswith(rb"restore: $'in/a\xff\x1b[1m.png': ")
