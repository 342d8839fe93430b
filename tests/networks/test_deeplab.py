"""DeepLab v3, its cascaded variant and v3+: what defines them, counted and probed."""

from __future__ import annotations

import copy

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.networks.deeplab import DeepLabV3, DeepLabV3Cascade, DeepLabV3Plus
from pipeline.networks.layers.arithmetic import receptive_field


def _small(**settings: object) -> DeepLabV3:
    torch.manual_seed(0)
    return DeepLabV3(1, 4, backbone="resnet18", aspp_channels=16, **settings)


def test_parameters_by_hand() -> None:
    # ASPP on 512 features, 16 channels: 1x1 512*16, three 3x3 512*16*9, pooling 512*16, projection 80*16,
    # each with 2*16 of normalisation; classifier 16*4 + 4; ResNet-18 on one channel 11,176,512 - 2*64*49
    aspp = 512 * 16 * (1 + 27 + 1) + 80 * 16 + 6 * 32
    assert sum(p.numel() for p in _small().parameters()) == aspp + 16 * 4 + 4 + 11_176_512 - 2 * 64 * 49


@pytest.mark.parametrize(("output_stride", "rates"), [(16, [6, 12, 18]), (8, [12, 24, 36])])
def test_rates_double_at_stride_8(output_stride: int, rates: list[int]) -> None:
    branches = _small(output_stride=output_stride).aspp.branches
    assert [branch.conv.dilation[0] for branch in branches] == [1, *rates]
    assert [branch.conv.kernel_size[0] for branch in branches] == [1, 3, 3, 3]


def test_receptive_field_of_the_backbone_by_formula_and_by_gradient() -> None:
    backbone = copy.deepcopy(_small(multi_grid=(1, 1)).backbone).eval()
    for module in backbone.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.ones_(module.weight)
        elif isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.constant_(module.weight, 1e-2)
            torch.nn.init.ones_(module.bias)  # keeps every ReLU open
    backbone.maxpool = torch.nn.AvgPool2d(3, stride=2, padding=1)
    blocks = [(3, 1, 1)] * 4 + [(3, 2, 1)] + [(3, 1, 1)] * 3 + [(3, 2, 1)] + [(3, 1, 1)] * 3 + [(3, 1, 2)] * 4
    expected = receptive_field([(7, 2, 1), (3, 2, 1), *blocks])
    backbone.double()
    x = torch.zeros(1, 1, 897, 33, dtype=torch.double, requires_grad=True)
    output = backbone(x)
    output[0, :, output.shape[2] // 2, output.shape[3] // 2].sum().backward()
    hit = (x.grad[0, 0].abs() > 0).any(1).nonzero()
    assert int(hit.max() - hit.min() + 1) == expected


@pytest.mark.parametrize("size", [(64, 64), (57, 83), (33, 129)])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_any_size_comes_back(size: tuple[int, int], output_stride: int) -> None:
    network = _small(output_stride=output_stride).eval()
    assert network(torch.randn(1, 1, *size)).shape == (1, 4, *size)


@pytest.mark.parametrize("in_channels", [1, 3, 4])
def test_any_number_of_channels(in_channels: int) -> None:
    network = DeepLabV3(in_channels, 2, backbone="resnet18", aspp_channels=8).eval()
    assert network(torch.randn(1, in_channels, 48, 48)).shape == (1, 2, 48, 48)


def test_image_level_branch_sees_the_whole_image() -> None:
    network = _small().eval()
    x = torch.randn(1, 1, 64, 64, requires_grad=True)
    network.aspp.image_level(network.backbone(x)).sum().backward()
    assert (x.grad.abs() > 0).float().mean() > 0.9


def test_batch_of_one_in_training_is_a_clear_refusal() -> None:
    network = _small()
    with pytest.raises(ValueError, match="batch of at least 2"):
        network(torch.randn(1, 1, 64, 64))
    assert network.eval()(torch.randn(1, 1, 64, 64)).shape == (1, 4, 64, 64)


def test_learns_with_every_parameter(assert_learns) -> None:
    assert_learns(_small(), torch.randn(2, 1, 48, 48), 4)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torchscript_and_export_give_the_same() -> None:
    network = _small().eval()
    x = torch.randn(2, 1, 40, 56)
    with torch.inference_mode():
        expected = network(x)
        torch.testing.assert_close(torch.jit.script(network)(x), expected)
    torch.testing.assert_close(torch.export.export(network, (x,)).module()(x), expected, rtol=1e-4, atol=1e-4)


def test_other_output_strides_are_refused() -> None:
    with pytest.raises(ConfigError, match="8 or 16"):
        _small(output_stride=32)


def _cascade(**settings: object) -> DeepLabV3Cascade:
    torch.manual_seed(0)
    return DeepLabV3Cascade(1, 4, **({"backbone": "resnet18"} | settings))


def _dilations(blocks: torch.nn.Module) -> list[int]:
    """Of the 3x3 convolutions that may be dilated, in order."""
    return [m.dilation[0] for m in blocks.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3)]


