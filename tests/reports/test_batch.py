"""Tests of the report of a batch: what it holds, what it refuses, what it leaves on the disk."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from restorecli.batch.plan import Plan, Task
from restorecli.errors import PhotoWriteError, PlanError
from restorecli.faces.restore import FaceRecord, FaceStatus
from restorecli.options import Options, StageImage
from restorecli.photo import files
from restorecli.record import Outcome, Thumbnails
from restorecli.reports import batch, pages
from tests.support.fake_restorer import FACE

MANY = batch.INSIDE_BELOW
PICTURES = {StageImage.INPUT: b"first", StageImage.FINAL: b"last"}


def outcome(
    number: int,
    *,
    faces: tuple[FaceRecord, ...] = (),
    changed: float = 0.0,
    relit: bool = False,
) -> Outcome:
    pictures = {name: content + b"%d" % number for name, content in PICTURES.items()}
    return Outcome(
        source=f"in/{number}.png",
        target=f"out/{number}.png",
        status="restored",
        height=16,
        width=12,
        scale=2,
        seconds=0.5,
        device="cpu",
        precision="fp32",
        relit=relit,
        faces=faces,
        thumbnails=Thumbnails(pictures=pictures, changed=changed),
    )


def failed(number: int) -> Outcome:
    return Outcome(source=f"in/{number}.png", target=None, status="failed", error="no memory")


def work(count: int, skipped: int = 0) -> Plan:
    tasks = [
        Task(source=Path(f"in/{number}.png"), target=Path(f"out/{number}.png"))
        for number in range(count + skipped)
    ]
    return Plan(tasks=tuple(tasks[:count]), skipped=tuple(tasks[count:]))


def report(
    outcomes: list[Outcome],
    *,
    plan: Plan | None = None,
    options: Options | None = None,
    overwrite: bool = False,
) -> str:
    """The text of the page."""
    target = Path("report.html")
    plan = plan or work(len(outcomes))
    page = batch.BatchReport(target, plan, options or Options(), overwrite=overwrite)
    assert [given.thumbnails for given in page.gathered(outcomes)] == [None] * len(outcomes)
    page.write()
    return target.read_text("utf-8")


def names(folder: str = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def face(status: FaceStatus, moved: float = 0.0) -> FaceRecord:
    return FaceRecord(box=FACE.box, landmarks=FACE.landmarks, score=0.9, status=status, moved=moved)


def test_the_worst_come_first() -> None:
    text = report(
        [
            outcome(0, changed=0.1),
            outcome(1, changed=0.2, faces=(face(FaceStatus.NOT_CHOSEN),)),
            outcome(2, faces=(face(FaceStatus.RESTORED, 0.1), face(FaceStatus.RESTORED, 0.4))),
            outcome(3, faces=(face(FaceStatus.RESTORED, 0.3),)),
            outcome(4, faces=(face(FaceStatus.PROFILE), face(FaceStatus.RESTORED, 0.1))),
            failed(5),
        ]
    )
    order = re.findall(r"<(?:h3|dt)>in/(\d)\.png<", text)
    assert order == ["5", "4", "2", "3", "1", "0"]
    assert "no memory" in text
    assert "moved 102.0/255" in text


def test_it_says_what_was_done_and_why() -> None:
    words = {
        "light enough": (Options(), outcome(0)),
        "it was dark": (Options(), outcome(0, relit=True)),
        "Brightened: asked for": (Options(relight="on"), outcome(0, relit=True)),
        "Not brightened: not asked for": (Options(relight="off"), outcome(0)),
        "Not brightened: that step was left out": (Options(stages=("denoise",)), outcome(0)),
        "Faces were not looked for": (Options(stages=("denoise",)), outcome(0)),
        "No face was found": (Options(), outcome(0)),
        "1 of 2 faces restored": (
            Options(),
            outcome(0, faces=(face(FaceStatus.RESTORED), face(FaceStatus.TOO_SMALL))),
        ),
        "kept: too small": (Options(), outcome(0, faces=(face(FaceStatus.TOO_SMALL),))),
        "12 × 16 → 24 × 32 pixels in 0.5 s on cpu, fp32": (Options(), outcome(0)),
        "steps: none": (Options(stages=()), outcome(0)),
        "faces: largest; fidelity 0.25": (Options(faces="largest", fidelity=0.25), outcome(0)),
    }
    for sentence, (options, given) in words.items():
        assert sentence in report([given], options=options, overwrite=True)


def test_a_few_pictures_are_inside() -> None:
    text = report([outcome(number) for number in range(MANY - 1)])
    assert text.count(pages.data_uri(b"first0", "jpeg")) == 1
    assert names() == ["report.html"]


def test_many_pictures_are_beside_in_a_folder() -> None:
    text = report([outcome(number) for number in range(MANY)])
    assert "data:image" not in text
    addresses = re.findall(r'src="\./(report_files/thumbnail-[0-9a-f]{20}\.jpg)"', text)
    assert len(set(addresses)) == 2 * MANY
    assert {Path(path).read_bytes() for path in addresses} == {
        content + b"%d" % number for content in PICTURES.values() for number in range(MANY)
    }
    assert {path.name for path in Path("report_files").iterdir()} == {
        Path(path).name for path in addresses
    }
    assert text.count('loading="lazy"') == 2 * MANY


def test_equal_batches_give_equal_pages() -> None:
    many = [outcome(number) for number in range(MANY)]
    assert report(many) == report(many[::-1], overwrite=True)


def test_a_page_is_replaced_with_its_pictures_and_nothing_else() -> None:
    report([outcome(number) for number in range(MANY)])
    Path("report_files/mine.jpg").touch()
    page = batch.BatchReport(Path("report.html"), work(MANY), Options(), overwrite=True)
    list(page.gathered([outcome(7)]))
    page.write()
    assert len(names("report_files")) == 2 + 1
    report([outcome(3)], overwrite=True)
    assert names("report_files") == ["mine.jpg"]
    Path("report_files/mine.jpg").unlink()
    report([outcome(3)], overwrite=True)
    assert not Path("report_files").exists()


@pytest.mark.parametrize("count", [1, MANY])
def test_what_others_put_into_the_folder_stays(count: int) -> None:
    Path("report_files").mkdir()
    mine = ["thumbnail-1.jpg", "thumbnail-small.jpg", f"thumbnail-{'g' * 20}.jpg"]
    for name in mine:
        Path("report_files", name).touch()
    report([outcome(number) for number in range(count)], overwrite=True)
    assert set(mine) <= set(names("report_files"))


def test_what_is_not_there_is_said() -> None:
    text = report([outcome(0)], plan=work(3, skipped=2))
    assert "The batch was stopped: 2 photos are not on this page" in text
    assert "2 photos whose result was there already" in text
    assert "<li>in/4.png" in text
    assert "stopped" not in report([], plan=work(0, skipped=1), overwrite=True)


def test_names_are_no_markup_and_links_no_scripts() -> None:
    name = 'javascript:"><script>x</script>\udcff?#.png'
    given = Outcome(source=name, target=f"s3://bucket/{name}", status="restored", height=1,
                    width=1, scale=1, seconds=1, thumbnails=outcome(0).thumbnails)  # fmt: skip
    text = report([given])
    assert "<script>x" not in text
    assert re.findall(r'href="([^"]+)"', text) == [
        "./javascript%3A%22%3E%3Cscript%3Ex%3C/script%3E%FF%3F%23.png"
    ]


def test_a_photo_on_another_drive_has_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    monkeypatch.setattr(os.path, "relpath", refuse)
    assert "href" not in report([outcome(0)])


@pytest.mark.parametrize("name", ["report.png", "report", "folder.html", "there/report.html"])
def test_targets_that_cannot_be(name: str) -> None:
    Path("folder.html").mkdir()
    with pytest.raises((PlanError, PhotoWriteError)) as refusal:
        batch.BatchReport(Path(name), work(1), Options(), overwrite=True)
    assert str(refusal.value).startswith(f"{name}: ")


def test_an_existing_page_is_not_replaced_unasked() -> None:
    Path("report.html").write_text("mine")
    with pytest.raises(PhotoWriteError, match="exists"):
        batch.BatchReport(Path("report.html"), work(1), Options(), overwrite=False)


@pytest.mark.parametrize("paths", [("report_files/a.png", "out/a.png"), ("a.png", "in/b/a.png")])
def test_pictures_are_not_mixed_with_photos(paths: tuple[str, str]) -> None:
    """The folder may go by another name."""
    Path("in").mkdir()
    Path("linked_files").symlink_to("in")
    task = Task(source=Path(paths[0]), target=Path(paths[1]))
    target = Path("report.html" if "report_files" in paths[0] else "linked.html")
    for plan in (
        Plan(tasks=(task,)),
        Plan(tasks=(task,) * MANY),
        Plan(tasks=work(MANY).tasks[:1] * MANY, skipped=(task,)),
    ):
        with pytest.raises(PlanError, match="would hold the report's pictures"):
            batch.BatchReport(target, plan, Options(), overwrite=False)


def test_a_file_in_the_place_of_the_folder() -> None:
    Path("report_files").touch()
    with pytest.raises(PlanError, match="report_files: is a file"):
        batch.BatchReport(Path("report.html"), work(MANY), Options(), overwrite=False)
    report([outcome(1)])


def test_a_picture_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = files.replace_file

    def full(target: Path, *rest: object, **given: object) -> None:
        if target.suffix == ".jpg":
            raise PhotoWriteError(f"{target.name}: no space left")
        real(target, *rest, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "replace_file", full)
    page = batch.BatchReport(Path("report.html"), work(MANY), Options(), overwrite=False)
    assert len(list(page.gathered(outcome(number) for number in range(3)))) == 3
    with pytest.raises(PhotoWriteError, match="no space left"):
        page.write()
    text = Path("report.html").read_text("utf-8")
    assert text.count("<h3>") == 3
    assert "<img" not in text


def test_a_stopped_batch_leaves_a_page_of_what_was_done() -> None:
    def interrupted() -> Iterator[Outcome]:
        yield outcome(0)
        raise KeyboardInterrupt

    page = batch.open_report(Path("report.html"), work(2), Options(), overwrite=False)
    with (
        pytest.raises(KeyboardInterrupt),
        batch.following(interrupted(), page) as followed,
    ):
        list(followed)
    assert "1 photos are not on this page" in Path("report.html").read_text("utf-8")


def test_no_report_no_page() -> None:
    page = batch.open_report(None, work(1), Options(), overwrite=False)
    outcomes = iter([outcome(0)])
    with batch.following(outcomes, page) as followed:
        assert followed is outcomes
    assert names() == []


def test_numbers_in_names_count() -> None:
    names = ["photo_10.png", "photo_2.png", "photo_1.png", "photo_²1.png", "photo.png"]
    assert sorted(names, key=batch.natural)[1:4] == names[2::-1]
    plan = work(0, skipped=12)
    text = report([], plan=plan)
    places = [text.index(f"<li>in/{number}.png:") for number in range(12)]
    assert places == sorted(places)


def test_a_photo_that_was_skipped_meanwhile_is_listed() -> None:
    text = report([Outcome(source="in/0.png", target="out/0.png", status="skipped")])
    assert "<li>in/0.png:" in text
    assert "<b>1</b> skipped" in text
    assert "was stopped" not in text


def test_pictures_are_described_with_the_name_of_their_photo() -> None:
    text = report([outcome(3)])
    assert 'alt="in/3.png after restoration"' in text
    assert 'alt="in/3.png before restoration"' in text
    assert 'aria-label="How much of in/3.png is shown as it was before"' in text
