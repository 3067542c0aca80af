"""What each part of the face pair is worth: `docs/ablation.md`.

`python -m training.evaluate.ablation_faces --crops crops --out runs/face_ablation` takes the
shipped pair, leaves out one part at a time, lets the rest get used to it for the same few steps on
the same crops, and scores it on the held-out ones. The whole pair gets these steps too.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from restorecli import weights
from restorecli.metrics import ssim_per_image
from restorecli.networks.face_fusion import FusionOutput
from restorecli.networks.face_vae import FaceVAEPair, FaceVAEPairConfig
from training.arguments import thread_options, use_threads
from training.data.face_crops import FacePairs
from training.engine.loop import Run
from training.engine.recipe import Recipe, read_recipe
from training.evaluate.faces import gradient
from training.tasks.face_autoencoder import mean_psnr
from training.tasks.face_fusion import FuseTask, FuseTraining

RECIPE = Path(__file__).parents[1] / "recipes" / "ablation/face_vae.toml"
CPU = torch.device("cpu")
PARTS = ("", "A", "B", "mapping", "look", "correction", "A B")
Crops = Tensor  # (n, 3, s, s)


class Without(FaceVAEPair):
    """The pair without some of its parts.

    Attributes:
        left_out: "A", "B", "look": a decoder, or the second look, gives the evidence instead.
            "mapping": decoder B draws from A's latent. "correction": the fusion corrects nothing.
    """

    def __init__(self, config: FaceVAEPairConfig, left_out: tuple[str, ...]) -> None:
        super().__init__(config)
        self.left_out = left_out
        if "correction" in left_out:
            self.fusion.register_forward_hook(_uncorrected)

    def draw(self, evidence: Crops, source: Crops) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Give the pictures of the parts that are there, the evidence for those that are not."""
        mean, _ = self.degraded_encoder(evidence)
        mapped = mean if "mapping" in self.left_out else self.mapping(mean)
        degraded = evidence if "A" in self.left_out else self.degraded_decoder(mean)
        look = "look" not in self.left_out
        second = self.second_look.look(source, evidence) if look else evidence
        if "B" in self.left_out:
            return degraded, evidence, second, torch.zeros_like(mapped)
        return degraded, self.clean_decoder(mapped), second, mapped


class FaceAblationTask(FuseTask):
    """The fusion's task with a part of the pair left out."""

    def __init__(self, recipe: Recipe, crops: Path, folder: Path | None, left_out: str) -> None:
        super().__init__(recipe, crops, folder, CPU)
        assert isinstance(self.network, FuseTraining)
        whole = self.network.shipped
        ablated = Without(whole.config, tuple(left_out.split()))
        ablated.load_state_dict(whole.state_dict())
        for name, value in whole.named_parameters():
            ablated.get_parameter(name).requires_grad_(value.requires_grad)
        self.network.shipped = ablated


def row(pair: FaceVAEPair, crops: FacePairs, fidelity: float) -> dict[str, float]:
    """Mean SSIM, PSNR and gradient ratio of held-out crops, and SSIM of the worst third."""
    degraded, source, clean = (
        part.float() / 255 for part in (crops.degraded, crops.source, crops.clean)
    )
    with torch.inference_mode():
        both = zip(torch.split(degraded, 10), torch.split(source, 10), strict=True)
        face = torch.cat([pair(one, other, fidelity).face for one, other in both])
        worst = ssim_per_image(degraded, clean).argsort()[: max(1, len(clean) // 3)]
        quality = ssim_per_image(face, clean)
        slopes = [
            float(gradient(a[None]).mean() / gradient(b[None]).mean())
            for a, b in zip(face, clean, strict=True)
        ]
    return {
        "ssim": float(quality.mean()),
        "worst third": float(quality[worst].mean()),
        "psnr": mean_psnr(face, clean),
        "gradient": sum(slopes) / len(slopes),
    }


def _uncorrected(_module: object, _inputs: object, fused: FusionOutput) -> FusionOutput:
    return fused._replace(correction=torch.zeros_like(fused.correction))


def main() -> None:
    """Train and score the variants, a line each."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[thread_options()])
    parser.add_argument("--crops", type=Path, required=True, help="folder of aligned crops")
    parser.add_argument("--out", type=Path, default=Path("runs/face_ablation"))
    parser.add_argument("--weights", type=Path, default=None, help="folder of the pair")
    arguments = parser.parse_args()
    use_threads(arguments)
    recipe = read_recipe(RECIPE)
    held_out = FacePairs.open(arguments.crops, "held-out", CPU)
    untouched = weights.load(FaceVAEPair, "face_vae", folder=arguments.weights)
    print("before faces", _words(row(untouched, held_out, 1.0)), flush=True)
    for left_out in PARTS:
        name = f"without {left_out}" if left_out else "whole"
        task = FaceAblationTask(recipe, arguments.crops, arguments.weights, left_out)
        run = Run(task, recipe, arguments.out / name.replace(" ", "_"), CPU)
        run.go(every=recipe.steps)
        assert isinstance(run.average, FuseTraining)
        for fidelity in (0.5, 0.0):
            scores = row(run.average.shipped, held_out, fidelity)
            print(f"{name}, fidelity {fidelity}:", _words(scores), flush=True)


def _words(scores: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in scores.items())


if __name__ == "__main__":
    main()
