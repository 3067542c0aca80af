"""Windows over a photo at several sizes, and what the findings lead to."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.inspection.peaks import Peak
from restorecli.inspection.presence import (
    FAINTEST,
    SUREST,
    Inspection,
    inspect,
)
from restorecli.inspection.windows import MOST_WINDOWS, windows
from restorecli.networks.inspector import Findings, Inspector, InspectorConfig
from tests.inspection.test_peaks import scenery, wave


class Second:
    """A second opinion that is told what to say, and keeps what it was asked about."""

    def __init__(
        self, *, pattern: float, noise: float = 0.0, spread: float = 1.0, faces: bool = False
    ) -> None:
        self._said = [torch.logit(torch.tensor([value])) for value in (pattern, noise)]
        self._spread, self._faces = spread, faces
        self.asked = list[Inspection]()

    def __call__(self, seen: Inspection) -> Findings:
        self.asked.append(seen)
        pattern, noise = self._said
        return Findings(pattern, noise, pattern)

    def spread(self) -> float:
        return self._spread

    def shows_faces(self) -> bool:
        return self._faces


def small_network(answer: float | None = None) -> Inspector:
    """An inspector as it begins; with an answer, as log-odds, to everything."""
    torch.manual_seed(0)
    network = Inspector(InspectorConfig(side=32, widths=(4, 4, 8, 8), spectral_widths=(4, 4, 8, 8)))
    if answer is not None:
        torch.nn.init.zeros_(network.decide[-1].weight)  # type: ignore[arg-type]
        torch.nn.init.constant_(network.decide[-1].bias, answer)  # type: ignore[arg-type]
    return network


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_any_photo_has_windows_and_they_cover_its_corners(height: int, width: int) -> None:
    image = torch.rand(1, 3, height, width)
    levels = windows(image, 32, 3)
    assert 1 <= len(levels) <= 3
    for level in levels:
        assert level.shape[0] == 1
        assert level.shape[2:] == (3, 32, 32)
        assert level.shape[1] <= MOST_WINDOWS**2
    assert torch.equal(levels[0][0, 0, :, 0, 0], image[0, :, 0, 0])
    if min(height, width) >= 32:
        assert torch.equal(levels[0][0, -1, :, -1, -1], image[0, :, -1, -1])
    for number, level in enumerate(levels[1:], 1):
        assert min(height, width) >= 32 * 2**number
        assert level.shape[2:] == (3, 32, 32)


@pytest.mark.parametrize("place", ["pattern", "noise"])
def test_presence_is_nothing_below_all_above_and_rises_between(place: str) -> None:
    def presence(value: float) -> float:
        values = {"pattern": 0.0, "noise": 0.0, place: value}
        return Inspection(printed=1.0, pattern=values["pattern"], noise=values["noise"]).presence

    assert presence(FAINTEST) == 0
    assert presence(SUREST) == 1
    values = [presence(step / 50) for step in range(51)]
    assert values == sorted(values)
    assert 0 < presence((FAINTEST + SUREST) / 2) < 1


@pytest.mark.parametrize(
    ("side", "first", "probability", "faces", "presence"),
    [
        (400, -9.0, None, True, 0.0),  # nothing is seen, and there was enough to see
        (400, 9.0, 0.3, False, 0.05 / 0.35),
        (96, 9.0, 0.3, False, 0.05 / 0.35),
        (96, -9.0, 0.3, True, 0.0),  # too little to see: asked, but must be surer
        (96, -9.0, 0.7, True, 0.5),
        (96, -9.0, 0.99, False, 0.0),  # may be a wall
    ],
)
def test_a_second_opinion_is_asked_for_where_something_is_seen_or_the_photo_is_small(
    side: int, first: float, probability: float | None, faces: bool, presence: float
) -> None:
    network = small_network(first)
    ramp = torch.linspace(0, 1, side).expand(1, 3, side, side)
    second = Second(pattern=probability or 0.0, noise=probability or 0.0, faces=faces)
    found = inspect(ramp, network, second_opinion=second)
    assert len(second.asked) == (probability is not None)
    assert found.presence == pytest.approx(presence, abs=1e-4)
    assert found.asked_again == (presence > 0)
    if second.asked:
        assert second.asked[0].pattern == pytest.approx(1 if first > 0 else 0, abs=1e-3)
    if found.asked_again:
        assert found.pattern == pytest.approx(probability)
        assert found.presence < replace(found, asked_again=False, alone=False).presence


@pytest.mark.parametrize("relit", [False, True])
def test_a_photo_that_is_flat_in_parts_needs_a_surer_network(relit: bool) -> None:
    """As a page on a screen; but light makes what is dark flat, whatever lay over it."""
    network = small_network()
    image = torch.rand(1, 3, 96, 96)
    image[..., :64] = 0.5
    found = inspect(image, network, relit=relit)
    assert found.flat is not relit
    likely = replace(found, pattern=0.5, noise=0.5, peaks=())
    assert likely.presence == (1 if relit else 0)
    assert likely.patterned is relit
    assert replace(likely, noise=0.99).presence == 1


def test_the_network_judges_any_photo_and_many_at_once() -> None:
    network = small_network()
    inspection = inspect(torch.rand(1, 3, 70, 133), network)
    assert 0 <= inspection.pattern <= 1
    assert 0 <= inspection.printed <= 1
    pair = torch.rand(2, 3, 80, 80)
    together = network(windows(pair, 32, 3)).pattern
    for one, answer in zip(pair, together, strict=True):
        alone = network(windows(one[None], 32, 3)).pattern
        torch.testing.assert_close(alone[0], answer, atol=1e-4, rtol=1e-4)


def test_what_the_spectra_share_is_seen_and_what_one_window_has_is_not() -> None:
    network = Inspector(InspectorConfig(side=32))
    wave = torch.sin(torch.arange(32) * 2 * torch.pi / 4).expand(1, 1, 3, 32, 32) * 0.3 + 0.5
    noise = torch.rand(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 0.2 + 0.4
    everywhere = network.consensus(torch.cat([noise + wave - 0.5] * 2, 1))
    somewhere = network.consensus(torch.cat([noise + wave - 0.5, noise], 1))
    least = slice(6, 9)  # the least contrast over windows
    row, column = 16, 8  # no vertical change, a period of four pixels
    assert everywhere[0, least, row, column].mean() > somewhere[0, least, row, column].mean() + 0.5


def test_a_side_that_does_not_halve_four_times_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        InspectorConfig(side=40)


def crossing(
    *, apart: float = 90, ratio: float = 1.0, angle: float = 45, second: float = 0.05
) -> Inspection:
    return Inspection(
        pattern=0.0,
        noise=0.0,
        printed=0.0,
        peaks=(
            Peak(period=4.0, angle=angle, strength=0.06),
            Peak(period=4.0 * ratio, angle=(angle + apart) % 180, strength=second),
        ),
    )


@pytest.mark.parametrize("angle", [20, 45, 70, 110, 135, 160])
def test_a_printers_screen_is_seen_by_its_waves_alone(angle: float) -> None:
    assert crossing(angle=angle).presence == 1
    assert crossing(angle=angle, apart=-86).presence == 1


@pytest.mark.parametrize(
    "other", [{"apart": 60}, {"ratio": 1.1}, {"angle": 2}, {"angle": 91}, {"second": 0.004}]
)
def test_other_waves_are_no_screen(other: dict[str, float]) -> None:
    assert crossing(**other).presence == 0


def single(**changes: float) -> Inspection:
    first = Peak(period=12.0, angle=40.0, strength=0.1, coverage=1.0, coherence=0.99)
    return Inspection(pattern=0.0, noise=0.0, printed=0.0, peaks=(replace(first, **changes),))


def test_one_oblique_wave_in_one_phase_over_the_whole_photo_is_a_pattern() -> None:
    assert single().presence == 1
    assert single().patterned


@pytest.mark.parametrize(
    "other",
    [{"angle": 2.0}, {"coherence": 0.8}, {"coverage": 0.6}, {"strength": 0.03}, {"period": 60.0}],
)
def test_cloth_lines_of_text_and_faint_waves_are_not(other: dict[str, float]) -> None:
    assert single(**other).presence == 0
    assert not single(**other).patterned


@pytest.mark.parametrize(
    ("changes", "steady"),
    [
        ({}, True),
        ({"coherence": 0.0}, True),  # the photo is too small for the period to tell
        ({"coherence": 0.85}, False),  # curved
        ({"coverage": 0.85}, False),  # something that is shown
    ],
)
def test_only_a_wave_in_one_phase_over_the_whole_photo_is_steady(
    changes: dict[str, float], steady: bool
) -> None:
    assert single(**changes).steady is steady
    assert not replace(single(**changes), peaks=()).steady


@pytest.mark.parametrize(
    ("changes", "presence"),
    [({}, 1.0), ({"strength": 0.014}, 0.5), ({"angle": 2.0}, 0.5), ({"coherence": 0.8}, 0.5)],
)
def test_a_fainter_wave_settles_a_doubt(changes: dict[str, float], presence: float) -> None:
    doubt = (FAINTEST + SUREST) / 2
    faint = single(**{"strength": 0.016, **changes})
    assert replace(faint, pattern=doubt).presence == pytest.approx(presence)
    assert faint.presence == 0


def test_combs_settle_it_but_for_small_and_flat_photos() -> None:
    network = small_network(-9.0)
    image = scenery(416, 416)
    assert inspect(image, network).presence == 0
    image[:, :, 1::2] = image.roll(40, 3)[:, :, 1::2]
    found = inspect(image, network)
    assert (found.combed, found.patterned, found.presence) == (True, True, 1.0)
    assert not inspect(image[..., :320], network).combed
    image[..., :64] = 0.5
    assert not inspect(image, network).combed


@pytest.mark.parametrize(
    ("width", "share", "partial"),
    [
        (0.45, 0.3, True),  # in a part, and taken away there only
        (0.45, 0.9, False),  # taken away everywhere
        (1.0, 0.3, False),  # lies over all of it
    ],
)
def test_what_lies_over_a_part_and_is_taken_away_there_only_stays(
    width: float, share: float, partial: bool
) -> None:
    network = small_network(9.0)
    image = scenery(480, 480)
    columns = round(480 * width)
    image[..., :columns] += 0.05 * wave(480, 480, 6.0, 0.0)[..., :columns]

    second = Second(pattern=0.999, noise=0.999, spread=share)
    found = inspect(image.clamp(0, 1), network, second_opinion=second)
    assert found.partial is partial
    assert found.patterned is not partial
    assert found.presence == (0 if partial else 1)
    assert bool(found.peaks) is not partial
    assert not inspect(image.clamp(0, 1), network).partial  # nobody looked at what is taken


@pytest.mark.parametrize(
    ("period", "first", "second", "restored"),
    [
        (8.0, -9.0, 0.9, True),  # too faint for the first, and the second agrees
        (8.0, -9.0, 0.4, False),  # as a crossword: the second must be surer where the first is not
        (8.0, 9.0, 0.01, True),  # two of three say so
        (40.0, -9.0, None, False),  # no screen is as coarse: nobody is asked
    ],
)
def test_a_screen_s_waves_count_where_one_of_the_networks_agrees(
    period: float, first: float, second: float | None, restored: bool
) -> None:
    network = small_network(first)
    screen = wave(480, 480, period, 30.0) + wave(480, 480, period, 120.0) - 1
    image = (scenery(480, 480) + 0.04 * screen).clamp(0, 1)
    other = Second(pattern=second or 0.0)
    found = inspect(image, network, second_opinion=other)
    assert len(other.asked) == (second is not None)
    assert inspect(image, network).waved is (period == 8.0)
    assert found.presence == (1 if restored else 0)
    assert found.patterned is restored
