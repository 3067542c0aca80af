"""The denoiser's network: size law, starting point, gradients, refusals."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from restorecli.networks.blocks import (
    ChannelAttention,
    ChannelAttentionBlock,
    SpectralGate,
    inverse_rfft2,
    neighbourhood_mean,
)
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from restorecli.networks.windows import Windows
from tests.networks.conftest import wake

SMALL = Windows(side=32, overlap=8)
TILES = slice(0, 256), slice(192, 448), slice(216, 448)
TINY = DenoiserConfig(widths=(4, 8), encoder_blocks=(1, 1), decoder_blocks=(1,), gates=(4, 4))


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 2))
def test_size_law(rows: int, columns: int, batch: int) -> None:
    network = Denoiser(TINY)
    height, width = rows * network.multiple, columns * network.multiple
    image, features = network(torch.rand(batch, 3, height, width))
    assert image.shape == (batch, 3, height, width)
    assert features.shape == (batch, 4, height, width)
    assert image.dtype == torch.float32


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_the_neighbourhood_is_seven_wide_and_ends_at_the_border(
    height: int, width: int, seed: int
) -> None:
    level = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    padded = nn.functional.pad(level, (3, 3, 3, 3), value=float("nan"))
    around = nn.functional.unfold(padded, 7).view(2, 3, 49, height, width)
    torch.testing.assert_close(neighbourhood_mean(level), around.nanmean(2))


def test_every_parameter_takes_part() -> None:
    network = Denoiser(TINY)
    wake(network)
    image, features = network(torch.rand(1, 3, 16, 16))
    (image.square().mean() + features.square().mean()).backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_other_windows_are_other_statistics_of_the_same_weights() -> None:
    network = Denoiser(replace(TINY, window=32, window_overlap=8)).eval()
    wake(network)
    photo = torch.rand(1, 3, 72, 64, generator=torch.Generator().manual_seed(3))
    same, wider = network.windowed(32), network.windowed(56)
    assert torch.equal(same.picture(photo), network.picture(photo))
    assert not torch.equal(wider.picture(photo), network.picture(photo))
    assert torch.equal(wider.picture(photo), network.windowed(32).windowed(56).picture(photo))
    own = dict(network.named_parameters())
    assert all(p.data_ptr() == own[name].data_ptr() for name, p in wider.named_parameters())
    assert (wider.training, wider.multiple, wider.overlap) == (False, 4 // 2, 8)
    assert network.train().windowed(56).training


def test_larger_windows_see_what_fits_into_a_small_one_as_it_does() -> None:
    network = Denoiser(replace(TINY, window=32, window_overlap=8)).eval()
    wake(network)
    photo = torch.rand(1, 3, 32, 24, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(network.windowed(56).picture(photo), network.picture(photo))


def test_what_inference_keeps_serves_training_too() -> None:
    """Windows' shares and the like are kept from call to call; gradients go through them later."""
    network = Denoiser(replace(TINY, window=40, window_overlap=8))
    wake(network)
    x = torch.rand(1, 3, 72, 40)  # of no other test
    with torch.inference_mode():
        inferred = network.picture(x)
    image, _ = network(x)
    image.square().mean().backward()
    torch.testing.assert_close(image.detach(), inferred)


def test_a_gate_starts_as_nothing() -> None:
    x = torch.rand(1, 6, 16, 16)
    assert torch.equal(SpectralGate(6, 4, SMALL)(x), x)


def test_a_gate_can_take_a_pattern_away_wherever_it_is() -> None:
    """A gate closed on the peaks returns the same picture for any phase of the pattern."""
    torch.manual_seed(0)
    gate = SpectralGate(1, 4, SMALL)
    for parameter in gate.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.arange(32).float()
    wave = torch.cos(2 * torch.pi * x / 8).expand(1, 1, 32, 32)
    change = gate(wave) - wave
    moved = gate(wave.roll(3, 3)) - wave.roll(3, 3)
    torch.testing.assert_close(change.roll(3, 3), moved, atol=1e-5, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**31))
