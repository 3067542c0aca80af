"""What a restorer does to pictures as they really come: `python -m training.evaluate.field`.

    python -m training.evaluate.field --photos runs/photos [--weights weights] [--quick]

Eight kinds of held-out pictures (`field_sets`): clean scenes, clean pages and clothes, prints,
papers, displays and tapes, light noise and JPEG, long periods over small and over larger photos,
dark photos, clean portraits. The restored picture is shown beside the untouched one and two
classical filters. By default the whole product works at x1; `--step1` measures a denoiser alone. To
measure only; nothing is chosen by it.
"""

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from restorecli import weights
from restorecli.bench.baselines import gaussian_blur, notch
from restorecli.metrics import PSNR_CONVENTION, SSIM_CONVENTION, psnr, ssim
from restorecli.networks.denoiser import Denoiser
from restorecli.options import STAGES, Options
from restorecli.photo import Photo
from restorecli.pipeline import Restorer
from training.arguments import thread_options, use_threads
from training.evaluate.field_sets import KINDS, Case, Held

CEILING = 99.0  # dB, said of equal pictures
SIGMA = 16  # px, of the blur that leaves large-scale colour
QUICK = 5  # every so many pictures
Image3 = Float[Tensor, "1 3 h w"]
Restore = Callable[[Image3], Image3]
RIVALS: Mapping[str, Restore] = MappingProxyType({"notch": notch, "gaussian": gaussian_blur})
RIVALLED = ("pages", "presses", "periods", "wide")


@dataclass(frozen=True, kw_only=True)
class Score:
    """One picture, restored.

    Attributes:
        kind: As in `Case`.
        group: As in `Case`.
        name: As in `Case`.
        ssim_in: Of the picture as it came.
        ssim: Of the restored one.
        ssim_fitted: Likewise, its brightness brought to the clean one's by one factor.
        rivals: SSIM of each rival.
        psnr_in: In dB, as it came.
        psnr: In dB, restored.
        colour_in: Large-scale colour off the clean picture as it came, of 255.
        colour: Restored.
        seconds: Of the restoration.
    """

    kind: str
    group: str
    name: str
    ssim_in: float
    ssim: float
    ssim_fitted: float
    rivals: Mapping[str, float]
    psnr_in: float
    psnr: float
    colour_in: float
    colour: float
    seconds: float


def product(restorer: Restorer, options: Options) -> Restore:
    """The whole tool, as a function of pictures."""

    def restore(image: Image3) -> Image3:
        pixels = image[0].mul(255).round().byte().permute(1, 2, 0).numpy()
        return restorer(Photo(pixels=np.ascontiguousarray(pixels)), options).image()

    return restore


def step_1(denoiser: Denoiser) -> Restore:
    """A denoiser alone, each picture in one tile; sides must be multiples of its `multiple`."""

    def restore(image: Image3) -> Image3:
        with torch.inference_mode():
            restored, _ = denoiser(image.contiguous(memory_format=torch.channels_last))
        return torch.clamp(restored.float(), 0, 1)

    return restore


def thinned(cases: Iterable[Case], every: int) -> Iterator[Case]:
    """The first of each group, and every so many of those that follow in it."""
    counts = Counter[str]()
    for case in cases:
        if counts[case.group] % every == 0:
            yield case
        counts[case.group] += 1


def measure(restore: Restore, cases: Iterable[Case], save: Path | None = None) -> list[Score]:
    """Restore every picture and compare it with its clean one.

    Args:
        restore: Keeps sizes.
        cases: From `field_sets`.
        save: Folder for pictures as they came | restored | clean.
    """
    scores = []
    for case in cases:
        start = time.perf_counter()
        restored = restore(case.image)
        seconds = time.perf_counter() - start
        rivals = {
            name: ssim(rival(case.image), case.clean)
            for name, rival in (RIVALS.items() if case.kind in RIVALLED else ())
        }
        scores.append(
            Score(
                kind=case.kind,
                group=case.group,
                name=case.name,
                ssim_in=ssim(case.image, case.clean),
                ssim=ssim(restored, case.clean),
                ssim_fitted=ssim(_fitted(restored, case.clean), case.clean),
                rivals=rivals,
                psnr_in=min(CEILING, psnr(case.image, case.clean)),
                psnr=min(CEILING, psnr(restored, case.clean)),
                colour_in=colour_error(case.image, case.clean),
                colour=colour_error(restored, case.clean),
                seconds=seconds,
            )
        )
        if save:
            _save(save / case.kind, f"{case.group}-{case.name}", (case.image, restored, case.clean))
    return scores


def colour_error(image: Image3, clean: Image3) -> float:
    """Mean distance of two pictures, both blurred by a Gaussian of σ 16 px, of 255."""
    offsets = torch.arange(-3 * SIGMA, 3 * SIGMA + 1)
    kernel = torch.exp(-0.5 * (offsets / SIGMA) ** 2)
    kernel = (kernel / kernel.sum()).repeat(3, 1)
    reach = min(3 * SIGMA, min(image.shape[-2:]) - 1)
    kernel = kernel[:, 3 * SIGMA - reach : 3 * SIGMA + reach + 1]
    kernel = kernel / kernel.sum(1, keepdim=True)
    padded = F.pad(image - clean, (reach,) * 4, mode="reflect")
    blurred = F.conv2d(padded, kernel.view(3, 1, -1, 1), groups=3)
    blurred = F.conv2d(blurred, kernel.view(3, 1, 1, -1), groups=3)
    return float(blurred.abs().mean()) * 255


