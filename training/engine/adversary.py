"""The least-squares adversary (LSGAN, Mao et al. 2017) of pictures, and how much it may say."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

MOST_PULL = 10.0
Image = Float[Tensor, "n 3 h w"]


class PatchDiscriminator(nn.Module):
    """Says of each patch of 22 px whether it is of a photo: trained to 1, of a decoder: to 0."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 3, padding=1),
        )

    def forward(self, image: Image) -> Float[Tensor, "n 1 h w"]:
        """From sRGB in [0, 1] to one unbounded answer for each place."""
        answer: Tensor = self.body(image * 2 - 1)
        return answer


class Judged(nn.Module):
    """A network and the adversary that judges its pictures.

    Attributes:
        shipped: The network.
        judge: Says whether a patch is a photo's.
    """

    def __init__(self, shipped: nn.Module) -> None:
        super().__init__()
        self.shipped, self.judge = shipped, PatchDiscriminator()


def least_squares(judge: nn.Module, real: Image, drawn: Image) -> tuple[Tensor, Tensor]:
    """The loss of who drew, and the judge's own.

    The first sends no gradient to the judge, the second none to who drew.
    """
    frozen = {name: value.detach() for name, value in judge.named_parameters()}
    answer = torch.func.functional_call(judge, frozen, (drawn,))
    judged = ((judge(real) - 1) ** 2).mean() + (judge(drawn.detach()) ** 2).mean()
    return ((answer - 1) ** 2).mean(), 0.5 * judged


def balance(truth: Tensor, fooled: Tensor, last: Tensor) -> Tensor:
    """The weight at which the adversary pulls at the last layer as the truth does.

    As in VQGAN (Esser et al. 2021): the ratio of the two losses' gradients, no more than
    `MOST_PULL`.

    Args:
        truth: Loss against what should have been drawn; its graph is kept.
        fooled: Loss of who drew against the judge; likewise.
        last: Weight of the last layer.
    """
    pulls = [
        torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (truth, fooled)
    ]
    pull: Tensor = (pulls[0] / (pulls[1] + 1e-6)).clamp(max=MOST_PULL)
    return pull.detach()
