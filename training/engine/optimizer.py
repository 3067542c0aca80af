"""AdamW, or Muon for the kernels of convolutions and AdamW for the rest, behind one handle.

Muon (Jordan et al. 2024) turns the momentum of a matrix into the nearest orthogonal one before it
steps, so no direction of a layer is left behind. A kernel (out, in, kh, kw) is the matrix
(out, kh·kw·in). `torch.optim.Muon` iterates on one matrix after the other, in bfloat16; the one
here on batches of them, in float32: on a CPU as fast or faster, on a GPU a few hundred operations
a step where there were thousands.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

NAMES = ("adamw", "muon")
_LENGTHS = (160, 320, 640, 1280, math.inf)  # matrices between two of these share a stack
_SMALLEST = 8  # rows or columns below which there is little to orthogonalise


class Optimizer:
    """What the training loop steps.

    Args:
        network: Its weights are in channels_last, so that kernels can be viewed as matrices.
        name: One of `NAMES`.
        weight_decay: Decoupled, for every parameter.

    Raises:
        ValueError: There is no such optimiser.
    """

    def __init__(self, network: nn.Module, name: str, *, weight_decay: float) -> None:
        if name not in NAMES:
            raise ValueError(f"{name}: no such optimiser; there are {', '.join(NAMES)}")
        trained = [p for p in network.parameters() if p.requires_grad]
        kernels = [p for p in trained if name == "muon" and _is_matrix(p)]
        kernel_ids = {id(kernel) for kernel in kernels}
        rest = [p for p in trained if id(p) not in kernel_ids]
        self._pairs = [(kernel, nn.Parameter(_matrix(kernel.detach()))) for kernel in kernels]
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, lr=0.0, weight_decay=weight_decay)
        ]
        if kernels:
            self._parts.append(Muon([view for _, view in self._pairs], weight_decay=weight_decay))

    def step(self, learning_rate: float | Tensor) -> None:
        """Step once at a rate that means the same for both, and forget the gradients.

        A rate that is a tensor is read on its device, so that a CUDA graph may hold the step.
        """
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
        """Take up a checkpoint's state, of any device."""
        for part, saved in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(saved)
        for group in self._parts[0].param_groups:
            group["capturable"] = False

    def make_capturable(self) -> None:
        """Keep AdamW's count of steps on the GPU from now on, as a CUDA graph needs it."""
        adamw = self._parts[0]
        for group in adamw.param_groups:
            group["capturable"] = True
        for parameter, state in adamw.state.items():
            state["step"] = state["step"].to(parameter.device)

    def copy_state(self) -> dict[tuple[Tensor, str], Tensor]:
        """What steps change besides the weights, as it is now."""
        return {place: value.clone() for place, value in self._state()}

    def restore_state(self, kept: dict[tuple[Tensor, str], Tensor]) -> None:
        """Put back what `copy_state` gave, in place; what came to be since then becomes zero."""
        for place, value in self._state():
            if place in kept:
                value.copy_(kept[place])
            else:
                value.zero_()

    def _state(self) -> Iterator[tuple[tuple[Tensor, str], Tensor]]:
        for part in self._parts:
            for parameter, state in part.state.items():
                for name, value in state.items():
                    yield (parameter, name), value


class Muon(torch.optim.Optimizer):
    """`torch.optim.Muon`, its rate matched to AdamW's, in float32; states are interchangeable."""

    def __init__(self, matrices: list[nn.Parameter], *, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": 0.0, "weight_decay": weight_decay})
        self._moving: list[int] = []
        self._stacks: list[_Stack] = []

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Step once; matrices without a gradient stay."""
        (group,) = self.param_groups
        moving = [matrix for matrix in group["params"] if matrix.grad is not None]
        if [id(matrix) for matrix in moving] != self._moving:
            self._stack(moving)
        for stack in self._stacks:
            stack.step(group["lr"], group["weight_decay"])

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state, of this or of torch's Muon."""
        super().load_state_dict(state)
        self._moving, self._stacks = [], []

    def _stack(self, matrices: list[nn.Parameter]) -> None:
        """Sort matrices into stacks; their momentum goes along."""
        alike: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
        for matrix in matrices:
            short, long = sorted(matrix.shape)
            alike[
                -(-short // 32), next(n for n, most in enumerate(_LENGTHS) if long <= most)
            ].append(matrix)
        self._moving = [id(matrix) for matrix in matrices]
        self._stacks = [_Stack(members) for members in alike.values()]
        for stack in self._stacks:
            for matrix, momentum in zip(stack.matrices, stack.views(stack.momentum), strict=True):
                if "momentum_buffer" in self.state[matrix]:
                    momentum.copy_(self.state[matrix]["momentum_buffer"])
                self.state[matrix]["momentum_buffer"] = momentum


class _Stack:
    """Matrices of nearly one size, wide, in one batch; zeros that fill them up stay zeros.

    Attributes:
        matrices: The members.
        momentum: (n, rows, columns), of all of them.
    """

    MOMENTUM = 0.95
    COEFFICIENTS = (3.4445, -4.775, 2.0315)  # of Jordan et al.'s quintic iteration
    ITERATIONS = 5

    def __init__(self, matrices: list[nn.Parameter]) -> None:
        self.matrices = matrices
        rows = max(min(matrix.shape) for matrix in matrices)
        columns = max(max(matrix.shape) for matrix in matrices)
        self.momentum = matrices[0].new_zeros(len(matrices), rows, columns)
        self._gradients = torch.zeros_like(self.momentum)
        scales = [0.2 * max(matrix.shape) ** 0.5 for matrix in matrices]
        self._scales = self.momentum.new_tensor(scales).view(-1, 1, 1)

    def views(self, batch: Tensor) -> list[Tensor]:
        """Each member's part of a batch like `momentum`, in the member's own shape."""
        parts = []
        for row, matrix in enumerate(self.matrices):
            part = batch[row, : min(matrix.shape), : max(matrix.shape)]
            parts.append(part.T if matrix.shape[0] > matrix.shape[1] else part)
        return parts

    def step(self, rate: float | Tensor, weight_decay: float) -> None:
        """Step all members by their gradients."""
        for matrix, part in zip(self.matrices, self.views(self._gradients), strict=True):
            assert matrix.grad is not None
            part.copy_(matrix.grad)
        self.momentum.lerp_(self._gradients, 1 - self.MOMENTUM)
        updates = self._orthogonal(self._gradients.lerp(self.momentum, self.MOMENTUM))
        updates *= self._scales * -rate
        for matrix, update in zip(self.matrices, self.views(updates), strict=True):
            if weight_decay:
                matrix.mul_(1 - rate * weight_decay)
            matrix.add_(update)

    def _orthogonal(self, x: Tensor) -> Tensor:
        """The nearest orthogonal matrix of each, roughly (Newton–Schulz)."""
        x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
        a, b, c = self.COEFFICIENTS
        for _ in range(self.ITERATIONS):
            gram = x @ x.mT
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x


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
