"""AdamW, or Muon for the kernels of convolutions and AdamW for the rest, behind one handle.

Muon (Jordan et al. 2024) turns the momentum of a matrix into the nearest orthogonal one before it
steps, so no direction of a layer is left behind. A kernel (out, in, kh, kw) is the matrix
(out, kh·kw·in). PyTorch's own `torch.optim.Muon` does it; it takes matrices only, so it is given
views of the kernels that share their memory. Its iteration is in bfloat16, which processors without
native bfloat16 take ten times as long for: on one of them Muon was two fifths of a training step.
There `SingleMuon` does the same in float32, all kernels of one shape at once.
"""

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn

from restorecli.device import native_bf16

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
        kernel_ids = {id(kernel) for kernel in kernels}
        rest = [p for p in trained if id(p) not in kernel_ids]
        self._pairs = [(kernel, nn.Parameter(_matrix(kernel.detach()))) for kernel in kernels]
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, lr=0.0, weight_decay=weight_decay)
        ]
        if kernels:
            views = [view for _, view in self._pairs]
            self._parts.append(
                torch.optim.Muon(
                    views, lr=0.0, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
                )
                if views[0].device.type != "cpu" or native_bf16()
                else SingleMuon(views, weight_decay=weight_decay)
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


class SingleMuon(torch.optim.Optimizer):
    """`torch.optim.Muon`, its rate matched to AdamW's, in float32; states are interchangeable."""

    MOMENTUM = 0.95
    COEFFICIENTS = (3.4445, -4.775, 2.0315)  # of Jordan et al.'s quintic iteration
    ITERATIONS = 5

    def __init__(self, matrices: list[nn.Parameter], *, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": 0.0, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Step once; matrices without a gradient stay."""
        for group in self.param_groups:
            alike: dict[tuple[torch.Size, torch.device], list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape, matrix.device].append(matrix)
            for matrices in alike.values():
                self._step(matrices, group["lr"], group["weight_decay"])

    def _step(self, matrices: list[nn.Parameter], rate: float, weight_decay: float) -> None:
        ahead = []
        for matrix in matrices:
            gradient, state = matrix.grad, self.state[matrix]
            assert gradient is not None
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(gradient)
            momentum = state["momentum_buffer"].lerp_(gradient, 1 - self.MOMENTUM)
            ahead.append(gradient.lerp(momentum, self.MOMENTUM))
        scale = 0.2 * max(matrices[0].shape) ** 0.5
        for matrix, update in zip(matrices, self._orthogonal(torch.stack(ahead)), strict=True):
            matrix.mul_(1 - rate * weight_decay).add_(update, alpha=-rate * scale)

    def _orthogonal(self, updates: Tensor) -> Tensor:
        """The nearest orthogonal matrix of each, (n, a, b), roughly (Newton–Schulz)."""
        tall = updates.shape[1] > updates.shape[2]
        x = updates.mT if tall else updates
        x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
        a, b, c = self.COEFFICIENTS
        for _ in range(self.ITERATIONS):
            gram = x @ x.mT
            x = a * x + (b * gram + c * gram @ gram) @ x
        orthogonal: Tensor = x.mT if tall else x
        return orthogonal


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
