"""Padding and nonsense in an XMP packet: cut in time in proportion to their length.

With a square in it each of these would take minutes; the other laws of packets are tested through
photos, in `test_left_out.py` and `tests/photo/test_strip.py`.
"""

import pytest

from restorecli.photo.documents import xmp

LENGTH = 300_000  # bytes
HOSTILE = {
    "spaces": b" " * LENGTH,
    "spaces in a tag": b"<a:b" + b" " * LENGTH + b">",
    "letters": b"a" * LENGTH,
    "a long name": b" " + b"a" * LENGTH + b":b",
    "unclosed tags": b"<exif:GPSLatitude>" * (LENGTH // 18),
    "nearly an extension": b" a:HasExtendedXMP" * (LENGTH // 17),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_packet_without_promises_stays_however_long(kind: str) -> None:
    packet = b"<x:xmpmeta>" + HOSTILE[kind] + b"</x:xmpmeta>"
    assert xmp.without_promises(packet) == (packet, ())
    assert xmp.without_gps(packet) == packet
    assert xmp.extension_name(packet) is None
    assert xmp.without_extension(packet) == packet


def test_an_element_goes_with_what_is_in_it_and_the_next_one_too() -> None:
    packet = b"<a><e:GPSx><b>1</b></e:GPSx>2<e:GPSy/><e:GPSx z='1'>3</e:GPSx><e:GPSz>4</a>"
    assert xmp.without_gps(packet) == b"<a>2<e:GPSz>4</a>"


def test_an_extension_is_found_after_a_space_or_a_quote() -> None:
    name = b"0123456789ABCDEF" * 2
    for before in (b"<d ", b"<d x='1'", b"<d x='1'  "):
        packet = before + b"xmpNote:HasExtendedXMP='" + name + b"'/>"
        assert xmp.extension_name(packet) == name
        assert b"Extended" not in xmp.without_extension(packet)
