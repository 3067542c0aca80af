"""Samples: groups of photos with shares of their own, other colours, each by its seed alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.data.colours import recolour
from training.data.photo_pool import PhotoPool
from training.data.samples import Samples
from training.engine.losses import colour
from training.engine.recipe import Phase, Recipe, SampleSource, read_recipe

CPU = torch.device("cpu")
PHASES = (Phase(until=1, size=32, batch=2),)
GREYS = {"night": 20, "day": 128, "snow": 235}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> PhotoPool:
    """Three sets, each of one grey."""
    folder = tmp_path_factory.mktemp("photos")
    for name, grey in GREYS.items():
        (folder / name).mkdir()
        for number in range(60):
            pixels = np.full((64, 64, 3), grey, np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return PhotoPool.open(folder, folder / "pool", CPU)


def recipe(*sources: SampleSource) -> Recipe:
    return Recipe(network="denoiser", steps=1, phases=PHASES, sources=sources)


def test_shares_are_kept_and_an_unnamed_source_takes_the_rest(pool: PhotoPool) -> None:
    sources = recipe(
        SampleSource(sets=("night",), share=3.0, clean=1.0), SampleSource(share=1.0, clean=1.0)
    )
    batch = Samples(sources, pool).batch(torch.arange(400), 32)
    dark = (batch.target.mean((1, 2, 3)) < 0.1).float().mean()
    assert 0.68 < float(dark) < 0.82
    assert torch.equal(batch.image, batch.target)


def test_each_source_has_its_share_of_clean_samples(pool: PhotoPool) -> None:
    sources = recipe(SampleSource(sets=("night",), clean=1.0), SampleSource(clean=0.0))
    batch = Samples(sources, pool).batch(torch.arange(60), 32)
    same = torch.tensor([torch.equal(a, b) for a, b in zip(batch.image, batch.target, strict=True)])
    from_night = torch.tensor([family == "none" for family in batch.family]) & (batch.sigma == 0)
    assert 10 < int(from_night.sum()) < 50
    assert bool(same[from_night].all())


def test_a_sample_depends_on_its_seed_alone(pool: PhotoPool) -> None:
    samples = Samples(recipe(SampleSource(sets=("day",), clean=0.2), SampleSource(clean=0.1)), pool)
    whole = samples.batch(torch.arange(8), 32)
    for seed in (0, 5):
        alone = samples.batch(torch.tensor([seed]), 32)
        assert torch.equal(alone.image[0], whole.image[seed])
        assert torch.equal(alone.target[0], whole.target[seed])
        assert alone.family[0] == whole.family[seed]


def test_a_source_without_photos_is_refused(pool: PhotoPool) -> None:
    with pytest.raises(ValueError, match="fog"):
        Samples(recipe(SampleSource(sets=("fog",), clean=0.0)), pool)


def test_a_recipe_reads_its_sources(tmp_path: Path) -> None:
    text = 'network = "denoiser"\nsteps = 1\n[[phases]]\nuntil = 1\nsize = 8\nbatch = 1\n'
    path = tmp_path / "r.toml"
    path.write_text(text + '[[sources]]\nsets = ["a"]\nclean = 0.5\n', "utf-8")
    assert read_recipe(path).sources == (SampleSource(sets=("a",), share=1.0, clean=0.5),)


def test_enlarged_crops_show_less_of_the_photo(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 256, dtype=np.uint8)[None, :, None], (256, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    pool = PhotoPool.open(tmp_path, tmp_path / "pool", CPU)
    seeds = torch.arange(40)

    def span(enlarged: float) -> torch.Tensor:
        crops = pool.crops(seeds, 64, [0], enlarged=enlarged)
        return crops.amax((1, 2, 3)) - crops.amin((1, 2, 3))

    assert float(span(1.0).max()) < 0.27  # 64 of 256 px at most
    assert float(span(0.0).min()) > 0.23


def test_recolouring_changes_its_share_and_keeps_greys_grey_or_tints_them_alike() -> None:
    seeds = torch.arange(300)
    image = torch.rand(300, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    other = recolour(image, seeds, 0.4)
    changed = (other != image).flatten(1).any(1).float().mean()
    assert 0.3 < float(changed) < 0.5
    assert float(other.min()) >= 0
    assert float(other.max()) <= 1
    assert torch.equal(recolour(image, seeds, 0.0), image)
    assert torch.allclose(recolour(image[7:9], seeds[7:9], 1.0), recolour(image, seeds, 1.0)[7:9])


def test_the_colour_loss_sees_a_cast_and_no_pattern() -> None:
    image = torch.full((1, 3, 64, 64), 0.5)
    stripes = image.clone()
    stripes[..., ::2] += 0.2
    stripes[..., 1::2] -= 0.2
    cast = image.clone()
    cast[:, 0] += 0.03
    assert float(colour(stripes, image)) < 1e-4
    assert float(colour(cast, image)) == pytest.approx(0.01, rel=1e-3)