def table(scores: Sequence[Score]) -> str:
    """What was measured, a line for each group and for each kind, as Markdown."""
    lines = [
        "| kind | n | SSIM in | notch | σ 3 | restored, mean | worst | PSNR in | restored, mean "
        "| worst | gain, worst | colour in | restored |",
        "|" + "---|" * 13,
    ]
    for kind in dict.fromkeys(score.kind for score in scores):
        members = [score for score in scores if score.kind == kind]
        groups = list(dict.fromkeys(score.group for score in members))
        for group in groups if len(groups) > 1 else ():
            one = [score for score in members if score.group == group]
            lines.append(_line(f"{kind}: {group}", one))
        lines.append(_line(f"**{kind}**", members))
    return "\n".join(lines)


def notes(scores: Sequence[Score]) -> str:
    """What the table has no column for."""
    lines = []
    if dark := [score for score in scores if score.kind == "dark"]:
        fitted = np.mean([score.ssim_fitted for score in dark])
        lines.append(f"dark, brightness fitted by one factor: SSIM {fitted:.3f}")
    if presses := [score for score in scores if score.kind == "presses"]:
        for group in dict.fromkeys(score.group for score in presses):
            one = [score for score in presses if score.group == group]
            others = [[score.rivals[name] for score in one] for name in RIVALS]
            best = max(np.mean(values) for values in ([score.ssim_in for score in one], *others))
            lead = np.mean([score.ssim for score in one]) - best
            lines.append(f"{group}: {lead:+.3f} on the best rival")
    return "\n".join(lines)


def _line(label: str, scores: Sequence[Score]) -> str:
    def mean(name: str) -> float:
        return float(np.mean([getattr(score, name) for score in scores]))

    rivals = [f"{np.mean([score.rivals[name] for score in scores]):.3f}" if scores[0].rivals else ""
              for name in RIVALS]  # fmt: skip
    gain = min(score.psnr - score.psnr_in for score in scores)
    cells = [
        label,
        f"{len(scores)}",
        f"{mean('ssim_in'):.3f}",
        *rivals,
        f"{mean('ssim'):.3f}",
        f"{min(score.ssim for score in scores):.3f}",
        f"{mean('psnr_in'):.1f}",
        f"{mean('psnr'):.1f}",
        f"{min(score.psnr for score in scores):.1f}",
        f"{gain:+.1f}",
        f"{mean('colour_in'):.1f}",
        f"{mean('colour'):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _fitted(image: Image3, clean: Image3) -> Image3:
    factor = float((image * clean).sum() / image.square().sum().clamp(min=1e-6))
    return (image * factor).clamp(0, 1) if math.isfinite(factor) else image


def _save(folder: Path, name: str, pictures: Sequence[Image3]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    row = torch.cat(list(pictures), 3)[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
    file = "".join(letter if letter.isalnum() or letter in "-+." else "_" for letter in name)
    Image.fromarray(row.numpy()).save(folder / f"{file}.png")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[thread_options()])
    parser.add_argument("--photos", type=Path, required=True, help="folder tree of clean photos")
    parser.add_argument("--weights", type=Path, help="folder of all steps' weights")
    parser.add_argument("--step1", type=Path, metavar="FILE", help="measure this denoiser alone")
    parser.add_argument("--window", type=int, help="px that the windows of that denoiser hold")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--every", type=int, default=1, help="every so many of a group")
    parser.add_argument("--quick", action="store_true", help="about a fifth of the pictures")
    parser.add_argument("--json", type=Path, help="write every score to a file")
    parser.add_argument("--save", type=Path, help="folder for pictures: came | restored | clean")
    arguments = parser.parse_args()
    use_threads(arguments)
    if arguments.step1:
        file = arguments.step1
        denoiser = weights.load(Denoiser, file.stem, folder=file.parent)
        restore = step_1(denoiser.windowed(arguments.window) if arguments.window else denoiser)
    else:
        restorer = Restorer.load(device="cpu", precision="fp32", folder=arguments.weights)
        restore = product(restorer, Options(scale=1, stages=tuple(arguments.stages)))
    held = Held.find(arguments.photos)
    print(f"{len(held.scenes)} scenes and {len(held.people)} portraits are held out")
    scores: list[Score] = []
    for kind in arguments.kinds:
        every = QUICK if arguments.quick else arguments.every
        of_kind = measure(restore, thinned(KINDS[kind](held), every), arguments.save)
        seconds = sum(score.seconds for score in of_kind)
        print(f"{kind}: {len(of_kind)} in {seconds:.0f} s", flush=True)
        scores += of_kind
    print(SSIM_CONVENTION, PSNR_CONVENTION, "", table(scores), "", notes(scores), sep="\n")
    if arguments.json:
        arguments.json.write_text(
            json.dumps([asdict(score) for score in scores], indent=1), "utf-8"
        )


if __name__ == "__main__":
    main()
