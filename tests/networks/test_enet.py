"""ENet: published size and cost, rates, indices, activations and dropout where the paper has them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from pipeline.core.errors import ConfigError
from pipeline.networks.enet import ENet


def test_parameters_and_operations_as_published() -> None:
    network = ENet(3, 20).eval()
    assert 370_000 <= sum(p.numel() for p in network.parameters()) < 380_000
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, 640, 360))
    # 3.83 in the paper; the counter sees convolutions alone: normalisations, activations and sums are 0.10 more
    assert counter.get_total_flops() / 1e9 == pytest.approx(3.83, rel=0.05)


def test_second_stage_by_hand() -> None:
    # 1x1 128*32, 3x3 9*32*32 (5x1 and 1x5: 10*32*32), 1x1 32*128; normalisations 64 + 64 + 256; PReLU 32 + 32 + 128
    plain = 4096 + 9216 + 4096 + 384 + 192
    assert sum(p.numel() for p in ENet(1, 4).stage2.parameters()) == 6 * plain + 2 * (plain + 1024)


@pytest.mark.parametrize("stage", ["stage2", "stage3"])
def test_dilations_and_asymmetric_convolutions(stage: str) -> None:
    kinds = []
    for bottleneck in getattr(ENet(1, 2), stage):
        main = [m for m in bottleneck.branch if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
        kinds.append(main[0].dilation[0] if len(main) == 1 else tuple(m.kernel_size for m in main))
    asymmetric = ((5, 1), (1, 5))
    assert kinds == [1, 2, asymmetric, 4, 1, 8, asymmetric, 16]


@pytest.mark.parametrize("channels", [1, 3])
def test_initial_block_is_16_maps_of_which_the_last_are_the_pooled_input(channels: int) -> None:
    network = ENet(channels, 2)
    seen: list[torch.Tensor] = []
    network.initial.norm.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    x = torch.randn(2, channels, 16, 16)
    network(x)
    assert network.initial.conv.out_channels == 16 - channels
    assert seen[0].shape == (2, 16, 8, 8)
    torch.testing.assert_close(seen[0][:, 16 - channels :], functional.max_pool2d(x, 2))


def test_decoder_unpools_with_the_encoders_indices() -> None:
    network = ENet(1, 2)
    pooled: dict[str, torch.Tensor] = {}
    used: dict[str, torch.Tensor] = {}
    for name, down, up in (("16 maps", network.down1, network.up5), ("64 maps", network.down2, network.up4)):
        down.pool.register_forward_hook(lambda _, __, out, name=name: pooled.update({name: out[1]}))
        up.unpool.register_forward_hook(lambda _, inputs, __, name=name: used.update({name: inputs[1]}))
    network(torch.randn(2, 1, 32, 32))
    assert pooled["16 maps"].shape == (2, 16, 8, 8)
    assert pooled["64 maps"].shape == (2, 64, 4, 4)
    torch.testing.assert_close(used, pooled)


def test_missing_channels_of_the_downsampled_input_are_zero() -> None:
    down = ENet(1, 2).down1.eval()
    nn.init.zeros_(down.branch[-2].weight)  # the branch's last normalisation: only the pooled input is left
    x = torch.rand(1, 16, 8, 8)
    y, _ = down(x)
    torch.testing.assert_close(y[:, :16], functional.max_pool2d(x, 2))
    assert not y[:, 16:].any()


def test_prelu_in_the_encoder_and_relu_in_the_decoder() -> None:
    network = ENet(1, 2)
    for name, part in network.named_children():
        kinds = {type(m) for m in part.modules() if isinstance(m, nn.PReLU | nn.ReLU)}
        decoder = name in ("up4", "stage4", "up5", "stage5")
        assert kinds == ({nn.ReLU} if decoder else set() if name == "classifier" else {nn.PReLU})


def test_dropout_of_whole_channels_grows_after_the_first_stage() -> None:
    rates = {
        name: {m.p for m in part.modules() if isinstance(m, nn.Dropout2d)} for name, part in ENet(1, 2).named_children()
    }
    assert rates["down1"] == rates["stage1"] == {0.01}
    assert all(rates[name] == {0.1} for name in ("down2", "stage2", "stage3", "up4", "stage4", "up5", "stage5"))


def test_layout_in_memory_does_not_change_what_is_unpooled() -> None:
    network = ENet(1, 2).eval()
    x = torch.randn(2, 1, 40, 48)
    with torch.inference_mode():
        expected = network(x)
        found = network.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("channels", [0, 16])
def test_channels_beyond_the_initial_block_are_refused(channels: int) -> None:
    with pytest.raises(ConfigError, match="1 to 15"):
        ENet(channels, 2)