def test_the_inverse_takes_what_a_real_picture_can_have(height: int, width: int, seed: int) -> None:
    """Of the columns that are their own mirror image only the half that has the symmetry counts."""
    generator = torch.Generator().manual_seed(seed)
    half = torch.randn(2, height, width // 2 + 1, dtype=torch.complex64, generator=generator)
    columns = torch.arange(half.shape[-1])
    own = (columns == 0) | (2 * columns == width)
    mirrored = half.flip(1).roll(1, 1).conj()
    symmetric = torch.where(own, (half + mirrored) / 2, half)
    full = torch.zeros(2, height, width, dtype=torch.complex64)
    full[..., : half.shape[-1]] = symmetric
    rest = torch.arange(half.shape[-1], width)
    full[..., rest] = symmetric.flip(1).roll(1, 1).conj()[..., width - rest]
    picture = torch.fft.ifft2(full, norm="ortho")
    assert float(picture.imag.abs().max()) < 1e-5
    torch.testing.assert_close(inverse_rfft2(half, width), picture.real, atol=1e-5, rtol=1e-4)


def test_a_flat_picture_has_finite_gradients() -> None:
    """All its frequencies but one have magnitude zero, where the root has no slope."""
    gate = SpectralGate(2, 4, SMALL)
    wake(gate)
    gate(torch.zeros(1, 2, 48, 40)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in gate.parameters())


def test_gates_can_be_left_out() -> None:
    config = DenoiserConfig(widths=(4, 8), encoder_blocks=(1, 1), decoder_blocks=(1,), gates=(0, 0))
    network = Denoiser(config)
    assert not any(isinstance(module, SpectralGate) for module in network.modules())
    assert network(torch.rand(1, 3, 8, 8))[0].shape == (1, 3, 8, 8)


def test_levels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one number a level"):
        DenoiserConfig(widths=(4, 8), encoder_blocks=(1,), decoder_blocks=(1,), gates=(4, 4))


def test_channel_attention_scales_whole_channels() -> None:
    x = torch.rand(2, 8, 5, 5)
    ratio = ChannelAttention(8, SMALL)(x) / x
    assert torch.allclose(ratio, ratio[..., :1, :1].expand_as(ratio))
    assert ChannelAttentionBlock(8, SMALL)(x).shape == x.shape


def test_statistics_belong_to_windows_not_to_the_picture() -> None:
    """A tile that starts on the grid gives what the whole photo gives there."""
    config = DenoiserConfig(
        widths=(4, 8),
        encoder_blocks=(1, 1),
        decoder_blocks=(1,),
        gates=(4, 4),
        window=64,
        window_overlap=16,
    )
    network = Denoiser(config)
    wake(network)
    for module in network.modules():  # so that much depends on what a window holds
        if isinstance(module, SpectralGate):
            for parameter in module.parameters():
                nn.init.normal_(parameter, std=0.5)
    photo = torch.rand(1, 3, 96, 448) * torch.linspace(0, 4, 448).cos()
    assert (network.step, network.overlap) == (48, 16)
    with torch.inference_mode():
        whole = network(photo)[0]
        left, on, off = (network(photo[..., part])[0] for part in TILES)
    inner = (left - whole[..., :256])[..., :160].abs().mean()
    on_grid = (on - whole[..., 192:])[..., 96:].abs().mean()
    off_grid = (off - whole[..., 216:])[..., 96:].abs().mean()
    assert max(inner, on_grid) < 0.1 * off_grid


def test_channel_attention_over_windows_agrees_with_one_window() -> None:
    """Where all windows have the same mean, the weights are those of a single one."""
    attention = ChannelAttention(8, SMALL)
    x = torch.rand(1, 8, 8, 8).repeat(1, 1, 11, 10)
    one = ChannelAttention(8, Windows(side=128, overlap=8))
    one.load_state_dict(attention.state_dict())
    torch.testing.assert_close(attention(x), one(x), atol=1e-5, rtol=1e-4)
