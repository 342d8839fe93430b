"""FCN-32s, -16s, -8s: published size and view, bilinear upsampling, sums of scores."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.fcn import FCN, dense_as_convolutions
from pipeline.networks.layers.arithmetic import receptive_field
from pipeline.networks.layers.upsampling import bilinear_kernel


def _small(stride: int = 8) -> FCN:
    torch.manual_seed(0)
    return FCN(1, 4, stride=stride, backbone="vgg11", fc_channels=8).eval()


@pytest.mark.parametrize(
    ("stride", "skips", "upsampling"),
    [
        (32, 0, 64 * 64),
        (16, 512 * 21 + 21, 32 * 32 + 4 * 4),
        (8, 512 * 21 + 21 + 256 * 21 + 21, 16 * 16 + 2 * 4 * 4),
    ],
)
def test_parameters_of_the_paper(stride: int, skips: int, upsampling: int) -> None:
    with torch.device("meta"):
        network = FCN(3, 21, stride=stride)
    # the paper prints 134 M: VGG-16's 134,260,544 below its last layer, and the scores
    dense = 14_714_688 + (512 * 7 * 7 + 1) * 4096 + 4097 * 4096
    assert dense == 134_260_544
    n_layers = {32: 1, 16: 2, 8: 3}[stride]
    expected = dense + 4097 * 21 + skips + 21 * 21 * upsampling + n_layers * 21
    assert sum(p.numel() for p in network.parameters()) == expected


def test_receptive_field_of_the_paper() -> None:
    with torch.device("meta"):
        network = FCN(3, 21)
    layers = [m for m in [*network.backbone.features, *network.dense] if isinstance(m, nn.Conv2d | nn.MaxPool2d)]
    as_pair = [(m.kernel_size, m.stride) for m in layers]
    kernels = [(k if isinstance(k, int) else k[0], s if isinstance(s, int) else s[0]) for k, s in as_pair]
    assert receptive_field([(kernel, stride, 1) for kernel, stride in kernels]) == 404


def test_dense_layers_are_a_7x7_and_a_1x1(probed_extent) -> None:
    dense = dense_as_convolutions(1, 4)
    assert [m.kernel_size for m in dense if isinstance(m, nn.Conv2d)] == [(7, 7), (1, 1)]
    assert [m.p for m in dense if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    assert probed_extent(dense, 15) == 7
    assert probed_extent(dense_as_convolutions(1, 4, kernel=3, dilation=4), 15) == 9


def test_wide_layers_train_in_parts_with_the_same_result() -> None:
    torch.manual_seed(0)
    wide, x = dense_as_convolutions(2, 1100, kernel=3, dilation=4)[0], torch.randn(1, 2, 5, 7)
    plain = nn.Conv2d(2, 1100, 3, padding=4, dilation=4)
    plain.load_state_dict(wide.state_dict())
    gradients = []
    for convolution in (wide.train(), plain):
        y = convolution(x)
        torch.testing.assert_close(y, plain(x))
        (y * torch.arange(1100)[:, None, None]).sum().backward()
        gradients.append([p.grad for p in convolution.parameters()])
    torch.testing.assert_close(*gradients)


def test_upsampling_starts_bilinear_and_learns() -> None:
    network = _small()
    layers = [*network.doublings, network.upsampling]
    assert [layer.stride[0] for layer in layers] == [2, 2, 8]
    for layer in layers:
        kernel = bilinear_kernel(layer.stride[0])
        torch.testing.assert_close(layer.weight.detach(), torch.eye(4)[:, :, None, None] * kernel)
        assert layer.weight.requires_grad


@pytest.mark.parametrize("stride", [16, 8])
def test_skips_start_silent(stride: int) -> None:
    network = _small(stride)
    assert not any(p.any() for p in network.skip_scores.parameters())
    assert network.score.weight.std() > 0


def test_scores_of_pool4_and_pool3_are_summed() -> None:
    network = _small()
    for name, parameter in network.named_parameters():
        if name.startswith("skip_scores"):
            nn.init.normal_(parameter)
    x = torch.randn(1, 1, 64, 96)
    pool3 = network.backbone.features[:11](x)
    pool4 = network.backbone.features[11:16](pool3)
    pool5 = network.backbone.features[16:](pool4)
    assert [tuple(p.shape) for p in (pool3, pool4, pool5)] == [(1, 256, 8, 12), (1, 512, 4, 6), (1, 512, 2, 3)]
    with torch.inference_mode():
        scores = functional.conv_transpose2d(
            network.score(network.dense(pool5)), network.doublings[0].weight, stride=2, padding=1
        )
        scores = scores + network.skip_scores[0](pool4)
        scores = functional.conv_transpose2d(scores, network.doublings[1].weight, stride=2, padding=1)
        scores = scores + network.skip_scores[1](pool3)
        expected = functional.conv_transpose2d(scores, network.upsampling.weight, stride=8, padding=4)
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)


def test_fcn_32s_has_no_skip() -> None:
    network = _small(32)
    assert len(network.skip_scores) == len(network.doublings) == 0
    assert network.upsampling.stride == (32, 32)


def test_constant_scores_come_back_unshifted() -> None:
    network = _small()
    nn.init.zeros_(network.score.weight)
    network.score.bias.data = torch.tensor([1.0, 2.0, 3.0, 4.0])
    with torch.inference_mode():
        logits = network(torch.zeros(1, 1, 96, 96))
    torch.testing.assert_close(logits[0, :, 48, 48], torch.tensor([1.0, 2.0, 3.0, 4.0]))
    torch.testing.assert_close(logits, logits.flip(2, 3))


def test_other_strides_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"one of \[8, 16, 32\], got 4"):
        FCN(1, 2, stride=4)
