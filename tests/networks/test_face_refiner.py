"""The face refiner: each crop for itself, and sizes that make sense."""

import pytest
import torch

from restorecli.networks.face_refiner import FaceRefiner, FaceRefinerConfig

CONFIG = FaceRefinerConfig(size=32, widths=(4, 4, 4, 8), summary=8)


def test_the_network_answers_for_each_crop_alone() -> None:
    torch.manual_seed(0)
    network = FaceRefiner(CONFIG).eval()
    crops = torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        together, alone = network(crops), network(crops[1:2])
    assert [part.shape for part in together] == [(3,), (3, 4), (3, 5, 2)]
    for whole, one in zip(together, alone, strict=True):
        assert torch.allclose(whole[1:2], one, atol=1e-5)


def test_exposure_and_contrast_make_no_difference() -> None:
    torch.manual_seed(0)
    network = FaceRefiner(CONFIG).eval()
    crops = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        light, dark = network(crops), network(0.7 * crops + 0.1)
        flat = network(torch.full_like(crops, 0.5))
    assert torch.allclose(light.landmarks, dark.landmarks, atol=0.02)
    assert all(part.isfinite().all() for part in flat)


@pytest.mark.parametrize(
    "wrong", [{"size": 8}, {"size": 40}, {"widths": (4, 4, 0, 4)}, {"summary": 0}]
)
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"multiple|positive"):
        FaceRefinerConfig(**wrong)  # type: ignore[arg-type]
