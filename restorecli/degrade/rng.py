"""Counter-based random numbers: one seed a sample, the same numbers in any batch on any device.

A generator with state would tie a sample to its place in the batch. Here every number is a hash of
(seed, stream, counter), as in Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
with a 32-bit finaliser of low bias in place of Philox. Good for pictures, not for cryptography.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

_MASK = 0xFFFFFFFF
_TABLE = 256  # numbers of a sample that are hashed at once; far fewer kernels than one by one


def mix(value: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Hash integers to [0, 2^32): an xor-shift-multiply finaliser applied elementwise.

    Args:
        value: int64; only its lower 32 bits count.
    """
    value = value & _MASK
    value = (value ^ (value >> 16)) * 0x7FEB352D & _MASK
    value = (value ^ (value >> 15)) * 0x846CA68B & _MASK
    return value ^ (value >> 16)


def _narrow(value: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Numbers in [0, 2^32) as int32 of the same bits."""
    return torch.where(value >= 2**31, value - 2**32, value).int()


def _mix_narrow(value: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """`mix` in int32, in place: several times faster, for pixels; the same bits."""
    value ^= (value >> 16) & 0xFFFF
    value *= 0x7FEB352D
    value ^= (value >> 15) & 0x1FFFF
    value *= 0x846CA68B - 2**32
    value ^= (value >> 16) & 0xFFFF
    return value


def combine(seeds: Int[Tensor, "..."], other: Int[Tensor, "..."] | int) -> Int[Tensor, "..."]:
    """Derive seeds from seeds: equal inputs give equal seeds, different ones unrelated seeds."""
    return mix(mix(seeds) * 0x9E3779B1 + other + 0x7F4A7C15)


class Draws:
    """A row of random numbers for each sample; every call takes the next ones.

    Attributes:
        seeds: (n,) int64, hashed; the device of the numbers is theirs.
    """

    def __init__(self, seeds: Int[Tensor, " n"], stream: int = 0) -> None:
        self.seeds = combine(seeds, stream)
        self._taken = 0
        self._table = self._numbers(0)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Float[Tensor, " n"]:
        """One number in [low, high) for each sample."""
        place = self._taken % _TABLE
        if self._taken and place == 0:
            self._table = self._numbers(self._taken)
        self._taken += 1
        return low + (high - low) * self._table[place]

    def log_uniform(self, low: float, high: float) -> Float[Tensor, " n"]:
        """One number in [low, high), its logarithm uniform."""
        return self.uniform(math.log(low), math.log(high)).exp()

    def chance(self, probability: float) -> Tensor:
        """(n,) bool, true with the given probability."""
        return self.uniform() < probability

    def integers(self, low: int, high: int) -> Int[Tensor, " n"]:
        """One integer in [low, high) for each sample."""
        return (low + (self.uniform() * (high - low)).long()).clamp(max=high - 1)

    def sign(self) -> Float[Tensor, " n"]:
        """-1 or 1 for each sample."""
        return torch.where(self.chance(0.5), 1.0, -1.0)

    def normal_field(self, channels: int, height: int, width: int) -> Float[Tensor, "n c h w"]:
        """Standard normal noise (Box–Muller), independent for each sample, channel and pixel.

        One 32-bit hash serves two pixels: 16 bits are their radius (σ up to 4.8), 16 their angle.
        """
        self._taken += 1
        count = channels * height * width
        seeds = _narrow(combine(self.seeds, self._taken)).view(-1, 1)
        pairs = torch.arange(-(-count // 2), device=seeds.device, dtype=torch.int32).view(1, -1)
        hashed = _mix_narrow(seeds + pairs * 2 + ((seeds >> 7) & 0x1FFFFFF))
        radius = ((hashed & 0xFFFF).float() + 0.5).mul_(2**-16).log_().mul_(-2).sqrt_()
        angle = (hashed >> 16).float().mul_(2 * math.pi / 2**16)
        field = torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], 1)
        return field[:, :count].reshape(-1, channels, height, width)

    def subset(self, where: Int[Tensor, " m"]) -> "Draws":
        """The same rows for some of the samples; what they draw depends on their seeds alone."""
        part = Draws.__new__(Draws)
        part.seeds = self.seeds[where]
        part._taken = self._taken
        part._table = self._table[:, where]
        return part

    def _numbers(self, first: int) -> Float[Tensor, "t n"]:
        counters = torch.arange(first + 1, first + _TABLE + 1, device=self.seeds.device)
        return combine(self.seeds.view(1, -1), counters.view(-1, 1)).float() / (2**32 + 512)
