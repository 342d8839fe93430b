"""State dicts of common layouts into our networks: every tensor at its place, and accounted for."""

from __future__ import annotations

import re

import pytest
import torch
from monai.networks.nets import UNet
from torch import nn

from pipeline.core.errors import BundleError, ConfigError
from pipeline.networks.cascade import Cascade
from pipeline.networks.deeplab import DeepLabV3
from pipeline.networks.deeplab_v1_v2 import DeepLabV2
from pipeline.networks.encoder_unets import TernausNet
from pipeline.networks.layers.resnet import ResNet
from pipeline.networks.layers.vgg import VGG
from pipeline.networks.published import DeepLabV3Torchvision
from pipeline.networks.registry import build_network
from pipeline.networks.weights.pretrained import adapt_channels, load_pretrained

State = dict[str, torch.Tensor]


def _filled(network: nn.Module) -> State:
    """A state dict like the network's, of random values."""
    generator = torch.Generator().manual_seed(7)
    return {
        name: torch.rand(tensor.shape, generator=generator) if tensor.is_floating_point() else tensor.clone()
        for name, tensor in network.state_dict().items()
    }


def _torchvision_resnet() -> State:
    return {**_filled(ResNet("resnet18")), "fc.weight": torch.rand(10, 512), "fc.bias": torch.rand(10)}


def _torchvision_deeplab(n_classes: int = 21) -> State:
    """As torchvision names DeepLab v3 on its backbone, with few channels in the ASPP."""
    state = {f"backbone.{name}": tensor for name, tensor in _filled(ResNet("resnet18")).items()}

    def conv_and_norm(conv: str, norm: str, shape: tuple[int, ...]) -> None:
        state[f"{conv}.weight"] = torch.rand(shape)
        state.update({f"{norm}.{part}": torch.rand(shape[0]) for part in ("weight", "bias", "running_mean")})
        state[f"{norm}.running_var"] = torch.rand(shape[0])
        state[f"{norm}.num_batches_tracked"] = torch.tensor(9)

    for branch in range(4):
        kernel = 3 if branch else 1
        at = f"classifier.0.convs.{branch}"
        conv_and_norm(f"{at}.0", f"{at}.1", (8, 512, kernel, kernel))
    conv_and_norm("classifier.0.convs.4.1", "classifier.0.convs.4.2", (8, 512, 1, 1))
    conv_and_norm("classifier.0.project.0", "classifier.0.project.1", (8, 40, 1, 1))
    conv_and_norm("classifier.1", "classifier.2", (8, 8, 3, 3))
    state |= {"classifier.4.weight": torch.rand(n_classes, 8, 1, 1), "classifier.4.bias": torch.rand(n_classes)}
    conv_and_norm("aux_classifier.0", "aux_classifier.1", (64, 256, 3, 3))
    state |= {"aux_classifier.4.weight": torch.rand(n_classes, 64, 1, 1)}
    return state | {"aux_classifier.4.bias": torch.rand(n_classes)}


def _as_torchvisions(in_channels: int = 3, out_channels: int = 21) -> DeepLabV3Torchvision:
    return DeepLabV3Torchvision(in_channels, out_channels, backbone="resnet18", aspp_channels=8)


def _deeplab(in_channels: int = 3, out_channels: int = 21) -> DeepLabV3:
    return DeepLabV3(in_channels, out_channels, backbone="resnet18", aspp_channels=8)


def test_resnet_into_the_encoder_of_a_network() -> None:
    network, state = _deeplab(), _torchvision_resnet()
    head = {name: tensor.clone() for name, tensor in network.state_dict().items() if not name.startswith("backbone.")}
    report = load_pretrained(network, state)
    after = network.state_dict()
    assert (report.layout, report.dropped) == ("resnet", ("fc.weight", "fc.bias"))
    assert set(report.loaded) == {f"backbone.{name}" for name in state if not name.startswith("fc.")}
    for name in ("conv1.weight", "layer1.1.bn2.running_var", "layer4.0.downsample.0.weight"):
        assert torch.equal(after[f"backbone.{name}"], state[name])
    assert all(torch.equal(after[name], tensor) for name, tensor in head.items())


