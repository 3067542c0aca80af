"""Tests of what a batch finds, where it writes, and what it refuses."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.batch import plan
from restorecli.batch.remote_plan import MARK
from restorecli.errors import NothingToDoError, PhotoReadError, PhotoWriteError, PlanError
from restorecli.photo.formats import READABLE, WRITABLE


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def fill(name: str) -> None:
    touch(name)
    Path(name).write_bytes(b"a result")


def pairs(work: plan.Plan) -> dict[str, str]:
    return {str(task.source): str(task.target) for task in work.tasks}


def test_folder_keeps_its_tree_and_ignores_what_is_no_photo() -> None:
    touch("in/b.jpg", "in/a/한글 사진.png", "in/a/😀.JPG", "in/.DS_Store", "in/desktop.ini")
    touch("in/._b.jpg", "in/.git/c.jpg", "in/notes.txt", "in/old.gif")
    work = plan.make(["in"], Path("out"))
    assert pairs(work) == {
        "in/b.jpg": "out/b.jpg",
        "in/old.gif": "out/old.png",
        "in/a/한글 사진.png": "out/a/한글 사진.png",
        "in/a/😀.JPG": "out/a/😀.JPG",
    }
    assert work.ignored == 4
    assert work.skipped == ()


@pytest.mark.parametrize("ext", ["webp", ".webp", "WEBP"])
def test_ext_names_every_target(ext: str) -> None:
    touch("in/b.jpg", "in/c.old.png")
    work = plan.make(["in"], Path("out"), ext=ext)
    assert sorted(pairs(work).values()) == ["out/b.webp", "out/c.old.webp"]


def test_unwritable_ext_is_refused() -> None:
    touch("a.jpg")
    with pytest.raises(PlanError, match=r"--ext gif: cannot be written\. Use one of avif, "):
        plan.make(["a.jpg"], Path("out"), ext="gif")


def test_patterns_are_expanded_here_and_keep_the_tree_from_the_first_wildcard() -> None:
    touch("in/a/1.jpg", "in/a/2.txt", "in/b/1.jpg", "in/3.jpg")
    assert pairs(plan.make(["in/**/*.jpg"], Path("out"))) == {
        "in/a/1.jpg": "out/a/1.jpg",
        "in/b/1.jpg": "out/b/1.jpg",
        "in/3.jpg": "out/3.jpg",
    }
    assert pairs(plan.make(["in/[ab]"], Path("out"))) == {
        "in/a/1.jpg": "out/a/1.jpg",
        "in/b/1.jpg": "out/b/1.jpg",
    }


def test_existing_name_with_wildcards_means_itself() -> None:
    touch("in/a[1].jpg", "in/a1.jpg")
    assert pairs(plan.make(["in/a[1].jpg"], Path("out"))) == {"in/a[1].jpg": "out/a[1].jpg"}


def test_missing_photo_fails_later_but_a_missing_folder_is_refused() -> None:
    touch("a.jpg")
    assert len(plan.make(["a.jpg", "gone.jpg"], Path("out")).tasks) == 2
    with pytest.raises(PhotoReadError, match=r"^phtos: no such file or folder"):
        plan.make(["a.jpg", "phtos"], Path("out"))


@pytest.mark.parametrize(
    ("source", "fact"), [("in", "in: no photo among 1 files"), ("*.tif", r"\*\.tif: no file found")]
)
def test_nothing_found_is_an_error_of_its_own(source: str, fact: str) -> None:
    touch("in/notes.txt")
    with pytest.raises(NothingToDoError, match=rf"^{fact}\. Readable are apng, avif, "):
        plan.make([source], Path("out"))


def test_several_sources_without_a_photo_are_counted() -> None:
    touch("a.txt", "b.txt")
    with pytest.raises(NothingToDoError, match=r"^2 sources: no photo among 2 files"):
        plan.make(["a.txt", "b.txt"], Path("out"))


def test_a_photo_named_twice_is_done_once() -> None:
    touch("in/a.jpg", "in/b.jpg")
    assert pairs(plan.make(["in/b.jpg", "in", "in/*.jpg", "./in/../in/a.jpg"], Path("out"))) == {
        "in/b.jpg": "out/b.jpg",
        "in/a.jpg": "out/a.jpg",
    }


def test_photos_that_differ_in_their_kind_alone_keep_it_in_their_names() -> None:
    touch("in/anim.gif", "in/anim.png", "in/b.jpg", "in/c.gif")
    assert pairs(plan.make(["in"], Path("out"))) == {
        "in/anim.gif": "out/anim.gif.png",
        "in/anim.png": "out/anim.png",
        "in/b.jpg": "out/b.jpg",
        "in/c.gif": "out/c.png",
    }
    found = plan.make(["in/anim.gif", "in/anim.png", "in/b.jpg"], Path("out"), ext="webp")
    assert list(pairs(found).values()) == [
        "out/anim.gif.webp", "out/anim.png.webp", "out/b.webp",
    ]  # fmt: skip


def test_a_name_that_is_taken_all_the_same_is_refused() -> None:
    touch("in/a.gif", "in/a.png", "in/a.gif.png")
    expected = r"^in/a\.gif and in/a\.gif\.png would both become out/a\.gif\.png\. Rename one of"
    with pytest.raises(PlanError, match=expected):
        plan.make(["in"], Path("out"))
    touch("b/a.jpg", "b/a.png", "b/a.jpg.png")
    expected = r"^b/a\.jpg and b/a\.jpg\.png would both become out/a\.jpg\.png\. Rename one of them"
    with pytest.raises(PlanError, match=expected):
        plan.make(["b"], Path("out"), ext="png")


def test_same_names_from_two_folders_are_refused() -> None:
    touch("x/a.jpg", "y/a.jpg")
    with pytest.raises(PlanError, match=r"^x/a\.jpg and y/a\.jpg would both become out/a\.jpg"):
        plan.make(["x", "y"], Path("out"))


@pytest.mark.parametrize(("system", "same"), [("linux", False), ("darwin", True), ("win32", True)])
def test_letter_case_collides_where_it_does_on_disk(
    system: str, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch("x/A.jpg", "y/a.jpg")
    monkeypatch.setattr("restorecli.batch.plan.sys.platform", system)
    if same:
        with pytest.raises(PlanError, match="would both become"):
            plan.make(["x", "y"], Path("out"))
    else:
        assert len(plan.make(["x", "y"], Path("out")).tasks) == 2


def test_output_inside_the_source_is_no_source() -> None:
    touch("in/a.jpg", "in/out/old.jpg", "in/b/out/c.jpg", f"in/out/{MARK}")
    expected = {"in/a.jpg": "in/out/a.jpg", "in/b/out/c.jpg": "in/out/b/out/c.jpg"}
    assert pairs(plan.make(["in"], Path("in/out"))) == expected
    assert pairs(plan.make(["in/**/*.jpg"], Path("in/out"))) == expected


@pytest.mark.parametrize("old", ["in/out/old.jpg", "in/out/deep/er/old.tif"])
@pytest.mark.parametrize("source", ["in", "in/*", "in/**/*.jpg"])
def test_output_inside_the_source_that_may_hold_originals_is_refused(old: str, source: str) -> None:
    touch("in/a.jpg", old, "in/out/notes.txt")
    with pytest.raises(PlanError, match=rf"^in/out: lies in a folder of photos, and {old} may be"):
        plan.make([source], Path("in/out"), overwrite=True)
    Path(old).unlink()
    assert pairs(plan.make([source], Path("in/out"))) == {"in/a.jpg": "in/out/a.jpg"}


def test_a_link_among_the_results_that_leads_to_a_source_is_refused() -> None:
    touch("in/a.jpg", "in/b.jpg")
    Path("out").mkdir()
    Path("out/a.jpg").symlink_to(Path("in/b.jpg").resolve())
    with pytest.raises(PlanError, match=r"^out/a\.jpg: is a photo to restore"):
        plan.make(["in"], Path("out"), overwrite=True)
    Path("in/c.jpg").symlink_to(Path("elsewhere.jpg").resolve())  # a source by another name
    touch("elsewhere.jpg")
    Path("out/a.jpg").unlink()
    Path("out/a.jpg").symlink_to(Path("elsewhere.jpg").resolve())
    with pytest.raises(PlanError, match=r"^out/a\.jpg: is a photo to restore"):
        plan.make(["in"], Path("out"), overwrite=True)


def test_source_inside_the_output_is_a_source() -> None:
    touch("in/a.jpg")
    assert pairs(plan.make(["in"], Path())) == {"in/a.jpg": "a.jpg"}
    assert pairs(plan.make(["in/*"], Path())) == {"in/a.jpg": "a.jpg"}


def test_output_that_is_the_source_is_refused() -> None:
    touch("in/a.jpg", "in/b/a.jpg")
    with pytest.raises(PlanError, match=r"^in: is both source and output"):
        plan.make(["in"], Path("in"), overwrite=True)
    with pytest.raises(PlanError, match=r"^in/a\.jpg: is a photo to restore and the result of"):
        plan.make(["in/*.jpg"], Path("in"), overwrite=True)
    with pytest.raises(PlanError, match=r"^in/a\.jpg: is a photo .* the result of in/b/a\.jpg"):
        plan.make(["in/b/a.jpg", "in/a.jpg"], Path("in"), overwrite=True)


def test_output_that_is_a_file_is_refused() -> None:
    touch("in/a.jpg", "out")
    with pytest.raises(PlanError, match=r"^out: is a file\."):
        plan.make(["in"], Path("out"))


def test_existing_targets_are_refused_skipped_or_overwritten() -> None:
    touch("in/a.jpg", "in/b.jpg")
    fill("out/b.jpg")
    with pytest.raises(PhotoWriteError, match=r"^out/b\.jpg: exists already, .* 1 of 2 results"):
        plan.make(["in"], Path("out"))
    work = plan.make(["in"], Path("out"), skip_existing=True)
    assert pairs(work) == {"in/a.jpg": "out/a.jpg"}
    assert [str(task.source) for task in work.skipped] == ["in/b.jpg"]
    assert len(plan.make(["in"], Path("out"), overwrite=True).tasks) == 2
    with pytest.raises(PlanError, match="contradict each other"):
        plan.make(["in"], Path("out"), skip_existing=True, overwrite=True)


def test_loops_of_links_end(tmp_path: Path) -> None:
    touch("in/a/1.jpg")
    Path("in/a/loop").symlink_to(tmp_path / "in")
    Path("in/b").symlink_to(tmp_path / "in/a")
    assert pairs(plan.make(["in"], Path("out"))) == {"in/a/1.jpg": "out/a/1.jpg"}
    assert pairs(plan.make(["in/**/*.jpg"], Path("out"))) == {"in/a/1.jpg": "out/a/1.jpg"}


def test_linked_photo_is_a_photo(tmp_path: Path) -> None:
    touch("in/a.jpg")
    Path("in/b.jpg").symlink_to(tmp_path / "in/a.jpg")
    assert len(plan.make(["in"], Path("out")).tasks) == 2


def test_home_is_expanded_and_an_unknown_user_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("home/a.jpg")
    monkeypatch.setenv("HOME", str(Path("home").resolve()))
    monkeypatch.setenv("USERPROFILE", str(Path("home").resolve()))
    assert len(plan.make(["~/a.jpg", "~nobody-here.jpg"], Path("out")).tasks) == 2


def test_a_result_without_a_byte_is_no_result() -> None:
    touch("in/a.jpg", "in/b.jpg", "out/a.jpg")
    fill("out/b.jpg")
    found = plan.make(["in"], Path("out"), skip_existing=True)
    assert pairs(found) == {"in/a.jpg": "out/a.jpg"}
    with pytest.raises(PhotoWriteError, match=r"^out/a\.jpg: exists already, .* 2 of 2 results"):
        plan.make(["in"], Path("out"))


def test_results_beside_their_photos_are_no_sources_unless_they_are_named() -> None:
    touch("in/a.jpg", "in/a.restored.png", "in/b.restored.png")
    found = plan.make(["in"], Path("out"))
    assert list(pairs(found)) == ["in/a.jpg", "in/b.restored.png"]
    assert found.results == (Path("in/a.restored.png"),)
    assert list(pairs(plan.make(["in/*.png"], Path("out")))) == ["in/b.restored.png"]
    named = plan.make(["in", "in/a.restored.png"], Path("out"))
    assert "in/a.restored.png" in pairs(named)


def test_a_marked_folder_of_results_is_no_source_unless_it_is_named() -> None:
    touch("in/a.jpg", "in/old/a.jpg", "in/old/deep/b.jpg", f"in/old/{MARK}", "in/c/a.jpg")
    expected = ["in/a.jpg", "in/c/a.jpg"]
    for source in ("in", "in/**/*.jpg", "in/*"):
        found = plan.make([source], Path("out"))
        assert sorted(pairs(found)) == expected
        assert found.results == (Path("in/old"),)
    named = pairs(plan.make(["in/old"], Path("out")))
    assert sorted(named) == ["in/old/a.jpg", "in/old/deep/b.jpg"]
    assert sorted(pairs(plan.make(["in/old/*.jpg"], Path("out")))) == ["in/old/a.jpg"]


def test_whether_the_results_lie_among_the_photos_is_known() -> None:
    touch("in/a.jpg", "in/b/c.jpg")
    assert plan.make(["in"], Path("in/out")).within
    assert plan.make(["in/*/*.jpg"], Path("in/out")).within
    assert not plan.make(["in"], Path("out")).within
    assert not plan.make(["in/a.jpg"], Path("in/out")).within


def test_what_is_not_restored_is_kept_by_name() -> None:
    touch("in/a.jpg", "in/b.xyz", "in/IMG0001", "in/.hidden")
    found = plan.make(["in"], Path("out"))
    assert set(found.others) == {Path("in/b.xyz"), Path("in/IMG0001")}
    assert found.ignored == 3


@settings(max_examples=40, deadline=None)
@given(
    names=st.sets(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from(sorted(READABLE))),
        min_size=1,
    ),
    ext=st.none() | st.sampled_from(sorted(WRITABLE)),
)
def test_accepted_plans_have_as_many_targets_as_sources(
    names: set[tuple[str, str, str]], ext: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("tree")
    touch(*(str(root / "in" / folder / (stem + suffix)) for folder, stem, suffix in names))
    try:
        work = plan.make([str(root / "in")], root / "out", ext=ext)
    except PlanError:
        return
    targets = {str(task.target) for task in work.tasks}
    assert len(targets) == len({task.source for task in work.tasks}) == len(names)
    assert all(task.target.suffix in WRITABLE for task in work.tasks)
