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


def test_a_mirrored_picture_gives_the_mirrored_answer(picture: torch.Tensor) -> None:
    look = GuidedDenoiser(TINY).eval()
    wake(look)
    with torch.inference_mode():
        there = look.flip_ensemble(picture, 1 - picture)
        back = look.flip_ensemble(picture.flip(3), (1 - picture).flip(3)).flip(3)
        once = look.look(picture, 1 - picture)
    assert float((there - back).abs().max()) < 1e-5
    assert float((there - once).abs().max()) > 1e-3
