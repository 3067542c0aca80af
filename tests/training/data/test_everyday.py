"""Wear that needs no restoring, and which samples have nothing over them."""

import torch

from restorecli.degrade import DegradeConfig, degrade
from training.data.everyday import untouched, wear


def test_wear_touches_only_what_it_may_and_is_mild() -> None:
    image = torch.rand(12, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    where = torch.arange(12) < 6
    worn = wear(image, torch.arange(12), where)
    assert torch.equal(worn[6:], image[6:])
    assert not torch.equal(worn[:6], image[:6])
    assert float(worn.min()) >= 0
    assert float(worn.max()) <= 1


def test_untouched_samples_are_those_without_pattern_and_noise() -> None:
    clean = torch.rand(16, 3, 32, 32)
    seeds = torch.arange(16)
    assert bool(untouched(degrade(clean, seeds, DegradeConfig(clean=1.0))).all())
    assert not bool(untouched(degrade(clean, seeds, DegradeConfig(clean=0.0))).any())
