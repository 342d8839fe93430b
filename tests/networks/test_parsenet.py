"""ParseNet: normalisation by hand, context pooled over the image, what is concatenated."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.parsenet import GlobalContext, L2Norm, ParseNet


def _small(**settings: object) -> ParseNet:
    torch.manual_seed(0)
    return ParseNet(1, 3, backbone="vgg11", fc_channels=8, **settings).eval()


def test_l2_norm_by_hand() -> None:
    norm = L2Norm(2)
    x = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
    torch.testing.assert_close(norm(x), torch.tensor([[[[6.0, 0.0]], [[8.0, 0.0]]]]))
    norm.scale.data[1] = 5.0
    torch.testing.assert_close(norm(x)[0, :, 0, 0], torch.tensor([6.0, 4.0]))


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_l2_norm_forgets_size_in_half_precision_too(size: float) -> None:
    x = size * torch.tensor([[[[3.0]], [[4.0]]]])
    found = L2Norm(2, scale=20.0)(x.half())
    assert found.dtype == torch.half
    torch.testing.assert_close(found.flatten().float(), torch.tensor([12.0, 16.0]), rtol=1e-2, atol=0)


def test_l2_norm_learns_its_scale() -> None:
    norm = L2Norm(2)
    norm(torch.tensor([[[[3.0]], [[4.0]]]])).sum().backward()
    torch.testing.assert_close(norm.scale.grad.flatten(), torch.tensor([0.6, 0.8]))


def test_global_context_by_hand() -> None:
    # channels average 3 and 4 over the two pixels: (0.6, 0.8) in direction
    x = torch.tensor([[[[6.0, 0.0]], [[8.0, 0.0]]]])
    expected = torch.tensor([[[[6.0, 0.0]], [[8.0, 0.0]], [[6.0, 6.0]], [[8.0, 8.0]]]])
    torch.testing.assert_close(GlobalContext(2)(x), expected)


def test_global_context_scales_apart() -> None:
    context = GlobalContext(2, scale=20.0)
    nn.init.constant_(context.global_norm.scale, 1.0)
    y = context(torch.rand(1, 2, 3, 5) + 1)
    torch.testing.assert_close(y[:, :2].norm(dim=1), torch.full((1, 3, 5), 20.0))
    torch.testing.assert_close(y[:, 2:].norm(dim=1), torch.ones(1, 3, 5))


def test_parameters_of_the_papers_baseline_and_context() -> None:
    with torch.device("meta"):
        network = ParseNet(3, 21)
    baseline = 14_714_688 + (512 * 9 + 1) * 1024 + 1025 * 1024
    assert sum(p.numel() for p in network.parameters()) == baseline + 2 * 1024 + (2 * 1024 + 1) * 21


def test_backbone_of_stride_8_with_a_large_field_of_view() -> None:
    network = _small()
    assert network.backbone(torch.zeros(1, 1, 64, 48)).shape == (1, 512, 8, 6)
    assert {m.dilation[0] for m in network.backbone.stage(4) if isinstance(m, nn.Conv2d)} == {2}
    assert (network.dense[0].kernel_size, network.dense[0].dilation) == ((3, 3), (12, 12))


def test_classifier_sees_local_features_and_what_is_everywhere() -> None:
    network = _small()
    seen: list[torch.Tensor] = []
    network.classifier.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    x = torch.randn(1, 1, 40, 48)
    with torch.inference_mode():
        network(x)
        features = network.dense(network.backbone(x))
    joined = seen[0]
    assert joined.shape == (1, 16, 5, 6)
    torch.testing.assert_close(joined[:, :8], network.context.local_norm(features).detach())
    direction = features.mean(dim=(2, 3))
    expected = 10 * direction / direction.norm()
    torch.testing.assert_close(joined[:, 8:], expected[:, :, None, None].expand(1, 8, 5, 6))


def test_every_pixel_depends_on_the_whole_image() -> None:
    network = _small()
    x = torch.randn(1, 1, 256, 64, requires_grad=True)
    network(x)[0, :, 0, 0].square().sum().backward()
    assert (x.grad[0, 0, 240:].abs().sum(1) > 0).any()


def test_other_families_are_refused() -> None:
    with pytest.raises(ConfigError, match="VGG must be one of"):
        ParseNet(1, 2, backbone="resnet18")
