"""Published weights give their source's logits, which plain arithmetic on the state dict gives here a second time."""

from __future__ import annotations

import math
from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import BundleError, ConfigError
from pipeline.networks.deeplab import DeepLabV3
from pipeline.networks.deeplab_v1_v2 import DeepLabV2
from pipeline.networks.registry import build_network
from pipeline.networks.weights.pretrained import load_pretrained
from tests.published import BLOCKS, SIZES, published_shapes, published_state

State = dict[str, torch.Tensor]

LAYOUTS = {
    "fcn": "fcn_torchvision",
    "deeplab_v3": "deeplabv3_torchvision",
    "deeplab_v2": "deeplabv2_caffe",
    "deeplab_v2_blocks": "deeplabv2_caffe",
}


def _norm(state: State, at: str, x: torch.Tensor) -> torch.Tensor:
    mean, variance, scale, shift = (state[f"{at}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    factor = scale / (variance + 1e-5).sqrt()
    return x * factor[:, None, None] + (shift - mean * factor)[:, None, None]


def _unit(state: State, conv: str, norm: str, x: torch.Tensor, **how: int) -> torch.Tensor:
    return _norm(state, norm, functional.conv2d(x, state[f"{conv}.weight"], **how))


def _stages(state: State, x: torch.Tensor, at: str, *, caffe: bool) -> list[torch.Tensor]:
    """What the four stages of a ResNet of output stride 8 give."""
    x = functional.relu(_unit(state, f"{at}conv1", f"{at}bn1", x, stride=2, padding=3))
    x = functional.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=caffe)
    found = []
    for stage in range(1, 5):
        block = 0
        while f"{at}layer{stage}.{block}.conv1.weight" in state:
            here = f"{at}layer{stage}.{block}."
            stride = 2 if (stage, block) == (2, 0) else 1
            dilation = {1: 1, 2: 1, 3: 2, 4: 4}[stage]
            if not caffe and block == 0 and stage > 2:
                dilation //= 2
            first, second = (stride, 1) if caffe else (1, stride)
            y = functional.relu(_unit(state, f"{here}conv1", f"{here}bn1", x, stride=first))
            y = _unit(state, f"{here}conv2", f"{here}bn2", y, stride=second, padding=dilation, dilation=dilation)
            y = _unit(state, f"{here}conv3", f"{here}bn3", functional.relu(y))
            if block == 0:
                x = _unit(state, f"{here}downsample.0", f"{here}downsample.1", x, stride=stride)
            x = functional.relu(x + y)
            block += 1
        found.append(x)
    return found


def _linear(state: State, at: str, x: torch.Tensor, *, rate: int = 0) -> torch.Tensor:
    weight, bias = state[f"{at}.weight"], state[f"{at}.bias"]
    return functional.conv2d(x, weight, bias, padding=rate, dilation=max(rate, 1))


def _sized(x: torch.Tensor, size: tuple[int, ...], *, corners: bool = False) -> torch.Tensor:
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=corners)


def _fcn_head(state: State, at: str, x: torch.Tensor) -> torch.Tensor:
    return _linear(state, f"{at}.4", functional.relu(_unit(state, f"{at}.0", f"{at}.1", x, padding=1)))


