"""Training: batches hang on the step, a stopped run goes on to the same end."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from restorecli import weights
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from restorecli.networks.guided_denoiser import GuidedDenoiser
from restorecli.networks.orsnet import ORSNet
from training import train
from training.data.photo_pool import PhotoPool
from training.engine import losses, plot
from training.engine import optimizer as optimizers
from training.engine.loop import Run, StreamedTask, learning_rate, sample_seeds
from training.engine.recipe import Phase, Recipe
from training.tasks.orsnet import reduce, with_better_faces

RECIPES = Path(__file__).parents[3] / "training" / "recipes"
TINY = {"widths": (4, 8), "encoder_blocks": (1, 1), "decoder_blocks": (1,), "gates": (4, 4)}


def recipe(steps: int = 4, optimizer: str = "adamw") -> Recipe:
    return Recipe(
        network="denoiser",
        optimizer=optimizer,
        config=TINY,
        steps=steps,
        warmup=2,
        validation=1,
        phases=(Phase(until=0.5, size=32, batch=2), Phase(until=1, size=48, batch=1)),
        losses={"charbonnier": 1.0, "structure": 0.1, "spectrum": 0.1, "gradient": 0.1},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number in (*range(40), 96, 198, 209):  # the last three are held out by their hashes
        coarse = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        size = (200 + number % 3, 220)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(
            folder / f"{number}.png"
        )
    return folder


@pytest.fixture(scope="module")
def pool(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PhotoPool:
    cache = tmp_path_factory.mktemp("cache") / "pool"
    return PhotoPool.open(folder, cache, torch.device("cpu"))


def run(pool: PhotoPool, out: Path, steps: int = 4, optimizer: str = "adamw") -> Run:
    chosen = recipe(steps, optimizer)
    return Run(train.make_task(chosen, pool, out), chosen, out, torch.device("cpu"))


@pytest.mark.parametrize("optimizer", optimizers.NAMES)
def test_a_stopped_run_goes_on_to_the_same_end(
    optimizer: str, pool: PhotoPool, tmp_path: Path
) -> None:
    whole = run(pool, tmp_path / "whole", optimizer=optimizer)
    assert whole.go(every=2)
    stopped = run(pool, tmp_path / "stopped", optimizer=optimizer)
    assert not stopped.go(minutes=0, every=2)
    assert stopped.step == 1
    again = run(pool, tmp_path / "stopped", optimizer=optimizer)
    assert again.step == 1
    assert again.go(every=2)
    first, second = (tmp_path / name / "denoiser.safetensors" for name in ("whole", "stopped"))
    assert weights.sha256(first) == weights.sha256(second)


def test_a_row_of_the_log_is_the_mean_over_the_steps_since_the_last(
    pool: PhotoPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a stopped run goes on between two rows."""
    monkeypatch.setattr(Run, "_one_step", lambda _: {"charbonnier": torch.tensor(1.0)})
    assert not run(pool, tmp_path).go(minutes=0, every=3)
    assert run(pool, tmp_path).go(every=3)
    rows = plot.read(tmp_path / "log.csv")
    assert rows["step"] == [1, 3, 4]
    assert rows["charbonnier"] == [1, 1, 1]


def test_a_run_leaves_a_log_and_weights_that_load(pool: PhotoPool, tmp_path: Path) -> None:
    run(pool, tmp_path, steps=2).go(every=1)
    header, *rows = (tmp_path / "log.csv").read_text("utf-8").split()
    assert header.split(",")[0] == "step"
    assert "ssim" in header
    assert [row.split(",")[0] for row in rows] == ["1", "2"]
    assert weights.load(Denoiser, "denoiser", folder=tmp_path).config.widths == (4, 8)


