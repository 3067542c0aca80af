"""Tests of what a URL stands for: by the same rules as a file."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restorecli.batch import plan
from restorecli.batch.remote import RemotePath, parse_place
from restorecli.batch.remote_plan import MARK, WILDCARDS
from restorecli.cli import main
from restorecli.errors import (
    NothingToDoError,
    PhotoReadError,
    PhotoWriteError,
    PlanError,
    RestoreError,
)
from tests.support.fake_restorer import FakeRestorer


@pytest.fixture(autouse=True)
def _empty_store() -> Iterator[None]:
    clear()
    yield
    clear()


def clear() -> None:
    client = fsspec.filesystem("memory")
    client.store.clear()
    client.pseudo_dirs[:] = [""]


def touch(*keys: str, content: bytes = b"a photo") -> None:
    for key in keys:
        fsspec.filesystem("memory").pipe_file(key, content)


def pairs(*sources: str, out: str = "memory://out", **how: bool) -> dict[str, str]:
    work = plan.make([f"memory://{source}" for source in sources], parse_place(out), **how)  # type: ignore[arg-type]
    return {
        str(task.source).removeprefix("memory://"): str(task.target).removeprefix("memory://")
        for task in work.tasks
    }


names = st.sampled_from(["a.jpg", "b.png", "c.gif", "d.txt", ".h.jpg", "é [1].tif"])
folders = st.sampled_from(["", "x/", "x/y/", "z/", ".g/", "x.d/"])
trees = st.sets(st.tuples(folders, names).map("".join), min_size=1, max_size=8)
sources = st.sampled_from(
    ["in", "in/x", "in/**/*.jpg", "in/*", "in/*/*.p?g", "in/[xz]", "in/**", "in/x/a.jpg", "in/.g"]
)


@settings(max_examples=60, deadline=None)
@given(tree=trees, source=sources)
def test_a_store_and_a_folder_give_the_same_plan(tree: set[str], source: str) -> None:
    clear()
    with TemporaryDirectory() as top:
        for name in tree:
            touch(f"top/in/{name}")
            path = Path(top, "in", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

        def planned(base: str) -> object:
            try:
                work = plan.make([f"{base}/{source}"], parse_place(f"{base}/out"))
            except RestoreError as refusal:
                return type(refusal)
            shown = [
                (str(task.source).removeprefix(base), str(task.target).removeprefix(base))
                for task in work.tasks
            ]
            if WILDCARDS & set(source):  # in another order, and hidden files are not counted
                return sorted(shown)
            return shown, work.ignored

        assert planned("memory://top") == planned(top)


def test_sources_may_be_on_either_side(tmp_path: Path) -> None:
    touch("in/deep/b.jpg")
    (tmp_path / "a.jpg").touch()
    work = plan.make([str(tmp_path), "memory://in"], parse_place("memory://out/"), ext="png")
    assert [str(task.target) for task in work.tasks] == [
        "memory://out/a.png",
        "memory://out/deep/b.png",
    ]


def test_a_list_may_lie_in_a_store(tmp_path: Path) -> None:
    touch("in/a.jpg", "in/deep/b.jpg")
    text = "memory://in/deep\nmemory://in/a.jpg\r\n\nmemory://in/missing.jpg\n"
    fsspec.filesystem("memory").pipe_file("list.txt", text.encode())
    work = plan.make(["@memory://list.txt"], tmp_path / "out")
    assert [str(task.source) for task in work.tasks] == [
        "memory://in/deep/b.jpg",
        "memory://in/a.jpg",
        "memory://in/missing.jpg",  # fails when it is read, as a file does
    ]
    assert work.tasks[0].target == tmp_path / "out" / "b.jpg"


def test_file_urls_are_paths(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").touch()
    for source in (f"file://{tmp_path}/in", f"file://{tmp_path}/in/*.jpg"):
        (task,) = plan.make([source], parse_place(f"file://{tmp_path}/out")).tasks
        assert (task.source, task.target) == (tmp_path / "in/a.jpg", tmp_path / "out/a.jpg")


def test_the_output_is_no_source() -> None:
    touch("in/a.jpg", "in/done/b.jpg", "in/donex/c.jpg")
    assert pairs("in", out="memory://in/done") == {
        "in/a.jpg": "in/done/a.jpg",
        "in/donex/c.jpg": "in/done/donex/c.jpg",
    }
    with pytest.raises(PlanError, match="memory://in: is both source and output"):
        pairs("in", out="memory://in/")


def test_a_target_that_is_a_source_is_refused() -> None:
    touch("in/a.jpg")
    with pytest.raises(PlanError, match="is a photo to restore and the result of"):
        pairs("in/*.jpg", out="memory://in")


def test_two_sources_with_one_target_are_refused() -> None:
    touch("in/a.jpg", "other/a.jpg")
    with pytest.raises(PlanError, match=r"would both become memory://out/a\.jpg"):
        pairs("in", "other")
    assert pairs("in", "in/a.jpg") == {"in/a.jpg": "out/a.jpg"}


def test_existing_targets_are_asked_about_and_counted() -> None:
    touch("in/a.jpg", "in/b.jpg", "out/a.jpg")
    with pytest.raises(PhotoWriteError, match=r"memory://out/a\.jpg: exists already, as do 1 of 2"):
        pairs("in")
    assert pairs("in", skip_existing=True) == {"in/b.jpg": "out/b.jpg"}
    assert len(pairs("in", overwrite=True)) == 2


def test_existing_targets_cost_one_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    touch(*(f"in/{index}.jpg" for index in range(50)), "out/7.jpg")
    listings: list[str] = []
    sizes_below = RemotePath.sizes_below

    def count(path: RemotePath) -> dict[str, int]:
        listings.append(str(path))
        return sizes_below(path)

    monkeypatch.setattr(RemotePath, "sizes_below", count)
    monkeypatch.setattr(RemotePath, "exists", None)
    assert len(pairs("in", skip_existing=True)) == 49
    assert listings == ["memory://in", "memory://out"]


@pytest.mark.parametrize(
    ("source", "fact"),
    [
        ("none", "memory://none: no such object, and nothing below it. Check the name."),
        ("buck*/a.jpg", "is no pattern. Name the bucket"),
        ("in/*/../a.jpg", "is no pattern. Name the bucket, and no '..'"),
        ("in/../a.jpg", "is no pattern"),
    ],
)
def test_what_is_no_source_is_refused(source: str, fact: str) -> None:
    touch("in/a.jpg")
    with pytest.raises(PhotoReadError if source == "none" else PlanError) as refusal:
        pairs(source)
    assert fact in str(refusal.value)


def test_nothing_that_fits_is_nothing_to_do() -> None:
    touch("in/a.txt")
    for source in ("in", "in/*.jpg", "in/a.txt"):
        with pytest.raises(NothingToDoError):
            pairs(source)


def test_an_existing_name_with_wildcards_means_itself() -> None:
    touch("in/a[1].jpg", "in/a1.jpg")
    assert pairs("in/a[1].jpg") == {"in/a[1].jpg": "out/a[1].jpg"}


@pytest.mark.parametrize("key", ["in/../../etc/a.jpg", "in//../a.jpg", "in/a\0.jpg"])
def test_names_that_lead_out_of_the_tree_are_refused(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RemotePath, "keys_below", lambda _: [key.removeprefix("in/")])
    with pytest.raises(PlanError, match="leads out of the tree"):
        plan.make(["memory://in"], tmp_path)


def test_a_name_that_looks_absolute_stays_below_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RemotePath, "keys_below", lambda _: ["/etc/a.jpg", "//b.jpg"])
    targets = [task.target for task in plan.make(["memory://in"], tmp_path).tasks]
    assert sorted(map(str, targets)) == [str(tmp_path / "b.jpg"), str(tmp_path / "etc/a.jpg")]


def test_an_object_without_a_byte_is_no_result() -> None:
    touch("in/a.jpg", "in/b.jpg", "out/a.jpg")
    touch("out/b.jpg", content=b"")
    assert pairs("in", skip_existing=True) == {"in/b.jpg": "out/b.jpg"}
    with pytest.raises(PhotoWriteError, match="exists already, as do 2 of 2"):
        pairs("in")


def test_results_of_an_earlier_run_are_no_sources_unless_they_are_named() -> None:
    touch("in/a.jpg", "in/a.restored.png", "in/old/a.jpg", f"in/old/{MARK}")
    for source in ("in", "in/**/*.*"):
        assert pairs(source) == {"in/a.jpg": "out/a.jpg"}
    assert pairs("in/old") == {"in/old/a.jpg": "out/a.jpg"}
    assert len(pairs("in/a.jpg", "in/a.restored.png")) == 2
    assert not plan.make(["memory://in/a.jpg"], parse_place("memory://in/out")).within


def test_a_part_of_a_pattern_may_be_the_very_name() -> None:
    touch("in/d[1]/a.jpg", "in/d2/b.jpg")
    assert pairs("in/d[1]/*.jpg") == {"in/d[1]/a.jpg": "out/d[1]/a.jpg"}


def test_results_among_photos_are_marked_and_empty_ones_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buffer = BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "png")
    touch("in/a.png", "in/b.png", content=buffer.getvalue())
    touch("in/out/a.png", content=b"")
    FakeRestorer().installed(monkeypatch)
    words = ["batch", "memory://in", "-o", "memory://in/out", "--skip-existing"]
    assert main(words) == 0
    assert pairs("in") == {"in/a.png": "out/a.png", "in/b.png": "out/b.png"}
    result = parse_place("memory://in/out/a.png")
    assert result.read_bytes()[:4] == b"\x89PNG"
