"""Photos that more than one task learns from in tests."""

import numpy as np
import pytest
import torch
from PIL import Image

from training.data.photo_pool import PhotoPool


@pytest.fixture(scope="module")
def soft_pool(tmp_path_factory: pytest.TempPathFactory) -> PhotoPool:
    """Soft spots of colour, three pictures of them held out."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number in (*range(20), 96, 198, 209):  # the last three are held out by their hashes
        coarse = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        large = Image.fromarray(coarse).resize((160, 160), Image.Resampling.BICUBIC)
        large.save(folder / f"{number}.png")
    return PhotoPool.open(folder, folder / "pool", torch.device("cpu"))
