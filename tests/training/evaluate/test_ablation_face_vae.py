"""The ablation of the pair: every variant learns what it has, results are kept and told."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from restorecli import weights
from restorecli.networks.face_vae import FaceVAEPair, FaceVAEPairConfig
from tests.support.tiny_pair import PAIR, PAIR_OPTIONS, save_pair_steps
from training.data.photo_pool import PhotoPool
from training.engine.recipe import Phase, read_recipe
from training.evaluate import ablation_denoiser, ablation_face_vae
from training.evaluate.ablation_face_vae import VARIANTS, Folders, Variant, VariantTask

RECIPE = read_recipe(ablation_face_vae.RECIPE)
SMALL = replace(
    RECIPE,
    config=PAIR,
    steps=2,
    validation=2,
    precision="fp32",
    degrade={"dimmed": 0.0, "families": ("sine", "lines")},
    options=PAIR_OPTIONS | {"drop_source": 0.5, "adversary": 0.0},
    phases=(Phase(until=1, size=32, batch=2),),
)


@pytest.fixture(autouse=True)
def _small_faces_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.labelled_faces.MIN_EYE_DISTANCE", 10)
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: "two" in name)


@pytest.fixture
def at(tmp_path: Path, labels: Path) -> Folders:
    folder = tmp_path / "steps"
    save_pair_steps(folder)
    torch.manual_seed(1)
    weights.save(
        FaceVAEPair(FaceVAEPairConfig(**PAIR)), "face_vae", folder / "face_vae.safetensors", {}
    )
    return Folders(shipped=folder, prior=folder, embedder=folder, faces=labels)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_variant_learns_what_it_has_and_nothing_else(
    variant: Variant, pool: PhotoPool, at: Folders, tmp_path: Path
) -> None:
    make = partial(VariantTask, variant, SMALL, pool, at)
    fresh, shipped = make().pair(), weights.load(FaceVAEPair, "face_vae", folder=at.shipped)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    assert all(torch.equal(before[f"first.{n}"], v) for n, v in shipped.first.state_dict().items())
    task = make()
    result = ablation_denoiser.trained(lambda: task, SMALL, tmp_path / "run")
    assert set(result) == {"x1", "x2", "gradient", "distance", "steps"}
    after = task.pair().state_dict()
    learnt = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    of_the_pair = {"latent", "prior", "gates", "fuse_small", "fuse_large"}
    if variant.alone:
        assert learnt == {"first"}
    elif "mapping" in variant.name:
        assert learnt == of_the_pair
    else:
        assert learnt == of_the_pair | {"mapping"}


def test_decoder_b_knows_clean_faces_unless_that_is_left_out(pool: PhotoPool, at: Folders) -> None:
    knows = {
        variant.name: VariantTask(variant, SMALL, pool, at).pair().prior.state_dict()
        for variant in VARIANTS
    }
    for name, state in knows.items():
        same = all(torch.equal(state[key], value) for key, value in knows["whole"].items())
        assert same is (name != "without clean faces first")


def test_the_command_tells_all(
    pool: PhotoPool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def trained(make: object, recipe: object, out: Path) -> dict[str, float]:
        worse = 0.0 if out.name.startswith("whole") else 0.0125
        return {"x1": 0.87, "x2": 0.81 - worse, "gradient": 0.7, "distance": 0.1 + 0.4 * worse}

    monkeypatch.setattr(ablation_denoiser, "trained", trained)
    words = ["ablation_face_vae", "--photos", str(tmp_path / "photos"), "--threads", "1"]
    words += ["--cache", str(tmp_path / "pool"), "--out", str(tmp_path / "out")]
    words += [word for name in ("faces", "prior", "embedder") for word in (f"--{name}", "none")]
    monkeypatch.setattr("sys.argv", words)
    ablation_face_vae.main()
    out = capsys.readouterr().out
    row = "0.8700, 0.8700 | 0.7975, 0.7975 | +0.0125, +0.0125 | 0.700, 0.700 | 0.1050, 0.1050"
    for variant in VARIANTS[1:]:
        assert f"| {variant.name} | {row} | +5.0%, +5.0% |" in out