def _torchvision(state: State, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and auxiliary logits of torchvision's segmentation networks, by their own names."""
    *_, third, features = _stages(state, x, "backbone.", caffe=False)
    auxiliary = _fcn_head(state, "aux_classifier", third)
    if "classifier.0.weight" in state:
        logits = _fcn_head(state, "classifier", features)
    else:
        at = "classifier.0.convs"
        branches = [_unit(state, f"{at}.0.0", f"{at}.0.1", features)]
        branches += [
            _unit(state, f"{at}.{i}.0", f"{at}.{i}.1", features, padding=rate, dilation=rate)
            for i, rate in enumerate((12, 24, 36), start=1)
        ]
        mean = features.mean(dim=(2, 3), keepdim=True)
        branches.append(_unit(state, f"{at}.4.1", f"{at}.4.2", mean).expand_as(branches[0]))
        joined = functional.relu(torch.cat(branches, dim=1))
        joined = functional.relu(_unit(state, "classifier.0.project.0", "classifier.0.project.1", joined))
        head = functional.relu(_unit(state, "classifier.1", "classifier.2", joined, padding=1))
        logits = _linear(state, "classifier.4", head)
    return _sized(logits, x.shape[2:]), _sized(auxiliary, x.shape[2:])


def _caffe_scores(state: State, x: torch.Tensor) -> torch.Tensor:
    features = _stages(state, x, "", caffe=True)[-1]
    rates = (6, 12, 18, 24)
    return sum(_linear(state, f"layer5.conv2d_list.{i}", features, rate=rate) for i, rate in enumerate(rates))


def _caffe_pyramid(state: State, x: torch.Tensor, *, corners: bool) -> list[torch.Tensor]:
    """The maximum and each scale's scores, resized as in pytorch-deeplab-resnet (corners) or deeplab-pytorch."""
    each = [_caffe_scores(state, x)]
    for scale in (0.75, 0.5):
        if corners:
            small = _sized(x, tuple(int(n * scale) + 1 for n in x.shape[2:]), corners=True)
        else:
            small = functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
        each.append(_caffe_scores(state, small))
    size = tuple(each[0].shape[2:])
    second, third = (_sized(one, size, corners=corners) for one in each[1:])
    return [torch.max(torch.max(each[0], second), third), *each]


def _left(values: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    """Instead of drawing values that are loaded over: what the memory held, which a test would see if it stayed."""
    return values


def _loaded(layout: str, backbone: str, state: State, *, in_channels: int = 3, **settings: object) -> nn.Module:
    with patch.multiple(nn.init, kaiming_uniform_=_left, kaiming_normal_=_left, uniform_=_left):
        network = build_network(LAYOUTS[layout], in_channels, 21, backbone=backbone, **settings)
    report = load_pretrained(network, state)
    assert (report.layout, report.origin) == (layout, None)
    for kind in ("missing", "mismatched", "unexpected", "skipped", "dropped"):
        assert report.lines(kind) == []
    assert len(report.loaded) + len(report.adapted) == len(state)
    return network.eval()


def _assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """To 1e-4 of the largest: random weights make logits of thousands, and the order of a sum is a machine's own."""
    largest = float(expected.abs().max())
    assert largest > 0.1
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-4 * largest)


@pytest.mark.parametrize(("layout", "backbone"), SIZES)
def test_the_layouts_are_as_large_as_published(layout: str, backbone: str) -> None:
    shapes = published_shapes(layout, backbone=backbone)
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    assert (
        sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(buffers)) == SIZES[layout, backbone]
    )
    norms = 1 + 3 * sum(BLOCKS[backbone]) + 4 + (2 if layout == "fcn" else 8)
    assert len(shapes) == 6 * norms + 4


@pytest.mark.parametrize(("layout", "backbone"), SIZES)
@torch.inference_mode()
def test_torchvisions_logits(layout: str, backbone: str) -> None:
    state = published_state(layout, backbone=backbone)
    network = _loaded(layout, backbone, state)
    for size in ((65, 65), (50, 83)):
        x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(size[0]))
        _assert_same(network(x), _torchvision(state, x)[0])


@pytest.mark.parametrize("layout", ["fcn", "deeplab_v3"])
@torch.inference_mode()
def test_torchvisions_auxiliary_logits_in_training(layout: str) -> None:
    state = published_state(layout)
    network = _loaded(layout, "resnet50", state)
    network.training = True  # of the network alone: its normalisations and dropouts evaluate
    x = torch.randn(2, 3, 41, 56, generator=torch.Generator().manual_seed(0))
    for found, expected in zip(network(x), _torchvision(state, x), strict=True):
        _assert_same(found, expected)


