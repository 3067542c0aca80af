"""A training step as one CUDA graph: the rate is a tensor, nothing waits for the host.

A step of a small network is thousands of small operations, and launching them takes longer than
what they do. A graph launches them at once.
"""

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.engine.feed import Batch
from training.engine.optimizer import Optimizer

Terms = dict[str, Tensor]
WARM_UPS = 3  # steps that PyTorch wants before it captures one
IN_FLIGHT = 2  # steps that the host may be ahead


class CapturedStep:
    """Steps of a network on batches; on a GPU each shape of a batch gets its graph.

    Where there is no GPU, or capturing fails, the same operations are launched one by one.

    Args:
        network: What is trained.
        average: Its moving average.
        optimizer: Of the network's parameters.
        losses: Weighted loss terms of a batch, on the network's device.
        low: Whether the forward pass is in bfloat16.
    """

    def __init__(
        self,
        network: nn.Module,
        average: nn.Module,
        optimizer: Optimizer,
        losses: Callable[[nn.Module, Batch], Terms],
        *,
        low: bool,
    ) -> None:
        self._network, self._average = network, average
        self._optimizer, self._losses, self._low = optimizer, losses, low
        device = next(network.parameters()).device
        self._device = device
        self._captures = device.type == "cuda"
        if self._captures:
            optimizer.make_capturable()
        self._rate, self._share, self._skipped, self._moved = torch.zeros(4, device=device)
        self._batch: Batch = {}
        self._terms: Terms = {}
        self._graph: torch.cuda.CUDAGraph | None = None
        self._events: deque[torch.cuda.Event] = deque()

    @property
    def skipped(self) -> int:
        """Steps whose gradient was not finite; nothing was learnt from them."""
        return int(self._skipped)

    def __call__(self, batch: Batch, rate: float, share: float) -> Terms:
        """Step.

        Args:
            batch: Of a shape that may differ from the last one's.
            rate: Learning rate.
            share: Of the new weights in the average.

        Returns:
            Loss terms, 0 where the step was skipped. The next step overwrites them.
        """
        if self._captures and not self._fits(batch):
            self._try_to_capture(batch)
        self._rate.fill_(rate)
        self._share.fill_(share)
        if self._graph is None:
            return self._step(batch)
        for name, values in batch.items():
            self._batch[name].copy_(values)
        self._graph.replay()
        self._keep_in_step()
        return self._terms

    def _step(self, batch: Batch) -> Terms:
        with torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._low, cache_enabled=False
        ):
            terms = self._losses(self._network, batch)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            finite = self._clip()
            self._moved.copy_(self._rate * finite)
            self._optimizer.step(self._moved)
            share = self._share * finite
            for mean, value in zip(
                self._average.parameters(), self._network.parameters(), strict=True
            ):
                mean.lerp_(value, share)
            self._skipped += ~finite
            return {name: torch.where(finite, value, 0) for name, value in terms.items()}

    def _clip(self) -> Tensor:
        """Bound the gradients' norm by 1, or make them 0 where it is not finite."""
        gradients = [p.grad for p in self._network.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        finite = norm.isfinite()
        factor = torch.where(finite, (1 / (norm + 1e-6)).clamp(max=1), 0)
        for gradient in gradients:
            gradient.nan_to_num_(0, 0, 0).mul_(factor)
        return finite

    def _fits(self, batch: Batch) -> bool:
        shapes = {name: values.shape for name, values in self._batch.items()}
        return shapes == {name: values.shape for name, values in batch.items()}

    def _try_to_capture(self, batch: Batch) -> None:
        """Capture a step on batches of this shape; what the trial steps learn is undone."""
        state, skipped = self._optimizer.copy_state(), self._skipped.clone()
        self._rate.zero_()
        self._share.zero_()
        try:
            self._capture(batch)
        except RuntimeError as error:
            torch.cuda.synchronize()
            self._captures, self._graph = False, None
            print(f"no CUDA graph, plain steps: {str(error).splitlines()[0]}", flush=True)
        self._network.zero_grad(set_to_none=True)
        self._optimizer.restore_state(state)
        self._skipped.copy_(skipped)

    def _capture(self, batch: Batch) -> None:
        self._graph = None
        self._batch = {name: values.clone() for name, values in batch.items()}
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    self._step(self._batch)
            torch.cuda.current_stream().wait_stream(side)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._terms = self._step(self._batch)
        self._graph = graph

    def _keep_in_step(self) -> None:
        """Wait for the step before last: the host has no reason to be further ahead."""
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self._events.append(event)
        if len(self._events) > IN_FLIGHT:
            self._events.popleft().synchronize()