def test_the_log_is_drawn_and_runs_can_be_chained(
    pool: PhotoPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pool, tmp_path / "run", steps=2).go(every=1)
    drawn = (tmp_path / "run" / "log.svg").read_bytes()
    assert drawn.startswith(b"<?xml")
    plot.draw([tmp_path / "run" / "log.csv"], tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == drawn
    both = ["plot", str(tmp_path / "run"), str(tmp_path / "run"), "-o", str(tmp_path / "c.svg")]
    monkeypatch.setattr("sys.argv", [*both, "--chain"])
    plot.main()
    assert (tmp_path / "c.svg").stat().st_size > len(drawn)


def test_a_step_that_was_run_twice_is_drawn_once(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,ssim\n1,0.1\n2,0.2\n2,0.3\n", "utf-8")
    assert plot.read(tmp_path / "log.csv") == {"step": [1, 2], "ssim": [0.1, 0.3]}


@pytest.mark.parametrize("optimizer", optimizers.NAMES)
def test_training_lowers_the_loss(optimizer: str, pool: PhotoPool, tmp_path: Path) -> None:
    started = run(pool, tmp_path, steps=40, optimizer=optimizer)
    seeds = sample_seeds(recipe(), 10**6, 8, torch.device("cpu"))
    phase = Phase(until=1, size=48, batch=8)

    def loss() -> float:
        with torch.no_grad():
            return float(sum(started.task.losses(started.network, seeds, phase).values()))

    before = loss()
    started.go(every=40)
    assert loss() < 0.9 * before


def test_muon_in_float32_steps_as_torchs_own_and_takes_up_its_state() -> None:
    generator = torch.Generator().manual_seed(0)
    starts = [torch.randn(shape, generator=generator) for shape in ((16, 40), (40, 16), (16, 40))]
    own, other = ([torch.nn.Parameter(start.clone()) for start in starts] for _ in range(2))
    single = optimizers.Muon(own, weight_decay=0.1)
    torchs = torch.optim.Muon(other, lr=0.0, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")

    def step(
        optimizer: torch.optim.Optimizer, matrices: list[torch.nn.Parameter], number: int
    ) -> None:
        source = torch.Generator().manual_seed(number)
        for matrix in matrices:
            matrix.grad = torch.randn(matrix.shape, generator=source)
        optimizer.param_groups[0]["lr"] = 0.02
        optimizer.step()

    for number in range(3):
        step(single, own, number)
        step(torchs, other, number)
    single.load_state_dict(torchs.state_dict())
    step(single, own, 3)
    step(torchs, other, 3)
    for start, mine, theirs in zip(starts, own, other, strict=True):
        moved = (theirs - start).norm()
        assert (mine - theirs).norm() < 0.06 * moved  # theirs iterates in bfloat16
        assert moved > 0.01


def test_stacked_matrices_step_as_each_would_alone() -> None:
    """Wide, tall, padded; one that has no gradient for a while keeps its momentum."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((16, 144), (27, 16), (20, 150), (32, 288), (8, 8))
    starts = [torch.randn(shape, generator=generator) for shape in shapes]
    together, alone = ([torch.nn.Parameter(start.clone()) for start in starts] for _ in range(2))
    stacked = optimizers.Muon(together, weight_decay=0.1)
    singles = [optimizers.Muon([matrix], weight_decay=0.1) for matrix in alone]
    for number in range(4):
        for a, b in zip(together, alone, strict=True):
            gradient = torch.randn(a.shape, generator=generator)
            a.grad = b.grad = None if number == 2 and a.shape[0] == 20 else gradient
        for optimizer in (stacked, *singles):
            optimizer.param_groups[0]["lr"] = 0.02
            optimizer.step()
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_denormals_are_zero_while_training_and_only_then(
    pool: PhotoPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does an interruption leave them flushed."""
    smallest = torch.tensor(1e-39)

    def stop(network: torch.nn.Module) -> dict[str, float]:
        assert float(smallest * 0.5) == 0
        raise KeyboardInterrupt

    begun = run(pool, tmp_path)
    monkeypatch.setattr(begun.task, "score", stop)
    with pytest.raises(KeyboardInterrupt):
        begun.go(every=1)
    assert float(smallest * 0.5) > 0


def test_muon_leaves_depthwise_kernels_to_adamw() -> None:
    mixing, apart = torch.nn.Conv2d(16, 16, 3), torch.nn.Conv2d(16, 16, 3, groups=16)
    network = torch.nn.Sequential(mixing, apart)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = optimizers.Optimizer(network, "muon", weight_decay=0.0)
    network(torch.ones(1, 16, 9, 9)).sum().backward()
    optimizer.step(1e-3)
    adamw, muon = optimizer.state_dict()["parts"]
    assert len(muon["state"]) == 1
    assert len(adamw["state"]) == 3  # two biases and the depthwise kernel


def test_upscale_learns_both_scales_in_each_step(pool: PhotoPool, tmp_path: Path) -> None:
    run(pool, tmp_path / "first", steps=2).go()
    second = Recipe(
        network="orsnet",
        config={"width": 4, "blocks": (1, 1)},
        steps=2,
        warmup=1,
        validation=1,
        phases=(Phase(until=0.5, size=64, batch=4), Phase(until=1, size=64, batch=4)),
        losses={"charbonnier": 1.0, "luma": 1.0},
        options={"sharp_below": 99.0, "clean_phases": 1, "patterned": 0.5},
    )
    look = GuidedDenoiser(DenoiserConfig(**TINY))  # type: ignore[arg-type]
    weights.save(look, "second_look", tmp_path / "first" / "second_look.safetensors", {})
    task = train.make_task(second, pool, tmp_path / "first")
    before = {name: p.clone() for name, p in task.network.named_parameters()}
    Run(task, second, tmp_path / "second", torch.device("cpu")).go()
    after = task.network.state_dict()
    assert not any(
        torch.equal(before[f"heads.{scale}.weight"], after[f"heads.{scale}.weight"])
        for scale in (2, 4)
    )
    assert weights.load(ORSNet, "orsnet", folder=tmp_path / "second").config.width == 4


def test_the_command_trains(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'network = "denoiser"\nsteps = 1\nvalidation = 1\n'
    text += "[config]\nwidths = [4, 8]\nencoder_blocks = [1, 1]\n"
    text += "decoder_blocks = [1]\ngates = [4, 4]\n[losses]\ncharbonnier = 1.0\n"
    text += "[[phases]]\nuntil = 1.0\nsize = 32\nbatch = 2\n"
    (tmp_path / "r.toml").write_text(text, "utf-8")
    arguments = ["train", str(tmp_path / "r.toml"), "--photos", str(folder)]
    arguments += ["--cache", str(tmp_path / "pool"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", arguments)
    train.main()
    assert (tmp_path / "out" / "denoiser.safetensors").exists()
    (tmp_path / "r.toml").write_text(text.replace("steps = 1", "steps = 3"), "utf-8")
    monkeypatch.setattr("sys.argv", [*arguments, "--workers", "1"])
    train.main()
    _, *rows = (tmp_path / "out" / "log.csv").read_text("utf-8").split()
    assert [row.split(",")[0] for row in rows] == ["1", "3"]


def test_workers_and_first_are_for_tasks_that_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", str(RECIPES / "relighter" / "1-first.toml"), "--photos", str(tmp_path)]
    monkeypatch.setattr("sys.argv", [*command, "--out", str(tmp_path), "--workers", "2"])
    with pytest.raises(SystemExit):
        train.main()
    assert "face_prior, face_vae, not relighter" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", [*command, "--out", str(tmp_path), "--first", str(tmp_path)])
    with pytest.raises(SystemExit):
        train.main()
    assert "--first is for face_vae, not relighter" in capsys.readouterr().err


def test_the_denoisers_task_is_streamed(pool: PhotoPool, tmp_path: Path) -> None:
    assert isinstance(run(pool, tmp_path).task, StreamedTask)


def test_a_run_starts_from_the_weights_it_names(pool: PhotoPool, tmp_path: Path) -> None:
    first = run(pool, tmp_path, steps=2)
    first.go()
    other = run(pool, tmp_path / "other", steps=2)
    train.start(other.network, "denoiser", tmp_path)
    for name, value in other.network.state_dict().items():
        assert torch.equal(value, first.average.state_dict()[name])


def test_muon_steps_kernels_as_matrices_of_equal_singular_values() -> None:
    layer = torch.nn.Conv2d(16, 16, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    handle = optimizers.Optimizer(layer, "muon", weight_decay=0.0)
    before = layer.weight.detach().clone()
    layer(torch.rand(4, 16, 8, 8)).square().mean().backward()
    handle.step(1e-2)
    change = (layer.weight.detach() - before).permute(0, 2, 3, 1).reshape(16, -1)
    values = torch.linalg.svdvals(change)
    assert float(values.max() / values.min()) < 2
    assert layer.weight.grad is None


def test_impossible_optimisers_are_refused() -> None:
    layer = torch.nn.Conv2d(16, 16, 3)
    with pytest.raises(ValueError, match="no such optimiser; there are adamw, muon"):
        optimizers.Optimizer(layer, "sgd", weight_decay=0.0)


def test_an_unknown_network_is_refused(pool: PhotoPool, tmp_path: Path) -> None:
    other = Recipe(network="gan", steps=1, phases=(Phase(until=1, size=32, batch=1),))
    with pytest.raises(ValueError, match="gan"):
        train.make_task(other, pool, tmp_path)


def test_phases_and_rates_follow_the_steps() -> None:
    small, large = recipe().phases
    assert [recipe().phase(step) for step in range(4)] == [small, small, large, large]
    long = Recipe(network="denoiser", steps=1000, warmup=10, phases=(large,))
    rates = [learning_rate(long, step) for step in range(1000)]
    assert max(rates) == pytest.approx(long.learning_rate, rel=0.01)
    assert rates[:10] == sorted(rates[:10])
    assert rates[11:] == sorted(rates[11:], reverse=True)
    assert rates[-1] < 0.02 * long.learning_rate


def test_no_two_steps_share_a_sample() -> None:
    cpu = torch.device("cpu")
    seeds = torch.cat([sample_seeds(recipe(), step, 64, cpu) for step in range(50)])
    assert len(torch.unique(seeds)) == 50 * 64


def test_the_pool_holds_photos_out_and_cuts_them_by_seed(pool: PhotoPool) -> None:
    train_on, held_out = pool.split(held_out=False), pool.split(held_out=True)
    assert set(train_on).isdisjoint(held_out)
    assert len(train_on) + len(held_out) == len(pool.names) == 43
    seeds = torch.arange(5)
    crops = pool.crops(seeds, 64, train_on)
    assert crops.shape == (5, 3, 64, 64)
    assert torch.equal(pool.crops(seeds[3:], 64, train_on), crops[3:])
    assert pool.photo(0).shape[2:] == pool.sizes[0]
    assert pool.sharper_than(1e9, train_on) == train_on
    assert pool.sharper_than(-1e9, train_on) == []


def test_a_pool_without_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no photos"):
        PhotoPool.open(tmp_path, tmp_path / "pool", torch.device("cpu"))


def test_every_loss_is_least_at_equality() -> None:
    image = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    weight = dict.fromkeys(losses.TERMS, 1.0)
    equal = losses.picture_loss(image, image, weight)
    other = losses.picture_loss(0.5 * image, image, weight)
    assert set(equal) == set(losses.TERMS)
    assert all(float(equal[name]) < 2e-3 < float(other[name]) for name in weight)


def test_texture_asks_how_much_not_where() -> None:
    draw = torch.Generator().manual_seed(0)
    one, other = torch.rand(2, 1, 3, 64, 64, generator=draw)
    soft = torch.nn.functional.avg_pool2d(one, 3, 1, 1)
    assert float(losses.texture(other, one)) < 0.1 * float(losses.texture(soft, one))
    assert float(losses.texture(one.flip(3), one)) < 0.1 * float(losses.texture(soft, one))


def test_small_copies_and_better_faces_keep_their_sizes() -> None:
    clean = torch.rand(2, 3, 32, 32)
    for first in (0, 4096, 8192, 12288):
        assert reduce(clean, 2, torch.tensor([first])).shape == (2, 3, 16, 16)
    assert reduce(clean, 1, torch.tensor([0])) is clean
    seeds = torch.arange(40)
    better = with_better_faces(torch.zeros(40, 3, 16, 16), torch.ones(40, 3, 16, 16), seeds)
    share = (better.amax((1, 2, 3)) > 0).float().mean()
    assert 0.2 < float(share) < 0.8


def test_a_batch_that_is_not_finite_is_skipped_and_the_run_goes_on(
    pool: PhotoPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = run(pool, tmp_path, steps=4)
    losses_of = started.task.losses

    def broken_once(network: torch.nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        terms = losses_of(network, seeds, phase)
        factor = math.nan if started.step == 1 else 1.0
        return {name: value * factor for name, value in terms.items()}

    monkeypatch.setattr(started.task, "losses", broken_once)
    assert started.go(every=4)
    assert all(bool(value.isfinite().all()) for value in started.network.parameters())
    assert "nan" not in (tmp_path / "log.csv").read_text("utf-8")


def test_a_run_that_is_never_finite_gives_up(
    pool: PhotoPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = run(pool, tmp_path, steps=100)
    weight = next(iter(started.network.parameters()))

    def broken(network: torch.nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        return {"charbonnier": weight.sum() * math.nan}

    monkeypatch.setattr(started.task, "losses", broken)
    with pytest.raises(FloatingPointError, match="not finite"):
        started.go(every=50)
