"""Surgery on EXIF blocks: one tag changes, everything else keeps its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.photo.documents import exif
from tests.support.photo_samples import exif_block, exif_tags

MARKS = pytest.mark.parametrize("mark", ["<", ">"])


@MARKS
@pytest.mark.parametrize("turn", range(1, 9))
def test_the_orientation_becomes_1_and_nothing_moves(mark: str, turn: int) -> None:
    block = exif_block(turn, mark=mark)
    assert exif.orientation(block) == turn
    changed = exif.upright_and_without_thumbnail(block)
    assert exif.orientation(changed) == 1
    assert len(changed) == len(block)
    assert exif_tags(changed) == exif_tags(block) | {"orientation": 1}


@MARKS
def test_a_thumbnail_of_the_old_picture_is_blanked_and_unlinked(mark: str) -> None:
    block = exif_block(6, mark=mark, thumbnail=b"\xff\xd8 the old picture")
    assert b"old picture" in block
    changed = exif.upright_and_without_thumbnail(block)
    assert b"old picture" not in changed
    assert len(changed) == len(block)
    assert exif.first_directory(changed).next_offset == 0
    assert exif_tags(changed)["gps"] == "N"


def test_a_thumbnail_directory_outside_the_block_is_only_unlinked() -> None:
    block = bytearray(exif_block())
    position = exif.first_directory(bytes(block)).next_position
    block[position : position + 4] = b"\xff\xff\0\0"
    assert exif.first_directory(exif.upright_and_without_thumbnail(bytes(block))).next_offset == 0


def test_no_orientation_and_nonsense() -> None:
    assert exif.orientation(exif_block(None)) is None
    assert exif.orientation(exif_block(9)) == 1


@MARKS
def test_the_stated_size_follows_the_picture(mark: str) -> None:
    block = exif_block(mark=mark)
    small = exif.sized(block, 300, 400)
    assert exif_tags(small) == exif_tags(block) | {"sides": (300, 400)}
    large = exif.sized(block, 70000, 80000)
    assert exif_tags(large)["sides"] == (70000, 80000)
    assert exif_tags(exif.sized(large, 5, 6))["sides"] == (5, 6)


@MARKS
def test_the_orientation_can_be_taken_out(mark: str) -> None:
    block = exif_block(6, mark=mark)
    without = exif.without_orientation(block)
    assert exif.orientation(without) is None
    assert exif_tags(without) == exif_tags(block) | {"orientation": None}
    assert exif.without_orientation(without) is without


@MARKS
def test_a_resolution_is_added_once(mark: str) -> None:
    block = exif_block(mark=mark)
    assert exif.resolution(block) is None
    stated = exif.with_resolution(block, (300.0, 299.5))
    assert exif.resolution(stated) == (300.0, 299.5)
    assert exif_tags(stated) == exif_tags(block)
    assert exif.with_resolution(stated, (72.0, 72.0)) is stated
    fresh = exif.with_resolution(None, (72.0, 72.0))
    assert exif.resolution(fresh) == (72.0, 72.0)


def test_centimetres_are_inches_in_disguise() -> None:
    block = exif.with_resolution(None, (100.0, 100.0))
    unit = b"\x28\x01\x03\x00\x01\x00\x00\x00"
    metric = block.replace(unit + b"\x02", unit + b"\x03")
    assert exif.resolution(metric) == pytest.approx((254.0, 254.0))
    unknown = block.replace(unit + b"\x02", unit + b"\x01")
    assert exif.resolution(unknown) is None


@pytest.mark.parametrize("mark", ["<", ">"])
def test_a_quarter_turn_swaps_what_is_said_of_the_sides(mark: str) -> None:
    block = exif.with_resolution(exif_block(6, mark=mark), (300.0, 600.0))
    turned = exif.turned_by_a_quarter(block)
    assert exif.resolution(turned) == (600.0, 300.0)
    assert exif.turned_by_a_quarter(turned) == block
    tags = [entry.tag for entry in exif.first_directory(turned).entries]
    assert tags == sorted(tags)
    entries = [entry for entry in exif.first_directory(block).entries if entry.tag != 0x011B]
    alone = exif.turned_by_a_quarter(exif.relocated(block, entries))
    assert 0x011B in [entry.tag for entry in exif.first_directory(alone).entries]
    assert exif.turned_by_a_quarter(exif_block(6, mark=mark)) == exif_block(6, mark=mark)


def test_marks_in_front_are_taken_off() -> None:
    block = exif_block()
    assert exif.strip_marker(b"Exif\0\0Exif\0\0" + block) == block


@settings(deadline=None)
@given(
    block=st.binary(max_size=60).map(lambda tail: b"II*\0" + tail) | st.binary(max_size=60),
)
def test_nonsense_is_a_value_error_or_harmless(block: bytes) -> None:
    for surgery in (
        exif.orientation,
        exif.upright_and_without_thumbnail,
        exif.resolution,
        exif.turned_by_a_quarter,
        exif.without_orientation,
        lambda given: exif.sized(given, 3, 4),
    ):
        try:
            surgery(block)
        except ValueError:
            continue
