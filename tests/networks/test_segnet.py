"""SegNet and DeconvNet: published size and cost, the encoder's indices in the decoder, mirrored widths."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from pipeline.core.errors import ConfigError
from pipeline.networks.segnet import DeconvNet, SegNet


def _channels(stage: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_channels, m.out_channels) for m in stage.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


def test_segnet_parameters_and_operations_as_published() -> None:
    with torch.device("meta"):
        network = SegNet(3, 21).eval()
        with FlopCounterMode(display=False) as counter:
            assert network(torch.empty(1, 3, 640, 360)).shape == (1, 21, 640, 360)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(29.46, abs=0.005)
    # 286.03 in print; rounded up, 45 pixels are pooled to 23 and 12, not 22 and 11: 0.4 % more
    assert counter.get_total_flops() / 1e9 == pytest.approx(286.03, rel=0.005)


def test_segnet_operations_at_even_sizes_by_hand() -> None:
    with torch.device("meta"):
        network = SegNet(1, 2, backbone="vgg11").eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 1, 32, 32))
    # (pixels) x (weights of 3x3 convolutions, over 9): encoder, then decoder
    encoder = 1024 * 64 + 256 * 64 * 128 + 64 * (128 + 256) * 256 + 16 * (256 + 512) * 512 + 4 * 2 * 512**2
    decoder = 4 * 2 * 512**2 + 16 * (512 + 256) * 512 + 64 * (256 + 128) * 256 + 256 * 128 * 64 + 1024 * 64 * 2
    assert counter.get_total_flops() == 2 * 9 * (encoder + decoder)


def test_segnet_decoder_mirrors_the_encoder() -> None:
    network = SegNet(3, 21)
    assert [_channels(stage) for stage in network.decoder] == [
        [(512, 512)] * 3, [(512, 512), (512, 512), (512, 256)], [(256, 256), (256, 256), (256, 128)],
        [(128, 128), (128, 64)], [(64, 64)],
    ]  # fmt: skip
    assert _channels(network.classifier) == [(64, 21)]
    convs = sum(isinstance(m, nn.Conv2d) for m in network.modules())
    assert (convs, sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())) == (26, 25)


def test_deconvnet_mirrors_through_a_vector() -> None:
    with torch.device("meta"):
        network = DeconvNet(3, 21)
    assert [_channels(stage) for stage in network.decoder] == [
        [(512, 512)] * 3, [(512, 512), (512, 512), (512, 256)], [(256, 256), (256, 256), (256, 128)],
        [(128, 128), (128, 64)], [(64, 64), (64, 64)],
    ]  # fmt: skip
    assert _channels(network.dense) == [(512, 4096), (4096, 4096), (4096, 512)]
    kinds = [type(m) for m in network.decoder.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert kinds == [nn.ConvTranspose2d] * 13
    sizes = []
    for layer in network.dense:
        layer.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[2:])))
    network.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    assert sizes == [(1, 1)] * 6 + [(7, 7)] * 3


def test_deconvnet_parameters_by_hand() -> None:
    with torch.device("meta"):
        network = DeconvNet(3, 21)
    normalised = 14_714_688 + 2 * 4_224
    dense = (512 * 49 * 4096 + 3 * 4096) + (4096 * 4096 + 3 * 4096) + (4096 * 49 * 512 + 3 * 512)
    # the encoder backwards: its first convolution (3 -> 64) has the mirror 64 -> 64; biases and normalisations
    # belong to what comes out
    decoder = 14_714_688 - 4_224 - 9 * 3 * 64 + 9 * 64 * 64
    outputs = 3 * 512 + 2 * 512 + 256 + 2 * 256 + 128 + 128 + 64 + 2 * 64
    expected = normalised + dense + decoder + 3 * outputs + 64 * 21 + 21
    assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize("make", [SegNet, lambda *n, **s: DeconvNet(*n, fc_channels=8, fc_kernel=1, **s)])
def test_decoder_unpools_with_the_encoders_indices(make, monkeypatch) -> None:
    torch.manual_seed(0)
    network = make(1, 2, backbone="vgg11").eval()
    pooled: list[torch.Tensor] = []
    used: list[torch.Tensor] = []
    pool, unpool = functional.max_pool2d, functional.max_unpool2d

    def recording_pool(*args, **kwargs):
        pooled.append(pool(*args, **kwargs)[1])
        return pool(*args, **kwargs)

    def recording_unpool(x, indices, *args, **kwargs):
        used.append(indices)
        return unpool(x, indices, *args, **kwargs)

    monkeypatch.setattr(functional, "max_pool2d", recording_pool)
    monkeypatch.setattr(functional, "max_unpool2d", recording_unpool)
    with torch.inference_mode():
        network(torch.randn(1, 1, 45, 38))
    assert [tuple(one.shape[1:]) for one in pooled] == [
        (64, 23, 19), (128, 12, 10), (256, 6, 5), (512, 3, 3), (512, 2, 2),
    ]  # fmt: skip
    torch.testing.assert_close(used, pooled[::-1])


def test_layout_in_memory_does_not_change_what_is_unpooled() -> None:
    torch.manual_seed(0)
    network = SegNet(1, 2, backbone="vgg11").eval()
    x = torch.randn(2, 1, 40, 37)
    with torch.inference_mode():
        expected = network(x)
        found = network.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("size", "padded"), [((20, 70), (64, 70)), ((64, 64), (64, 64)), ((90, 65), (90, 65))])
def test_deconvnet_pads_only_images_below_its_vector(size: tuple[int, int], padded: tuple[int, int]) -> None:
    network = DeconvNet(1, 3, backbone="vgg11", fc_channels=4, fc_kernel=2).eval()
    seen: list[torch.Size] = []
    network.backbone.features[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[2:]))
    with torch.inference_mode():
        assert network(torch.randn(1, 1, *size)).shape == (1, 3, *size)
    assert seen == [padded]


def test_deconvnet_refuses_to_normalise_one_vector() -> None:
    network = DeconvNet(1, 2, backbone="vgg11", fc_channels=4, fc_kernel=1).train()
    with pytest.raises(ValueError, match="batch of at least 2 or images above 32 pixels"):
        network(torch.randn(1, 1, 32, 30))
    assert network(torch.randn(1, 1, 33, 30)).shape == (1, 2, 33, 30)
    assert network.eval()(torch.randn(1, 1, 32, 30)).shape == (1, 2, 32, 30)


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="VGG must be one of"):
        SegNet(1, 2, backbone="resnet18")
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        DeconvNet(1, 2, fc_kernel=0)
