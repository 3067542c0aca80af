"""The face embedder: laws of its loss and scores, views of a face, and that it learns at all."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from restorecli import weights
from training.data.face_views import FaceViews, jittered
from training.data.labelled_faces import Face
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run, sample_seeds
from training.engine.recipe import Phase, Recipe
from training.networks.embedder import (
    MEASURES,
    Embedder,
    EmbedderConfig,
    distance,
    rank_one,
    roc_area,
)
from training.tasks.embedder import EmbedderTask, contrast
from training.train import make_task

CPU = torch.device("cpu")
SIDE = 32
EYES_AND_MOUTH = ((40.0, 40.0), (60.0, 40.0), (50.0, 50.0), (43.0, 60.0), (57.0, 60.0))


@pytest.fixture(autouse=True)
def small_faces_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.labelled_faces.MIN_EYE_DISTANCE", 10)
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: "two" in name)


def recipe(steps: int) -> Recipe:
    return Recipe(
        network="embedder", config={"side": SIDE, "widths": (8, 8), "dimensions": 8},
        steps=steps, warmup=2, validation=4, learning_rate=1e-2, precision="fp32",
        phases=(Phase(until=1, size=SIDE, batch=4),), options={"kept": 2, "temperature": 0.1},
    )  # fmt: skip


def test_a_perfect_pair_has_no_contrast_left() -> None:
    vectors = torch.eye(3).repeat(2, 1)
    assert float(contrast(vectors, torch.arange(3), 0.01)) == pytest.approx(0, abs=1e-6)
    swapped = torch.cat((torch.eye(3), torch.eye(3).roll(1, 0)))
    assert float(contrast(swapped, torch.arange(3), 0.01)) > 50


def test_views_of_a_face_drawn_twice_are_not_others() -> None:
    vectors = F.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    twice = torch.tensor([0, 0, 1])
    moved = vectors.clone()
    moved[1] = -moved[1]  # row 0 and its partner, row 3, do not see row 1
    rows = [0, 3]
    before, after = (_each(v, twice)[rows] for v in (vectors, moved))
    assert torch.equal(before, after)


def _each(vectors: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """The loss of each row; their mean is `contrast`."""
    count, faces = len(which), which.repeat(2)
    partner = torch.arange(2 * count).roll(count)
    total = contrast(vectors, which, 0.5)
    ignored = faces[:, None] == faces
    ignored[torch.arange(2 * count), partner] = False
    logits = (vectors @ vectors.T / 0.5).masked_fill(ignored, float("-inf"))
    each = F.cross_entropy(logits, partner, reduction="none")
    assert float(each.mean()) == pytest.approx(float(total))
    return each


def test_vectors_are_of_unit_length_and_blind_to_light_and_surroundings() -> None:
    torch.manual_seed(0)
    network = Embedder(EmbedderConfig(side=SIDE, widths=(8, 8), dimensions=8))
    faces = torch.rand(2, 3, SIDE, SIDE)
    network.requires_grad_(False)
    vectors = network(faces)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-6)
    assert torch.allclose(network(faces * 0.5 + 0.2), vectors, atol=1e-5)
    elsewhere = faces.clone()
    elsewhere[..., 0, :] = 0
    assert torch.allclose(network(elsewhere), vectors, atol=1e-6)
    assert float(distance(vectors, vectors).abs().max()) < 1e-6


@pytest.mark.parametrize("bad", [{"side": 30}, {"widths": (4, 8)}])
def test_impossible_sizes_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="multiple"):
        EmbedderConfig(**bad)  # type: ignore[arg-type]


def test_rank_and_area_of_known_vectors() -> None:
    gallery = torch.eye(3)
    assert rank_one(gallery, gallery) == 1
    assert roc_area(gallery, gallery) == 1
    assert rank_one(gallery.roll(1, 0), gallery) == 0
    assert roc_area(gallery.roll(1, 0), gallery) == pytest.approx(0.25)
    assert roc_area(torch.ones(3, 3), gallery) == pytest.approx(0.5)


def test_the_crop_follows_turned_landmarks() -> None:
    marks = torch.tensor(EYES_AND_MOUTH)
    same = jittered(marks, 0.0, 1.0, torch.zeros(2))
    assert torch.allclose(same, marks, atol=1e-5)
    moved = jittered(marks, 0.3, 1.2, torch.tensor([0.1, 0.0]))
    assert torch.allclose(moved.mean(0) - marks.mean(0), torch.tensor([6.8, 0.0]), atol=1e-4)
    eyes = moved[1] - moved[0]
    assert float(eyes.norm()) == pytest.approx(24, abs=1e-3)
    assert float(torch.atan2(eyes[1], eyes[0])) == pytest.approx(0.3, abs=1e-5)


def test_views_depend_on_their_seed_alone(pool: PhotoPool) -> None:
    faces = [Face(pool.names.index("a/face.png"), EYES_AND_MOUTH)] * 2
    which, seeds = torch.tensor([0, 1, 0]), torch.tensor([5, 6, 7])
    views = FaceViews(pool, faces, 2).batch(which, seeds, SIDE)
    assert views.shape == (3, 3, SIDE, SIDE)
    assert float(views.min()) >= 0
    assert float(views.max()) <= 1
    alone = FaceViews(pool, faces, 2).batch(which[1:2], seeds[1:2], SIDE)
    assert torch.allclose(alone, views[1:2], atol=1e-6)
    assert not torch.allclose(views[0], views[2])


def test_it_learns_and_scores(pool: PhotoPool, labels: Path, tmp_path: Path) -> None:
    task = make_task(recipe(3), pool, tmp_path, faces=labels)
    assert isinstance(task, EmbedderTask)
    assert len(task.views.faces) == 1
    assert len(task.held_out.faces) == 1
    run = Run(task, recipe(3), tmp_path / "run", CPU)
    assert run.go(every=3)
    assert (tmp_path / "run" / "embedder.safetensors").exists()
    header = (tmp_path / "run" / "log.csv").read_text("utf-8").split("\n")[0]
    assert {"contrast", "rank_one", "roc_area", "distance"} <= set(header.split(","))
    again = task.losses(task.network, sample_seeds(recipe(3), 1, 4, CPU), recipe(3).phases[0])
    assert float(again["contrast"].detach()) >= 0


def test_it_needs_faces(pool: PhotoPool, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the faces"):
        make_task(recipe(3), pool, tmp_path)


def test_the_one_that_measures_knows_a_photo_in_another_light() -> None:
    """`training/weights` is what tables of distances are made with; its hash is checked."""
    network = weights.load(Embedder, "embedder", folder=MEASURES)
    side = network.config.side
    faces = []
    for path in sorted((Path(__file__).parents[3] / "examples/pairs/clean").iterdir()):
        with Image.open(path) as photo:
            pixels = np.asarray(photo.convert("RGB").resize((side, side)))
        faces.append(torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255)
    clean = torch.stack(faces)
    with torch.inference_mode():
        vectors, other = network(clean), network(clean * 0.8 + 0.1)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(clean)), atol=1e-5)
    assert rank_one(other, vectors) == 1
    assert float(distance(other, vectors).max()) < 0.2