@pytest.mark.parametrize(("output_stride", "unit"), [(16, 2), (8, 4)])
def test_cascade_doubles_the_dilation_block_by_block(output_stride: int, unit: int) -> None:
    with torch.device("meta"):
        network = _cascade(backbone="resnet50", output_stride=output_stride)
    assert _dilations(network.backbone.layer4) == [unit, 2 * unit, unit]
    assert [_dilations(block) for block in network.cascade] == [
        [2 * unit, 4 * unit, 2 * unit], [4 * unit, 8 * unit, 4 * unit], [8 * unit, 16 * unit, 8 * unit],
    ]  # fmt: skip


def test_cascade_parameters_by_hand() -> None:
    # a copy of ResNet-18's block 4: two units of two 3x3 convolutions on 512 channels, each normalised
    copy_of_block4 = 4 * (512 * 512 * 9 + 2 * 512)
    for last_block in (4, 5, 7):
        with torch.device("meta"):
            network = _cascade(last_block=last_block)
        expected = 11_176_512 - 2 * 64 * 49 + (last_block - 4) * copy_of_block4 + 512 * 4 + 4
        assert sum(p.numel() for p in network.parameters()) == expected


def test_cascade_keeps_the_features_size_and_has_no_pyramid() -> None:
    network = _cascade().eval()
    features = network.backbone(torch.randn(1, 1, 57, 83))
    assert network.cascade(features).shape == features.shape == (1, 512, 4, 6)
    assert not hasattr(network, "aspp")


def test_cascade_copies_start_as_the_backbone_does() -> None:
    weight = _cascade(last_block=5).cascade[0][0].conv1.weight
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)  # He, fan out


def test_cascade_any_size_comes_back(assert_sizes_kept) -> None:
    assert_sizes_kept(_cascade(last_block=5), [(64, 64), (57, 83), (33, 129)], 4)


def test_cascade_learns_in_every_parameter(assert_learns) -> None:
    torch.manual_seed(0)
    assert_learns(_cascade(), torch.randn(2, 1, 48, 48), 4, rate=0.001)


def test_cascade_trains_with_a_batch_of_one() -> None:
    assert _cascade(last_block=5).train()(torch.randn(1, 1, 48, 48)).shape == (1, 4, 48, 48)


def test_cascade_exports(assert_exports) -> None:
    assert_exports(_cascade(last_block=5), torch.randn(2, 1, 40, 56))


@pytest.mark.parametrize("settings", [{"last_block": 3}, {"last_block": 8}, {"output_stride": 32}])
def test_cascade_refusals(settings: dict) -> None:
    with pytest.raises(ConfigError, match="DeepLab v3's"):
        _cascade(**settings)


def _plus(**settings: object) -> DeepLabV3Plus:
    torch.manual_seed(0)
    sizes = {"aspp_channels": 16, "decoder_channels": 12, "skip_channels": 6}
    return DeepLabV3Plus(1, 4, backbone="resnet18", **(sizes | settings))


def test_plus_decoder_by_hand() -> None:
    # beside the ResNet and the ASPP of v3: 1x1 64 -> 6, 3x3 16 + 6 -> 12, 3x3 12 -> 12, normalised; classifier
    first = 64 * 6 + 2 * 6 + (16 + 6) * 12 * 9 + 2 * 12 + 12 * 12 * 9 + 2 * 12
    second = 64 * 6 + 2 * 6 + (12 + 6) * 12 * 9 + 2 * 12 + 12 * 12 * 9 + 2 * 12
    v3 = sum(p.numel() for p in _small().parameters()) - (16 * 4 + 4)
    assert sum(p.numel() for p in _plus().parameters()) == v3 + first + 12 * 4 + 4
    assert sum(p.numel() for p in _plus(decoder_strides=(4, 2)).parameters()) == v3 + first + second + 12 * 4 + 4


def test_plus_defaults_of_the_paper() -> None:
    network = DeepLabV3Plus(3, 21, backbone="resnet50")
    (refinement,) = network.decoder
    assert refinement.reduce.conv.weight.shape == (48, 256, 1, 1)
    assert [block.conv.weight.shape for block in refinement.convs] == [(256, 304, 3, 3), (256, 256, 3, 3)]
    assert network.classifier.weight.shape == (21, 256, 1, 1)


