"""Attention over the latent of a face: the part of the mapping that knows the whole of it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class LatentAttention(nn.Module):
    """Self-attention, with a learned code for each place in the face.

    Where structure is lost, the rest of the face says what it was (the partial non-local block of
    Wan et al. 2020 has the same end); the code of the place is what the alignment makes meaningful.
    """

    def __init__(self, channels: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.place = nn.Parameter(torch.zeros(1, channels, side, side))
        self.norm = nn.LayerNorm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Sides other than the native one stretch the codes."""
        n, channels, height, width = x.shape
        place: Tensor = self.place
        if place.shape[-2:] != (height, width):
            place = F.interpolate(place, (height, width), mode="bilinear", align_corners=False)
        tokens = self.norm((x + place).flatten(2).transpose(1, 2))  # (n, hw, c)
        split = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (n, heads, hw, c/heads)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        drawn: Tensor = self.project(mixed).transpose(1, 2)
        return x + drawn.reshape(n, channels, height, width)
