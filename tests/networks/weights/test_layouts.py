"""Names of state dicts: what stands around them, whose they are, and what they are called here."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.errors import BundleError, ConfigError
from pipeline.networks.layers.resnet import RESNETS, ResNet
from pipeline.networks.weights.layouts import bare_state, match_names, recognise_layout, rename, tell_backbone

ONE = torch.ones(1)


@pytest.mark.parametrize("wrapper", ["", "module.", "Scale.", "scale.", "module.Scale.", "base.", "module.base."])
@pytest.mark.parametrize("key", [None, "model", "state_dict"])
def test_what_stands_around_the_names_is_taken_off(wrapper: str, key: str | None) -> None:
    state = {f"{wrapper}conv1.weight": ONE, f"{wrapper}bn1.bias": ONE}
    saved = state if key is None else {key: state, "epoch": 3}
    assert list(bare_state(saved, ["backbone.conv1.weight"])) == ["conv1.weight", "bn1.bias"]


def test_the_networks_own_names_keep_all_their_parts() -> None:
    state = {"module.weight": ONE, "module.bias": ONE}
    assert list(bare_state(state, ["module.weight"])) == list(state)
    assert list(bare_state({"module.a": ONE, "b": ONE}, [])) == ["module.a", "b"]


@pytest.mark.parametrize(
    ("state", "message"),
    [({}, "got none"), ({"a": ONE, "epoch": 3}, "got other values under epoch"), ({"model": {}}, "got none")],
)
def test_anything_but_tensors_is_refused(state: dict, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        bare_state(state, ["a"])


@pytest.mark.parametrize(
    ("names", "known", "layout"),
    [
        (["conv1.weight", "layer1.0.conv1.weight", "fc.bias"], ["backbone.conv1.weight"], "resnet"),
        (["conv1.weight", "layer1.0.conv1.weight"], ["conv1.weight", "layer1.0.conv1.weight"], "native"),
        (["features.0.weight", "classifier.0.bias"], ["backbone.features.0.weight"], "vgg"),
        (["backbone.layer1.0.conv1.weight", "classifier.0.convs.0.0.weight"], ["classifier.weight"], "deeplab_v3"),
        (["layer1.0.conv1.weight", "layer5.conv2d_list.0.weight"], ["aspp.0.weight"], "deeplab_v2"),
        (["layer1.conv1.conv.weight", "aspp.c0.weight"], ["aspp.0.weight"], "deeplab_v2_blocks"),
        (["backbone.conv1.weight", "classifier.0.weight", "classifier.1.running_mean"], ["conv1.weight"], "fcn"),
        (["model.0.conv.weight"], ["model.0.conv.weight", "model.1.conv.weight"], "native"),
        (["who.knows"], ["model.0.conv.weight"], "native"),
    ],
)
def test_layouts_are_recognised(names: list[str], known: list[str], layout: str) -> None:
    assert recognise_layout(names, known) == layout


@pytest.mark.parametrize(
    ("name", "layout", "ours"),
    [
        ("layer4.2.conv3.weight", "resnet", "layer4.2.conv3.weight"),
        ("fc.weight", "resnet", None),
        ("features.28.bias", "vgg", "features.28.bias"),
        ("classifier.6.weight", "vgg", None),
        ("backbone.layer1.0.bn1.running_mean", "deeplab_v3", "backbone.layer1.0.bn1.running_mean"),
        ("classifier.0.convs.2.0.weight", "deeplab_v3", "aspp.branches.2.conv.weight"),
        ("classifier.0.convs.3.1.running_var", "deeplab_v3", "aspp.branches.3.adn.N.running_var"),
        ("classifier.0.convs.4.1.weight", "deeplab_v3", "aspp.image_level.1.conv.weight"),
        ("classifier.0.convs.4.2.bias", "deeplab_v3", "aspp.image_level.1.adn.N.bias"),
        ("classifier.0.project.1.weight", "deeplab_v3", "aspp.project.adn.N.weight"),
        ("classifier.1.weight", "deeplab_v3", "head.conv.weight"),
        ("classifier.2.running_mean", "deeplab_v3", "head.adn.N.running_mean"),
        ("classifier.4.bias", "deeplab_v3", "classifier.bias"),
        ("aux_classifier.4.bias", "deeplab_v3", "auxiliary.classifier.bias"),
        ("classifier.0.weight", "fcn", "head.conv.conv.weight"),
        ("classifier.1.running_var", "fcn", "head.conv.adn.N.running_var"),
        ("classifier.4.weight", "fcn", "head.classifier.weight"),
        ("aux_classifier.1.weight", "fcn", "auxiliary.conv.adn.N.weight"),
        ("layer1.conv1.bn.bias", "deeplab_v2_blocks", "backbone.bn1.bias"),
        ("layer2.block1.shortcut.conv.weight", "deeplab_v2_blocks", "backbone.layer1.0.downsample.0.weight"),
        ("layer2.block1.shortcut.bn.running_var", "deeplab_v2_blocks", "backbone.layer1.0.downsample.1.running_var"),
        ("layer4.block23.conv3x3.conv.weight", "deeplab_v2_blocks", "backbone.layer3.22.conv2.weight"),
        ("layer5.block3.increase.bn.weight", "deeplab_v2_blocks", "backbone.layer4.2.bn3.weight"),
        ("layer3.block10.reduce.bn.weight", "deeplab_v2_blocks", "backbone.layer2.9.bn1.weight"),
        ("aspp.c3.bias", "deeplab_v2_blocks", "aspp.3.bias"),
        ("conv1.weight", "deeplab_v2", "backbone.conv1.weight"),
        ("bn1.running_var", "deeplab_v2", "backbone.bn1.running_var"),
        ("layer3.22.conv3.weight", "deeplab_v2", "backbone.layer3.22.conv3.weight"),
        ("layer5.conv2d_list.3.bias", "deeplab_v2", "aspp.3.bias"),
        ("fc.weight", "native", "fc.weight"),
    ],
)
def test_names_become_ours(name: str, layout: str, ours: str | None) -> None:
    assert rename(name, layout) == ours


def test_patterns_choose_names() -> None:
    names = ["aspp.0.weight", "aspp.0.bias", "asppx.bias", "aspp"]
    assert match_names(names, "aspp") == ["aspp.0.weight", "aspp.0.bias", "aspp"]
    assert match_names(names, "aspp*bias") == ["aspp.0.bias", "asppx.bias"]
    assert match_names(names, "aspp.0") == ["aspp.0.weight", "aspp.0.bias"]
    with pytest.raises(ConfigError, match="'backbone', which matches none"):
        match_names(names, "backbone")


@pytest.mark.parametrize("name", RESNETS)
def test_a_backbone_is_told_by_its_tensors(name: str) -> None:
    with torch.device("meta"):
        names = [f"backbone.{own}" for own in ResNet(name).state_dict()]
    assert tell_backbone(names) == name
    assert tell_backbone(["backbone.0.0.weight", "backbone.features.0.weight", None]) is None
