"""Several processes that train one network, each on its share of every batch.

`torchrun --nproc-per-node 2 -m training.train -- recipe.toml …` starts them. On a CPU two processes
of one thread each are well ahead of one process of two threads. Each process holds the whole
network; gradients are averaged before every step, so all take the same one, and the result is that
of one process with the whole batch but for rounding. For CPUs: one GPU wants one process.
"""

import atexit
import os

import torch
import torch.distributed as dist
from torch import Tensor, nn


class ProcessGroup:
    """The processes of a run; of one, if `torchrun` did not start this one.

    Attributes:
        rank: Number of this process. Process 0 alone writes and speaks.
        size: How many there are.
    """

    def __init__(self) -> None:
        self.rank, self.size = 0, 1
        if dist.is_torchelastic_launched():
            if not dist.is_initialized():
                dist.init_process_group("gloo")
                atexit.register(dist.destroy_process_group)  # its threads would outlive Python
            self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])

    def share(self, seeds: Tensor) -> Tensor:
        """The samples of a batch that are this process's.

        Raises:
            ValueError: The batch does not divide; the mean of the means would not be its mean.
        """
        if len(seeds) % self.size:
            raise ValueError(f"a batch of {len(seeds)} does not divide by {self.size} processes")
        return seeds[self.rank :: self.size]

    def average_gradients(self, network: nn.Module) -> None:
        """Replace every gradient by its mean over the processes."""
        if self.size == 1:
            return
        gradients = [value.grad for value in network.parameters() if value.grad is not None]
        joined = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(joined)
        joined /= self.size
        parts = torch.split(joined, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def any_rank(self, flag: bool) -> bool:
        """Whether any process says so; all get the same answer."""
        if self.size == 1:
            return flag
        flags = torch.tensor([float(flag)])
        dist.all_reduce(flags, op=dist.ReduceOp.MAX)
        return bool(flags.item())