@pytest.mark.parametrize("corners", [True, False])
@torch.inference_mode()
def test_caffes_logits_of_both_conversions(corners: bool) -> None:
    state = published_state("deeplab_v2", backbone="resnet101")
    blocks = published_state("deeplab_v2_blocks", backbone="resnet101")
    own = dict(zip(published_shapes("deeplab_v2", backbone="resnet101"), state.values(), strict=True))
    in_blocks = [name for name in blocks if not name.endswith("num_batches_tracked")]
    blocks |= dict(zip(in_blocks, own.values(), strict=True))
    layout, given = ("deeplab_v2", state) if corners else ("deeplab_v2_blocks", blocks)
    network = _loaded(layout, "resnet101", given, align_corners=corners)
    for size in ((65, 65), (57, 90)):  # 57 > 29 > 15 by pooling up, 57 > 29 > 14 by pooling down
        x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(size[0]))
        expected = _caffe_pyramid(state, x, corners=corners)
        for one, other in zip(network.scores(x), expected, strict=True):
            _assert_same(one, other)
        _assert_same(network(x), _sized(expected[0], size, corners=corners))


@torch.inference_mode()
def test_caffes_names_with_one_scale() -> None:
    state = {f"Scale.{name}": value for name, value in published_state("deeplab_v2").items()}
    network = _loaded("deeplab_v2", "resnet50", state, scales=(1.0,))
    x = torch.randn(1, 3, 43, 61)
    bare = {name.removeprefix("Scale."): value for name, value in state.items()}
    _assert_same(network.scores(x)[0], _caffe_scores(bare, x))


