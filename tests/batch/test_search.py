"""Tests of what the words on a command line stand for: patterns, lists, folders that are shut."""

import io
import os
from pathlib import Path

import pytest

from restorecli.batch import plan
from restorecli.errors import PhotoReadError, PlanError
from tests.batch.test_plan import pairs, touch


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders called `locked` cannot be searched; forced, since permissions do not bind root."""
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("restorecli.batch.search.os.scandir", refuse)


@pytest.mark.usefixtures("locked")
def test_a_folder_that_cannot_be_searched_fails_alone() -> None:
    touch("in/a.jpg", "in/b/c.jpg", "in/b/locked/d.jpg", "in/locked/e.jpg")
    work = plan.make(["in", "in/b"], Path("out"))
    assert list(pairs(work)) == ["in/a.jpg", "in/b/c.jpg"]
    assert [(outcome.source, outcome.target, outcome.error) for outcome in work.failures] == [
        (name, None, f"{name}: cannot be searched (Permission denied). Check its permissions.")
        for name in ("in/b/locked", "in/locked")
    ]
    assert work.ignored == 0


@pytest.mark.usefixtures("locked")
def test_nothing_but_a_folder_that_cannot_be_searched_is_refused() -> None:
    touch("locked/a.jpg")
    with pytest.raises(PhotoReadError, match=r"^locked: cannot be searched \(Permission denied\)"):
        plan.make(["locked"], Path("out"))


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("in/**/*.jpg", ["in/a.jpg", "in/b/c.jpg", "in/b/locked/d.jpg", "in/locked/e.jpg"]),
        ("in/*/*.jpg", ["in/b/c.jpg", "in/locked/e.jpg"]),
        ("in/b/l*/*.jpg", ["in/b/locked/d.jpg"]),
        ("in/locked/*.jpg", ["in/locked/e.jpg"]),
        ("in/*/locked/*.jpg", ["in/b/locked/d.jpg"]),
        ("in/*.jpg", ["in/a.jpg"]),
        ("in/.h*/*/*.jpg", ["in/.hidden/locked/f.jpg"]),
    ],
)
def test_a_folder_that_a_pattern_cannot_search_fails_alone(pattern: str, found: list[str]) -> None:
    touch("in/a.jpg", "in/b/c.jpg", "in/b/locked/d.jpg", "in/locked/e.jpg")
    touch("in/.hidden/locked/f.jpg", "out/locked/g.jpg", "one.jpg")
    work = plan.make(["one.jpg", pattern], Path("out"))
    shut = [name for name in found if "locked" in name]
    assert list(pairs(work)) == ["one.jpg", *(name for name in found if name not in shut)]
    assert [outcome.error for outcome in work.failures] == [
        f"{Path(name).parent}: cannot be searched (Permission denied). Check its permissions."
        for name in shut
    ]


@pytest.mark.usefixtures("locked")
def test_a_folder_of_results_that_a_pattern_cannot_search_is_none_of_its_failures() -> None:
    touch("in/a.jpg", "in/out/locked/b.jpg", "in/old/locked/c.jpg", "in/old/.restore-results")
    assert plan.make(["in/**/*.jpg"], Path("in/out")).failures == ()


@pytest.mark.usefixtures("locked")
def test_nothing_but_a_folder_that_a_pattern_cannot_search_is_refused() -> None:
    touch("in/locked/a.jpg")
    with pytest.raises(PhotoReadError, match=r"^in/locked: cannot be searched \(Permission denied"):
        plan.make(["in/locked/*.jpg"], Path("out"))


def test_a_name_behind_a_wildcard_in_a_folder_that_cannot_be_entered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    touch("in/a/x.jpg", "in/locked/x.jpg")
    lstat = Path.lstat

    def refuse(path: Path) -> os.stat_result:
        if path.parent.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", refuse)
    work = plan.make(["in/*/x.jpg"], Path("out"))
    assert [outcome.source for outcome in work.failures] == ["in/locked"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")
def test_a_pipe_in_a_folder_is_not_waited_for() -> None:
    touch("in/a.png", "in/b.txt")
    os.mkfifo("in/z.png")
    work = plan.make(["in"], Path("out"))
    assert list(pairs(work)) == ["in/a.png"]
    assert work.ignored == 2


def test_a_missing_photo_of_a_folder_with_wildcards_in_its_name_is_missing() -> None:
    touch("d[1]/a.png")
    assert list(pairs(plan.make(["d[1]/b.png"], Path("out")))) == ["d[1]/b.png"]
    with pytest.raises(PhotoReadError, match="no such file"):
        plan.make(["d[1]/b"], Path("out"))


def test_a_folder_with_wildcards_in_its_name_means_itself_in_a_pattern_too() -> None:
    touch("d[1]/a.png", "d1/b.png", "d[1]/e[2]/c.png")
    assert pairs(plan.make(["d[1]/*.png"], Path("out"))) == {"d[1]/a.png": "out/a.png"}
    assert list(pairs(plan.make(["d[1]/e[2]/*.png"], Path("out")))) == ["d[1]/e[2]/c.png"]
    assert list(pairs(plan.make(["d[12]/*.png"], Path("out")))) == ["d1/b.png"]


class Input(io.TextIOWrapper):
    """Standard input over bytes in memory."""

    def __init__(self, content: bytes, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(content))
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize("content", [b"in\nc d.png\n", b"in\r\nc d.png", b"in\0c d.png\0"])
def test_a_list_on_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    touch("in/a.jpg", "c d.png")
    monkeypatch.setattr("sys.stdin", Input(content))
    found = pairs(plan.make(["-"], Path("out")))
    assert found == {"in/a.jpg": "out/a.jpg", "c d.png": "out/c d.png"}


def test_a_terminal_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Input(b"", terminal=True))
    with pytest.raises(PlanError, match=r"^<stdin>: is a terminal\. Pipe a list in"):
        plan.make(["-"], Path("out"))


def test_pattern_that_climbs_is_refused() -> None:
    touch("in/a/1.jpg")
    with pytest.raises(PlanError, match="leads out of the tree"):
        plan.make(["in/*/../*.jpg"], Path("out"))


def test_pattern_that_python_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("Invalid pattern")

    monkeypatch.setattr(Path, "glob", refuse)
    with pytest.raises(PlanError, match=r"in/a\*\*b: is no pattern \(Invalid pattern\)"):
        plan.make(["in/a**b"], Path("out"))


def test_pattern_finds_hidden_folders_only_if_it_says_so() -> None:
    touch("in/.cache/1.jpg", "in/a/1.jpg")
    assert list(pairs(plan.make(["in/*/*.jpg"], Path("out")))) == ["in/a/1.jpg"]
    assert list(pairs(plan.make(["in/.c*/*.jpg"], Path("out")))) == ["in/.cache/1.jpg"]


def test_list_is_read_a_source_a_line() -> None:
    touch("in/a.jpg", "two words.png", "@real.jpg")
    Path("list.txt").write_bytes("\ufeffin\r\n\r\ntwo words.png\n@real.jpg\n".encode())
    assert pairs(plan.make(["@list.txt"], Path("out"))) == {
        "in/a.jpg": "out/a.jpg",
        "two words.png": "out/two words.png",
        "@real.jpg": "out/@real.jpg",
    }
    assert pairs(plan.make(["./@real.jpg"], Path("out"))) == {"@real.jpg": "out/@real.jpg"}


def test_missing_list_is_refused() -> None:
    with pytest.raises(PhotoReadError, match=r"list\.txt: cannot be read as a list \(No such file"):
        plan.make(["@list.txt"], Path("out"))
    Path("list.txt").mkdir()
    with pytest.raises(PhotoReadError, match=r"list\.txt: cannot be read as a list \(Is a dir"):
        plan.make(["@list.txt"], Path("out"))