@pytest.mark.parametrize(("output_stride", "rates"), [(16, [6, 12, 18]), (8, [12, 24, 36])])
def test_plus_shares_the_pyramid_of_v3(output_stride: int, rates: list[int]) -> None:
    network = _plus(output_stride=output_stride)
    assert [branch.conv.dilation[0] for branch in _plus(rates=(2, 4)).aspp.branches] == [1, 2, 4]
    assert [branch.conv.dilation[0] for branch in network.aspp.branches] == [1, *rates]
    expected = {f"{part}.{key}" for part in ("backbone", "aspp") for key in getattr(_small(), part).state_dict()}
    assert {key for key in network.state_dict() if key.startswith(("backbone.", "aspp."))} == expected


@pytest.mark.parametrize(
    ("strides", "maps", "sizes"),
    [((4,), [1], [(15, 21)]), ((4, 2), [1, 0], [(15, 21), (29, 42)]), ((8, 2), [2, 0], [(8, 11), (29, 42)])],
)
def test_plus_refines_at_each_decoder_stride(
    strides: tuple[int, ...], maps: list[int], sizes: list[tuple[int, int]]
) -> None:
    network = _plus(decoder_strides=strides).eval()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    for refinement in network.decoder:
        refinement.register_forward_hook(lambda _, inputs, output: seen.append((inputs[1], output)))
    x = torch.randn(1, 1, 57, 83)
    assert network(x).shape == (1, 4, 57, 83)
    assert [tuple(output.shape) for _, output in seen] == [(1, 12, *size) for size in sizes]
    stages = network.backbone.stages(x)
    for (fine, _), index in zip(seen, maps, strict=True):
        torch.testing.assert_close(fine, stages[index])


def test_plus_joins_the_resized_pyramid_before_the_reduced_skip() -> None:
    refinement = _plus().decoder[0].eval()
    seen: list[torch.Tensor] = []
    refinement.convs[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    coarse, fine = torch.randn(1, 16, 3, 5), torch.randn(1, 64, 12, 19)
    refinement(coarse, fine)
    torch.testing.assert_close(
        seen[0][:, :16], torch.nn.functional.interpolate(coarse, (12, 19), mode="bilinear", align_corners=False)
    )
    torch.testing.assert_close(seen[0][:, 16:], refinement.reduce(fine))


@pytest.mark.parametrize("settings", [{}, {"output_stride": 8}, {"decoder_strides": (4, 2)}])
def test_plus_any_size_comes_back(settings: dict, assert_sizes_kept) -> None:
    assert_sizes_kept(_plus(**settings), [(64, 64), (57, 83), (33, 129)], 4)


@pytest.mark.parametrize("strides", [(4,), (4, 2)])
def test_plus_learns_in_every_parameter(strides: tuple[int, ...], assert_learns) -> None:
    torch.manual_seed(0)
    assert_learns(_plus(decoder_strides=strides), torch.randn(2, 1, 48, 48), 4)


def test_plus_trains_its_normalisation() -> None:
    network = _plus().train()
    before = network.backbone.bn1.running_mean.clone()
    network(torch.randn(2, 1, 48, 48))
    assert not torch.equal(network.backbone.bn1.running_mean, before)


@pytest.mark.parametrize("strides", [(4,), (4, 2)])
def test_plus_torchscript_and_export_give_the_same(strides: tuple[int, ...], assert_exports) -> None:
    network = _plus(decoder_strides=strides).eval()
    x = torch.randn(2, 1, 40, 56)
    assert_exports(network, x)
    with torch.inference_mode():
        torch.testing.assert_close(torch.jit.script(network)(x), network(x))


def test_plus_batch_of_one_in_training_is_a_clear_refusal() -> None:
    network = _plus()
    with pytest.raises(ValueError, match=r"v3\+ needs a batch of at least 2"):
        network(torch.randn(1, 1, 64, 64))
    assert network.eval()(torch.randn(1, 1, 64, 64)).shape == (1, 4, 64, 64)


def test_plus_trains_under_autocast_with_channels_last() -> None:
    network = _plus(decoder_strides=(4, 2)).to(memory_format=torch.channels_last)
    x = torch.randn(2, 1, 40, 40).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(x)
    logits.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("strides", [(), (2, 4), (4, 4), (3,), (16,), (4, 2, 1)])
def test_plus_refuses_other_decoder_strides(strides: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="decoder strides must fall"):
        _plus(decoder_strides=strides)


def test_plus_refuses_a_decoder_no_finer_than_the_backbone() -> None:
    with pytest.raises(ConfigError, match="below the output stride 8"):
        _plus(output_stride=8, decoder_strides=(8, 4))
    with pytest.raises(ConfigError, match="8 or 16"):
        _plus(output_stride=32)
