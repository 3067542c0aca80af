"""Wear that needs no restoring, and which samples have nothing over them."""

import torch

from restorecli.degrade import DegradeConfig, degrade
from training.data.everyday import published, untouched, wear


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


def test_published_photos_differ_little_and_each_by_its_own_seed() -> None:
    image = (torch.rand(12, 3, 48, 48, generator=torch.Generator().manual_seed(1)) * 255).round()
    image /= 255
    seeds = torch.arange(12)
    worn = published(image, seeds)
    same = [torch.equal(one, other) for one, other in zip(worn, image, strict=True)]
    assert 0 < sum(same) < 12
    assert torch.equal(worn, (worn * 255).round() / 255)
    assert torch.allclose(worn[3:5], published(image[3:5], seeds[3:5]), rtol=0, atol=1.1 / 255)