def test_resnet_into_one_channel_sees_grey_as_it_saw_colour() -> None:
    network, colour, state = _deeplab(in_channels=1), ResNet("resnet18"), _torchvision_resnet()
    report = load_pretrained(network, {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}})
    assert report.adapted == {"backbone.conv1.weight": ((64, 3, 7, 7), (64, 1, 7, 7))}
    assert load_pretrained(colour, state).layout == "resnet"
    grey = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(network.backbone.conv1(grey), colour.conv1(grey.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("n_channels", [1, 2, 3, 5])
def test_adapted_channels_answer_alike_where_all_are_alike(n_channels: int) -> None:
    weight, plane = torch.randn(4, 3, 3, 3), torch.randn(1, 1, 5, 5)
    expected = nn.functional.conv2d(plane.expand(-1, 3, -1, -1), weight)
    found = nn.functional.conv2d(plane.expand(-1, n_channels, -1, -1), adapt_channels(weight, n_channels))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_vgg_into_the_encoder_of_a_network(batch_norm: bool) -> None:
    state = _filled(VGG("vgg11", batch_norm=batch_norm))
    state |= {"classifier.0.weight": torch.rand(2, 2), "classifier.6.bias": torch.rand(2)}
    state = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    network = TernausNet(1, 4, filters=2, batch_norm=batch_norm)
    report = load_pretrained(network, state)
    assert (report.layout, len(report.loaded), list(report.adapted)) == (
        "vgg",
        len(state) - 3,
        ["backbone.features.0.weight"],
    )
    assert report.dropped == ("classifier.0.weight", "classifier.6.bias")
    last = "features.25.weight" if batch_norm else "features.18.weight"
    assert torch.equal(network.state_dict()[f"backbone.{last}"], state[last])


def test_torchvisions_deeplab_v3() -> None:
    network, state = _as_torchvisions(in_channels=1), _torchvision_deeplab()
    report = load_pretrained(network, state)
    after = network.state_dict()
    assert (report.layout, report.missing, report.unexpected, report.dropped) == ("deeplab_v3", (), (), ())
    for theirs, ours in {
        "backbone.layer2.0.conv1.weight": "backbone.layer2.0.conv1.weight",
        "classifier.0.convs.0.0.weight": "aspp.branches.0.conv.weight",
        "classifier.0.convs.3.1.running_mean": "aspp.branches.3.adn.N.running_mean",
        "classifier.0.convs.4.1.weight": "aspp.image_level.1.conv.weight",
        "classifier.0.convs.4.2.running_var": "aspp.image_level.1.adn.N.running_var",
        "classifier.0.project.0.weight": "aspp.project.conv.weight",
        "classifier.0.project.1.bias": "aspp.project.adn.N.bias",
        "classifier.1.weight": "head.conv.weight",
        "classifier.4.weight": "classifier.weight",
        "aux_classifier.0.weight": "auxiliary.conv.conv.weight",
        "aux_classifier.4.bias": "auxiliary.classifier.bias",
    }.items():
        assert torch.equal(after[ours], state[theirs]), ours
    assert len(report.loaded) + len(report.adapted) == len(after)


def test_torchvisions_deeplab_v3_into_the_papers_takes_what_fits_only_if_asked_to() -> None:
    network, state = _deeplab(), _torchvision_deeplab()
    with pytest.raises(BundleError, match="they fit the network `deeplabv3_torchvision` with backbone=resnet18"):
        load_pretrained(network, state)
    report = load_pretrained(network, state, strict=False)
    assert report.missing == ()
    assert {name.split(".")[0] for name in report.unexpected} == {"head"}
    assert {name.split(".")[0] for name in report.dropped} == {"aux_classifier"}


def test_other_classes_are_refused_unless_the_classifier_is_skipped() -> None:
    network, state = _as_torchvisions(out_channels=4), _torchvision_deeplab()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(BundleError, match=r"4 mismatched: auxiliary.*, classifier.weight \(21, 8, 1, 1\) -> \(4, 8, "):
        load_pretrained(network, state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    report = load_pretrained(network, state, skip=["*classifier*"])
    parts = ("weight", "bias")
    assert report.skipped == tuple(f"{at}.{part}" for at in ("auxiliary.classifier", "classifier") for part in parts)
    assert torch.equal(network.classifier.weight, before["classifier.weight"])
    assert not torch.equal(network.aspp.project.conv.weight, before["aspp.project.conv.weight"])


def test_a_backbone_of_another_of_our_networks() -> None:
    source, network = (build_network(name, 1, 2, backbone="resnet18") for name in ("deeplabv3plus", "deeplabv2"))
    with pytest.raises(BundleError, match=r"unexpected: aspp"):
        load_pretrained(network, source.state_dict(), skip=["aspp.[0-3].*"])
    report = load_pretrained(network, source.state_dict(), skip=["aspp", "decoder", "classifier"])
    assert {name.partition(".")[0] for name in report.loaded} == {"backbone"}
    assert {name.partition(".")[0] for name in report.dropped} == {"aspp", "decoder", "classifier"}
    assert report.unexpected == report.missing == ()
    assert torch.equal(network.backbone.conv1.weight, source.backbone.conv1.weight)


@pytest.mark.parametrize("wrapper", ["Scale.", "scale.", "module.Scale."])
def test_deeplab_v2_as_converted_from_caffe(wrapper: str) -> None:
    network = DeepLabV2(1, 21, backbone="resnet18")
    bare = {name: tensor for name, tensor in _filled(ResNet("resnet18")).items() if "num_batches" not in name}
    for branch in range(4):
        bare[f"layer5.conv2d_list.{branch}.weight"] = torch.rand(21, 512, 3, 3)
        bare[f"layer5.conv2d_list.{branch}.bias"] = torch.rand(21)
    report = load_pretrained(network, {wrapper + name: tensor for name, tensor in bare.items()})
    after = network.state_dict()
    assert (report.layout, report.missing, len(report.adapted)) == ("deeplab_v2", (), 1)
    assert torch.equal(after["aspp.2.weight"], bare["layer5.conv2d_list.2.weight"])
    assert torch.equal(after["aspp.3.bias"], bare["layer5.conv2d_list.3.bias"])
    assert torch.equal(after["backbone.layer3.1.bn2.running_mean"], bare["layer3.1.bn2.running_mean"])


def test_native_weights_into_more_channels_reach_every_convolution_that_sees_the_image() -> None:
    def unet(in_channels: int) -> nn.Module:
        return UNet(2, in_channels, 2, channels=(4, 8), strides=(2,), num_res_units=1)

    state = unet(1).state_dict()
    report = load_pretrained(network := unet(3), {"model": state})
    assert report.layout == "native"
    assert sorted(report.adapted) == ["model.0.conv.unit0.conv.weight", "model.0.residual.weight"]
    torch.testing.assert_close(
        network.state_dict()["model.0.residual.weight"].sum(1), state["model.0.residual.weight"][:, 0]
    )


def test_native_weights_of_a_decoder_registered_before_its_encoder() -> None:
    def network(in_channels: int) -> nn.Module:
        return nn.ModuleDict({"decoder": nn.Conv2d(512, 2, 1), "backbone": VGG("vgg11", in_channels=in_channels)})

    report = load_pretrained(network(1), network(3).state_dict())
    assert list(report.adapted) == ["backbone.features.0.weight"]


def test_native_weights_into_a_named_part() -> None:
    def unet(in_channels: int, out_channels: int) -> nn.Module:
        return UNet(2, in_channels, out_channels, channels=(4, 8), strides=(2,))

    state = _filled(unet(1, 2))
    network = Cascade(1, 2, network=unet)
    report = load_pretrained(network, state, prefix="first")
    assert len(report.loaded) == len(state)
    assert torch.equal(network.state_dict()["first.model.0.conv.weight"], state["model.0.conv.weight"])
    with pytest.raises(ConfigError, match="`prefix` must name a submodule of the network, got 'third'"):
        load_pretrained(network, state, prefix="third")


def test_an_encoder_must_be_one() -> None:
    pair = Cascade(1, 2, network=lambda n_in, n_out: DeepLabV3(n_in, n_out, backbone="resnet18", aspp_channels=2))
    with pytest.raises(ConfigError, match=r"first.backbone', 'second.backbone'\]; name the place by `prefix`"):
        load_pretrained(pair, _torchvision_resnet())
    assert load_pretrained(pair, _torchvision_resnet(), prefix="first.backbone").adapted
    with pytest.raises(ConfigError, match="one VGG of a network, got none"):
        load_pretrained(_deeplab(), _filled(VGG("vgg11")))


def test_strict_names_what_does_not_fit_and_lenient_takes_the_rest() -> None:
    network, state = _deeplab(), _torchvision_resnet()
    del state["bn1.bias"], state["layer1.0.conv1.weight"]
    state |= {"surprise": torch.ones(2), "conv1.weight": torch.rand(32, 3, 7, 7)}
    parts = [
        "1 unexpected: backbone.surprise",
        "1 mismatched: backbone.conv1.weight (32, 3, 7, 7) -> (64, 3, 7, 7)",
        "2 missing: backbone.bn1.bias, backbone.layer1.0.conv1.weight",
    ]
    for part in parts:
        with pytest.raises(BundleError, match=re.escape(part)):
            load_pretrained(network, state, layout="resnet")
    report = load_pretrained(network, state, layout="resnet", strict=False)
    assert report.missing == ("backbone.bn1.bias", "backbone.layer1.0.conv1.weight")
    assert torch.equal(network.backbone.bn1.weight, state["bn1.weight"])
    told = str(report)
    assert told.startswith(f"resnet weights: {len(report.loaded)} tensors loaded, 0 adapted\n")
    for line in ("missing: backbone.bn1.bias", "unexpected: backbone.surprise", "dropped: fc.weight"):
        assert f"\n  {line}" in told


def test_a_long_list_is_cut() -> None:
    state = _torchvision_resnet()
    state |= {f"extra{index}": torch.ones(1) for index in range(9)}
    with pytest.raises(BundleError, match=r"9 unexpected: backbone.extra0, .*extra4, \.\.\.;"):
        load_pretrained(_deeplab(), state)


def test_weights_of_which_nothing_fits_are_refused_even_so() -> None:
    with pytest.raises(BundleError, match="no tensor of the native weights fits"):
        load_pretrained(_deeplab(), {"encoder.weight": torch.ones(3)}, strict=False)


def test_half_precision_becomes_the_networks_own() -> None:
    network = nn.Conv2d(1, 2, 3)
    load_pretrained(network, {name: tensor.half() for name, tensor in _filled(network).items()})
    assert network.weight.dtype == torch.float32
    assert torch.equal(network.weight, _filled(network)["weight"].half().float())


def test_unknown_layouts_and_patterns_are_refused() -> None:
    with pytest.raises(ConfigError, match="`layout` must be auto or one of native, resnet"):
        load_pretrained(_deeplab(), _torchvision_resnet(), layout="caffe")
    with pytest.raises(ConfigError, match="'head', which matches none"):
        load_pretrained(_deeplab(), _torchvision_resnet(), skip=["head"])
