"""The second look: at first it is the denoiser; seen both ways, left and right do not matter."""

import pytest
import torch

from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from restorecli.networks.guided_denoiser import GuidedDenoiser
from tests.networks.conftest import wake

TINY = DenoiserConfig(widths=(4, 8), encoder_blocks=(1, 1), decoder_blocks=(1,), gates=(4, 4))


@pytest.fixture
def picture() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, 24, 32)


def test_before_training_it_is_step_1(picture: torch.Tensor) -> None:
    torch.manual_seed(0)
    denoiser, look = Denoiser(TINY).eval(), GuidedDenoiser(TINY).eval()
    look.load_state_dict({**look.state_dict(), **denoiser.state_dict()})
    assert torch.equal(look.look(picture, 1 - picture), denoiser(picture)[0])
    torch.nn.init.normal_(look.hint.weight)
    assert not torch.equal(look.look(picture, 1 - picture), denoiser(picture)[0])


def test_the_later_look_is_at_what_the_first_gave_mirrored(picture: torch.Tensor) -> None:
    look = GuidedDenoiser(TINY).eval()
    wake(look)
    torch.nn.init.normal_(look.hint.weight)
    with torch.inference_mode():
        once = look.look(picture, 1 - picture)
        mirrored = look.look(picture.flip(3), once.clamp(0, 1).flip(3)).flip(3)
        twice = look.look_twice(picture, 1 - picture)
    torch.testing.assert_close(2 * twice - once, mirrored, atol=1e-4, rtol=1e-4)
    assert float((mirrored - once).abs().max()) > 1e-3


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_broken_at_the_first_look_can_be_seen_after_the_later(
    picture: torch.Tensor, broken: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = GuidedDenoiser(TINY).eval()
    first = picture.clone()
    first[0, 0, 3, 5] = broken
    answers = iter((first, picture))
    monkeypatch.setattr(look, "look", lambda *_: next(answers))
    assert not look.look_twice(picture, picture).isfinite().all()
