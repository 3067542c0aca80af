"""What several tests of networks need."""

import torch
from torch import nn

from restorecli.networks.blocks import ChannelAttention


def wake(network: nn.Module) -> None:
    """Give every parameter a value that lets gradients through.

    Zero-initialised exits would hide what is before them, and a ReLU in the dark does the same.
    """
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    for module in network.modules():
        if isinstance(module, ChannelAttention):
            nn.init.ones_(module.squeeze.bias)  # type: ignore[arg-type]
