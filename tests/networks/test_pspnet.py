"""PSPNet: the pyramid by hand, the place of the auxiliary head, batches of one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.pspnet import PSPNet, PyramidPooling


def _small(**settings: object) -> PSPNet:
    torch.manual_seed(0)
    return PSPNet(1, 4, backbone="resnet18", **settings)


def test_parameters_by_hand() -> None:
    # four 1x1 512 -> 128; head 3x3 1024 -> 128 and classifier; auxiliary head 3x3 256 -> 64 and classifier
    pyramid = 4 * (512 * 128 + 2 * 128)
    head = 1024 * 128 * 9 + 2 * 128 + 128 * 4 + 4
    auxiliary = 256 * 64 * 9 + 2 * 64 + 64 * 4 + 4
    expected = 11_176_512 - 2 * 64 * 49 + pyramid + head + auxiliary
    assert sum(p.numel() for p in _small().parameters()) == expected


def test_widths_of_the_paper() -> None:
    with torch.device("meta"):
        network = PSPNet(3, 21, backbone="resnet101")
    assert [level[1].conv.weight.shape for level in network.pyramid.levels] == [(512, 2048, 1, 1)] * 4
    assert network.head[0].conv.weight.shape == (512, 4096, 3, 3)
    assert network.auxiliary[0].conv.weight.shape == (256, 1024, 3, 3)


def test_pyramid_pools_over_grids_of_1_2_3_6() -> None:
    pyramid = PyramidPooling(8).eval()
    seen: list[torch.Tensor] = []
    for level in pyramid.levels:
        level[0].register_forward_hook(lambda *call: seen.append(call[-1]))
    x = torch.randn(1, 8, 12, 18)
    joined = pyramid(x)
    assert [tuple(pooled.shape[2:]) for pooled in seen] == [(1, 1), (2, 2), (3, 3), (6, 6)]
    torch.testing.assert_close(seen[0][:, :, 0, 0], x.mean(dim=(2, 3)))
    torch.testing.assert_close(seen[1][:, :, 0, 1], x[:, :, :6, 9:].mean(dim=(2, 3)))
    assert joined.shape == (1, 8 + 4 * 2, 12, 18)
    torch.testing.assert_close(joined[:, :8], x)


def test_pyramid_by_hand() -> None:
    pyramid = PyramidPooling(1, bins=(2,)).eval()
    nn.init.ones_(pyramid.levels[0][1].conv.weight)
    quadrants = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    expected = torch.tensor(
        [[1.0, 1.25, 1.75, 2.0], [1.5, 1.75, 2.25, 2.5], [2.5, 2.75, 3.25, 3.5], [3.0, 3.25, 3.75, 4.0]]
    )
    torch.testing.assert_close(pyramid(quadrants[None, None])[0, 1], expected, rtol=1e-4, atol=0)


def test_output_stride_is_8() -> None:
    network = _small().eval()
    assert network.backbone(torch.randn(1, 1, 64, 48)).shape == (1, 512, 8, 6)
    assert {block.conv2.dilation[0] for block in network.backbone.layer3} == {2}
    assert {block.conv2.dilation[0] for block in network.backbone.layer4} == {4}


def test_auxiliary_head_hangs_on_res4() -> None:
    network = _small().train()
    main, auxiliary = network(torch.randn(2, 1, 40, 40))
    auxiliary.square().mean().backward(retain_graph=True)
    assert all(p.grad is not None for p in network.backbone.layer3.parameters())
    others = [network.backbone.layer4, network.pyramid, network.head]
    assert all(p.grad is None for module in others for p in module.parameters())
    network.zero_grad()
    main.square().mean().backward()
    assert all(p.grad is not None for module in others for p in module.parameters())
    assert all(p.grad is None for p in network.auxiliary.parameters())


def test_two_logits_in_training_one_in_evaluation() -> None:
    network = _small()
    x = torch.randn(2, 1, 57, 43)
    assert [tuple(one.shape) for one in network.train()(x)] == [(2, 4, 57, 43)] * 2
    assert isinstance(network.eval()(x), torch.Tensor)


@pytest.mark.parametrize("settings", [{}, {"output_stride": 16}, {"bins": (2, 4)}])
def test_any_size_comes_back(settings: dict, assert_sizes_kept) -> None:
    assert_sizes_kept(_small(**settings), [(64, 64), (57, 83), (33, 17)], 4)


def test_learns_in_every_parameter(assert_learns) -> None:
    torch.manual_seed(0)
    assert_learns(_small(), torch.randn(2, 1, 48, 48), 4)


def test_exports(assert_exports) -> None:
    assert_exports(_small(), torch.randn(2, 1, 40, 57))


def test_batch_of_one_in_training_is_a_clear_refusal() -> None:
    network = _small().train()
    with pytest.raises(ValueError, match="PSPNet needs a batch of at least 2"):
        network(torch.randn(1, 1, 48, 48))
    assert network.eval()(torch.randn(1, 1, 48, 48)).shape == (1, 4, 48, 48)


def test_batch_of_one_trains_without_the_grid_of_one_cell() -> None:
    main, _ = _small(bins=(2, 3)).train()(torch.randn(1, 1, 48, 48))
    assert main.shape == (1, 4, 48, 48)


def test_trains_under_autocast_with_channels_last() -> None:
    network = _small().to(memory_format=torch.channels_last)
    x = torch.randn(2, 1, 40, 40).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        main, auxiliary = network(x)
    (main.float().square().mean() + auxiliary.float().square().mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("bins", [(), (0, 2), tuple(range(1, 10))])
def test_unusable_grids_are_refused(bins: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="pyramid pooling needs 1 to 8 grids"):
        PyramidPooling(8, bins=bins)
