"""The original U-Net: its published size arithmetic and parameters, skips, and reach; MONAI's residual one."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets import UNet
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.layers.arithmetic import receptive_field
from pipeline.networks.unet import OriginalUNet, ResidualUNet, valid_output_size


def test_parameters_by_hand() -> None:
    # down: 640+36,928 / 73,856+147,584 / 295,168+590,080 / 1,180,160+2,359,808 / 4,719,616+9,438,208 = 18,842,048
    # up-convolutions: 2,097,664+524,544+131,200+32,832 = 2,786,240; up: 7,078,912+1,769,984+442,624+110,720 = 9,402,240
    # classifier: 64*2 + 2
    expected = 18_842_048 + 2_786_240 + 9_402_240 + 130
    for padded in (True, False):
        assert sum(p.numel() for p in OriginalUNet(1, 2, padded=padded).parameters()) == expected


@pytest.mark.parametrize(("size", "expected"), [(572, 388), (588, 404), (188, 4)])
def test_valid_sizes_of_five_levels(size: int, expected: int) -> None:
    assert valid_output_size(size) == expected


def test_a_narrow_valid_network_gives_the_papers_size() -> None:
    network = OriginalUNet(1, 2, base_channels=1, padded=False).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 572, 188)).shape == (1, 2, 388, 4)


@pytest.mark.parametrize(("size", "match"), [(570, "poolings halve"), (172, "larger images")])
def test_sizes_that_valid_poolings_cannot_halve_are_refused(size: int, match: str) -> None:
    network = OriginalUNet(1, 2, base_channels=1, padded=False)
    with pytest.raises(ValueError, match=match):
        network(torch.zeros(1, 1, 572, size))


def test_skips_are_concatenated_and_up_convolutions_halve_the_channels() -> None:
    network = OriginalUNet(1, 2, base_channels=2, depth=4)
    assert [step.convs[0].in_channels for step in network.expanding] == [16, 8, 4]
    ups = [step.up for step in network.expanding]
    assert [(up.in_channels, up.out_channels, up.kernel_size, up.stride) for up in ups] == [
        (16, 8, (2, 2), (2, 2)), (8, 4, (2, 2), (2, 2)), (4, 2, (2, 2), (2, 2)),
    ]  # fmt: skip


def test_the_skip_is_the_centre_of_the_level_opposite() -> None:
    network = OriginalUNet(1, 1, base_channels=1, depth=2, padded=False)
    seen: dict[str, torch.Tensor] = {}
    network.contracting[0].register_forward_hook(lambda _, __, out: seen.update(skip=out))
    network.expanding[0].convs.register_forward_hook(lambda _, inputs, __: seen.update(joined=inputs[0]))
    network(torch.randn(1, 1, 20, 20))  # 20 -> 16 -> 8 -> 4 -> 8: four pixels off either side of the skip
    torch.testing.assert_close(seen["joined"][:, :1], seen["skip"][:, :, 4:12, 4:12])


def test_receptive_field_by_formula_and_by_gradient(probed_extent) -> None:
    # One pixel after two 3x3 needs 5 of its level, so 3 of level 1; with two 3x3 there 7, so 4 of the bottom.
    bottom = receptive_field([(3, 1, 1)] * 2 + [(2, 2, 1)] + [(3, 1, 1)] * 2 + [(2, 2, 1)] + [(3, 1, 1)] * 2)
    assert bottom + 3 * 4 == 44
    assert probed_extent(OriginalUNet(1, 1, base_channels=2, depth=3), 80) == 44


def test_normalisation_and_separable_convolutions_where_asked_for() -> None:
    network = OriginalUNet(1, 2, base_channels=2, depth=3, batch_norm=True, separable=True)
    kinds = [type(m) for m in network.contracting[0]]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2
    assert {m.groups for m in network.contracting[0] if isinstance(m, nn.Conv2d)} == {1}
    assert {m.groups for m in network.expanding[-1].convs if isinstance(m, nn.Conv2d)} == {1}
    inner = [m for m in network.contracting[1] if isinstance(m, nn.Conv2d)]
    assert [(m.groups, m.kernel_size) for m in inner] == [(2, (3, 3)), (1, (1, 1)), (4, (3, 3)), (1, (1, 1))]
    assert not any(isinstance(m, nn.BatchNorm2d) for m in OriginalUNet(1, 2, base_channels=2).modules())


def test_dropout_is_at_the_bottom() -> None:
    network = OriginalUNet(1, 1, base_channels=1, depth=3, dropout=0.5).train()
    seen: list[torch.Size] = []
    network.dropout.register_forward_hook(lambda _, __, out: seen.append(out.shape))
    network(torch.randn(1, 1, 16, 16))
    assert seen == [(1, 4, 4, 4)]
    assert network.dropout.p == 0.5


@pytest.mark.parametrize("settings", [{"depth": 0}, {"base_channels": 0}])
def test_refusals(settings: dict) -> None:
    with pytest.raises(ConfigError, match="U-Net needs"):
        OriginalUNet(1, 2, **settings)


def test_receptive_field_of_the_residual_unet(path_extent, probed_extent) -> None:
    unit, down, up = [("conv", 3, 1, 1)], [("conv", 3, 1, 1), ("conv", 3, 2, 1)], [("transposed", 3, 2, 1)]
    expected = path_extent(unit + up + unit + up + unit + unit + down + down, at=40)
    assert expected == 43
    assert probed_extent(ResidualUNet(1, 1, channels=(2, 4, 8), strides=(2, 2), act="RELU"), 80) == expected


def test_the_residual_unet_is_monais_where_the_strides_divide_the_input() -> None:
    torch.manual_seed(0)
    ours = ResidualUNet(1, 2, channels=(2, 4, 8), strides=(2, 2)).eval()
    theirs = UNet(
        2, 1, 2, (2, 4, 8), (2, 2), num_res_units=2, norm="BATCH", act=("LEAKYRELU", {"negative_slope": 0.01})
    ).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 1, 32, 20)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x))
