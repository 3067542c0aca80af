"""AdamW, or Muon for the kernels of convolutions and AdamW for the rest, behind one handle.

Muon (Jordan et al. 2024) turns the momentum of a matrix into the nearest orthogonal one before it
steps, so no direction of a layer is left behind. A kernel (out, in, kh, kw) is the matrix
(out, kh·kw·in). PyTorch's own `torch.optim.Muon` does it; it takes matrices only, so it is given
views of the kernels that share their memory.
"""

from typing import Any

import torch
from torch import Tensor, nn

NAMES = ("adamw", "muon")
_SMALLEST = 8  # rows or columns below which there is little to orthogonalise


class Optimizer:
    """What the training loop steps.

    Args:
        network: Its weights are in channels_last, so that kernels can be viewed as matrices.
        name: One of `NAMES`.
        weight_decay: Decoupled, for every parameter.

    Raises:
        ValueError: There is no such optimiser, or not in this release of torch.
    """

    def __init__(self, network: nn.Module, name: str, *, weight_decay: float) -> None:
        if name not in NAMES:
            raise ValueError(f"{name}: no such optimiser; there are {', '.join(NAMES)}")
        if name == "muon" and not hasattr(torch.optim, "Muon"):
            raise ValueError(f"muon: needs torch 2.9 or newer, this is {torch.__version__}")
        trained = [p for p in network.parameters() if p.requires_grad]
        kernels = [p for p in trained if name == "muon" and _is_matrix(p)]
        chosen = {id(kernel) for kernel in kernels}
        rest = [p for p in trained if id(p) not in chosen]
        self._pairs = [(kernel, nn.Parameter(_matrix(kernel.detach()))) for kernel in kernels]
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, lr=0.0, weight_decay=weight_decay)
        ]
        if kernels:
            self._parts.append(
                torch.optim.Muon(
                    [view for _, view in self._pairs],
                    lr=0.0,
                    weight_decay=weight_decay,
                    adjust_lr_fn="match_rms_adamw",
                )
            )

    def step(self, learning_rate: float) -> None:
        """Step once at a rate that means the same for both, and forget the gradients."""
        for kernel, view in self._pairs:
            view.grad = None if kernel.grad is None else _matrix(kernel.grad)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = learning_rate
            part.step()
            part.zero_grad(set_to_none=True)
        for kernel, _ in self._pairs:
            kernel.grad = None

    def state_dict(self) -> dict[str, Any]:
        """State of the parts, for a checkpoint."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint's state."""
        for part, saved in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(saved)


def _is_matrix(parameter: Tensor) -> bool:
    """Whether it is a kernel that mixes channels; a depthwise one is a list of filters."""
    depthwise = parameter.ndim == 4 and parameter.shape[1] == 1
    return (
        parameter.ndim == 4
        and not depthwise
        and min(parameter.shape[0], parameter[0].numel()) >= _SMALLEST
    )


def _matrix(kernel: Tensor) -> Tensor:
    """(out, in, kh, kw) → (out, kh·kw·in): a view where the memory is channels_last."""
    return kernel.permute(0, 2, 3, 1).reshape(kernel.shape[0], -1)