@pytest.mark.parametrize(("layout", "name"), LAYOUTS.items())
@torch.inference_mode()
def test_a_grey_image_is_seen_as_a_colour_image_of_three_equal_channels(layout: str, name: str) -> None:
    state = published_state(layout)
    grey = _loaded(layout, "resnet50", state, in_channels=1)
    colour = _loaded(layout, "resnet50", state)
    x = torch.randn(1, 1, 33, 40)
    assert torch.equal(grey.backbone.conv1.weight, colour.backbone.conv1.weight.sum(1, keepdim=True))
    _assert_same(grey(x), colour(x.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize(
    ("layout", "skip", "left"),
    [
        ("fcn", "*classifier*", {"head.classifier", "auxiliary.classifier"}),
        ("deeplab_v3", "*classifier*", {"classifier", "auxiliary.classifier"}),
        ("deeplab_v2", "aspp", {f"aspp.{branch}" for branch in range(4)}),
    ],
)
def test_other_classes_need_classifiers_that_are_skipped_on_purpose(layout: str, skip: str, left: set[str]) -> None:
    network, state = build_network(LAYOUTS[layout], 1, 4, backbone="resnet50"), published_state(layout)
    with pytest.raises(BundleError, match="for other classes leave") as refused:
        load_pretrained(network, state)
    assert all(name in str(refused.value) for name in left)
    report = load_pretrained(network, state, skip=[skip])
    assert {name.rpartition(".")[0] for name in report.skipped} == left
    assert report.missing == report.unexpected == ()


def test_an_auxiliary_classifier_may_be_left_out_on_either_side() -> None:
    state = published_state("fcn")
    without = build_network("fcn_torchvision", 3, 21, auxiliary=False)
    assert set(load_pretrained(without, state).dropped) == {name for name in state if name.startswith("aux_classifier")}
    bare = {name: value for name, value in state.items() if not name.startswith("aux_classifier")}
    with pytest.raises(BundleError, match=r"missing: auxiliary\.conv"):
        load_pretrained(build_network("fcn_torchvision", 3, 21), bare)
    assert load_pretrained(build_network("fcn_torchvision", 3, 21), bare, skip=["auxiliary"]).missing == ()


@pytest.mark.parametrize(
    ("make", "layout", "named"),
    [
        (lambda: DeepLabV3(1, 21, backbone="resnet50"), "deeplab_v3", "`deeplabv3_torchvision` with backbone=resnet50"),
        (lambda: DeepLabV3(1, 21, backbone="resnet50"), "fcn", "`fcn_torchvision` with backbone=resnet50"),
        (lambda: build_network("deeplabv3_torchvision", 1, 4, backbone="resnet18"), "deeplab_v3", "resnet50"),
        (lambda: build_network("fcn_torchvision", 1, 21), "deeplab_v3", "`deeplabv3_torchvision`"),
        (lambda: build_network("unet", 1, 4), "deeplab_v2_blocks", "`deeplabv2_caffe` with backbone=resnet50"),
        (
            lambda: build_network("deeplabv3_torchvision", 1, 4),
            "deeplab_v2",
            "`deeplabv2_caffe` with backbone=resnet50",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_the_network_that_they_fit(
    make: Callable[[], nn.Module], layout: str, named: str
) -> None:
    network, state = make(), published_state(layout)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(BundleError) as refused:
        load_pretrained(network, state)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_weights_of_another_arithmetic_are_a_start_and_the_report_says_so() -> None:
    report = load_pretrained(DeepLabV2(1, 21, backbone="resnet50"), published_state("deeplab_v2"))
    assert report.origin == "the network `deeplabv2_caffe` with backbone=resnet50"
    assert "a start only: the logits that they were published with are those of the network `deeplabv2_" in str(report)


def _caffe(**settings: object) -> nn.Module:
    torch.manual_seed(0)
    return build_network("deeplabv2_caffe", 1, 4, backbone="resnet18", **settings)


def test_caffes_training_gives_full_size_or_the_scores_own() -> None:
    x = torch.randn(2, 1, 64, 50)
    assert [tuple(one.shape[2:]) for one in _caffe().train()(x)] == [(64, 50)] * 4
    sizes = [tuple(one.shape[2:]) for one in _caffe(upsampled=False, align_corners=False).train()(x)]
    assert sizes == [(9, 7), (9, 7), (7, 5), (5, 4)]  # of 64 x 50, 48 x 37 and 32 x 25 pixels
    assert _caffe(upsampled=False).eval()(x).shape == (2, 4, 64, 50)
    assert _caffe(upsampled=False, scales=(1.0,)).train()(x).shape == (2, 4, 9, 7)
    assert _caffe(scales=(1.0,)).train()(x).shape == (2, 4, 64, 50)


@pytest.mark.parametrize("corners", [True, False])
def test_caffes_any_size_comes_back(corners: bool, assert_sizes_kept) -> None:
    assert_sizes_kept(_caffe(align_corners=corners), [(64, 64), (57, 83), (33, 17), (5, 3), (1, 1)], 4)


@pytest.mark.parametrize("name", sorted(set(LAYOUTS.values())))
def test_they_learn_in_every_parameter(name: str, assert_learns) -> None:
    torch.manual_seed(0)
    assert_learns(build_network(name, 1, 4, backbone="resnet18"), torch.randn(2, 1, 48, 48), 4, rate=0.0005)


@pytest.mark.parametrize("name", sorted(set(LAYOUTS.values())))
def test_they_export(name: str, assert_exports) -> None:
    assert_exports(build_network(name, 1, 4, backbone="resnet18"), torch.randn(2, 1, 40, 57))


def test_a_batch_of_one_is_refused_only_where_the_image_is_averaged() -> None:
    x = torch.randn(1, 1, 40, 40)
    with pytest.raises(ValueError, match="batch of at least 2"):
        build_network("deeplabv3_torchvision", 1, 4, backbone="resnet18")(x)
    assert build_network("fcn_torchvision", 1, 4, backbone="resnet18")(x)[0].shape == (1, 4, 40, 40)


@pytest.mark.parametrize("settings", [{"rates": ()}, {"scales": ()}, {"scales": (1.0, -0.5)}])
def test_caffes_refusals(settings: dict) -> None:
    with pytest.raises(ConfigError, match="rates and positive scales"):
        _caffe(**settings)
