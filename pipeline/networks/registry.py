"""Networks by name: the one word by which a configuration or `cmr train --network` chooses one.

Every network here takes slices (N, in_channels, X, Y) and gives logits (N, out_channels, X, Y); those in 3D take and
give stacks, with a last axis Z. Built with nothing but the two channel counts a network has the dimensions of its
paper; where those are a choice among several, as of backbones, the settings say which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from inspect import signature
from types import MappingProxyType
from typing import Any, cast

from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.unet import OriginalUNet

__all__ = ["NETWORKS", "Design", "build_network"]


@dataclass(frozen=True)
class Design:
    """One network.

    Attributes:
        target: module and class, as "pipeline.networks.fcn:FCN".
        paper: who described it, and when.
        note: what defines it, in one line.
        settings: given to the class beside the channel counts.
        in_3d: whether it takes stacks.
    """

    target: str
    paper: str
    note: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    in_3d: bool = False

    @property
    def make(self) -> Callable[..., nn.Module]:
        """The class."""
        module, _, name = self.target.partition(":")
        return cast(Callable[..., nn.Module], getattr(import_module(module), name))

    def build(self, in_channels: int, out_channels: int, **settings: Any) -> nn.Module:
        """The network, untrained; `settings` go before the design's own."""
        return self.make(in_channels=in_channels, out_channels=out_channels, **{**self.settings, **settings})

    def options(self) -> dict[str, Any]:
        """Every setting that a configuration can spell, and its value: the design's own, else the class's default."""
        defaults = {
            name: parameter.default
            for name, parameter in signature(self.make).parameters.items()
            if parameter.default is not parameter.empty
        }
        return {name: value for name, value in {**defaults, **self.settings}.items() if _is_plain(value)}


_NORMALISED = {"batch_norm": True}
"""Of networks whose papers start from ImageNet weights or train for long: from scratch, without it, they learn next to
nothing at first (docs/networks.md)."""

_SLIM_UNET = partial(OriginalUNet, base_channels=32, batch_norm=True)


NETWORKS: Mapping[str, Design] = MappingProxyType(
    {
        "patch_cnn": Design(
            "pipeline.networks.patch_cnn:PatchCNN",
            "before 2014",
            "every pixel classified from the 32 x 32 patch around it",
        ),
        "fcn32s": Design(
            "pipeline.networks.fcn:FCN",
            "Long et al. 2015",
            "VGG-16 as convolutions, scores of stride 32 upsampled by learned filters",
            {"stride": 32, **_NORMALISED},
        ),
        "fcn16s": Design(
            "pipeline.networks.fcn:FCN",
            "Long et al. 2015",
            "FCN-32s and scores of the fourth pooling, summed",
            {"stride": 16, **_NORMALISED},
        ),
        "fcn8s": Design(
            "pipeline.networks.fcn:FCN",
            "Long et al. 2015",
            "FCN-16s and scores of the third pooling, summed",
            {"stride": 8, **_NORMALISED},
        ),
        "segnet": Design(
            "pipeline.networks.segnet:SegNet",
            "Badrinarayanan et al. 2017",
            "VGG-16 and its mirror, which unpools with the encoder's max indices",
        ),
        "deconvnet": Design(
            "pipeline.networks.segnet:DeconvNet",
            "Noh et al. 2015",
            "VGG-16 down to one vector, mirrored unpooling and deconvolution",
        ),
        "dilated_front_end": Design(
            "pipeline.networks.dilated:DilatedNet",
            "Yu and Koltun 2016",
            "VGG-16 without its last two poolings, dilated by 2 and 4",
            {"context": "none", **_NORMALISED},
        ),
        "dilated_context": Design(
            "pipeline.networks.dilated:DilatedNet",
            "Yu and Koltun 2016",
            "the front-end and a context module of dilations 1 to 16",
            _NORMALISED,
        ),
        "mscadc": Design(
            "pipeline.networks.dilated:MSCADC",
            "Yu and Koltun 2016",
            "a normalised front-end and dilated convolutions 2, 4, 8, 16 on its features",
        ),
        "parsenet": Design(
            "pipeline.networks.parsenet:ParseNet",
            "Liu et al. 2015",
            "features beside their L2-normalised mean over the image",
            _NORMALISED,
        ),
        "deeplabv1": Design(
            "pipeline.networks.deeplab_v1_v2:DeepLabV1",
            "Chen et al. 2015",
            "VGG-16 at output stride 8, fc6 as a 3x3 of rate 12",
            _NORMALISED,
        ),
        "deeplabv2": Design(
            "pipeline.networks.deeplab_v1_v2:DeepLabV2",
            "Chen et al. 2017",
            "ResNet-101, class logits of rates 6, 12, 18, 24 summed",
        ),
        "deeplabv2_vgg": Design(
            "pipeline.networks.deeplab_v1_v2:DeepLabV2",
            "Chen et al. 2017",
            "the same pyramid of fc6 to fc8 on a VGG-16",
            {"backbone": "vgg16", **_NORMALISED},
        ),
        "deeplabv2_pyramid": Design(
            "pipeline.networks.deeplab_v1_v2:DeepLabV2",
            "Chen et al. 2017",
            "DeepLab v2 at scales 1, 0.75, 0.5 of the image, their maximum",
            {"scales": (1.0, 0.75, 0.5)},
        ),
        "deeplabv3": Design(
            "pipeline.networks.deeplab:DeepLabV3",
            "Chen et al. 2017",
            "ResNet-50, multi-grid, atrous pyramid with image-level features, joined by a 1x1",
        ),
        "deeplabv3_cascade": Design(
            "pipeline.networks.deeplab:DeepLabV3Cascade",
            "Chen et al. 2017",
            "ResNet-50 and copies of its last block, dilated further, in a row",
        ),
        "deeplabv3plus": Design(
            "pipeline.networks.deeplab:DeepLabV3Plus",
            "Chen et al. 2018",
            "DeepLab v3 and a decoder that sees the backbone's finer features",
        ),
        "refinenet": Design(
            "pipeline.networks.refinenet:RefineNet",
            "Lin et al. 2017",
            "ResNet-101, four levels refined by residual units, fusion and chained pooling",
        ),
        "pspnet": Design(
            "pipeline.networks.pspnet:PSPNet",
            "Zhao et al. 2017",
            "dilated ResNet-50, averages over grids of 1, 2, 3, 6; auxiliary head on res4",
        ),
        "gcn": Design(
            "pipeline.networks.gcn:GCN",
            "Peng et al. 2017",
            "ResNet-50, large separable kernels, boundary refinement, deconvolutions",
        ),
        "unet": Design(
            "pipeline.networks.unet:OriginalUNet",
            "Ronneberger et al. 2015",
            "contracting and expanding path, skips concatenated",
            _NORMALISED,
        ),
        "residual_unet": Design(
            "pipeline.networks.unet:ResidualUNet",
            "Kerfoot et al. 2018",
            "MONAI's U-Net of residual units, the shipped bundle's",
        ),
        "mnet": Design(
            "pipeline.networks.mnet:MNet",
            "Mehta and Sivaswamy 2017",
            "U-Net with legs: pooled inputs, side outputs",
            _NORMALISED,
        ),
        "unet3d": Design(
            "pipeline.networks.volumetric:UNet3D",
            "Cicek et al. 2016",
            "U-Net in 3D, over stacks of slices",
            in_3d=True,
        ),
        "vnet": Design(
            "pipeline.networks.volumetric:VNet",
            "Milletari et al. 2016",
            "residual blocks of 5x5x5 convolutions in 3D, over stacks of slices",
            in_3d=True,
        ),
        "ternausnet11": Design(
            "pipeline.networks.encoder_unets:TernausNet",
            "Iglovikov and Shvets 2018",
            "U-Net on a VGG-11",
            _NORMALISED,
        ),
        "ternausnet16": Design(
            "pipeline.networks.encoder_unets:TernausNet",
            "Iglovikov and Shvets 2018",
            "U-Net on a VGG-16",
            {"backbone": "vgg16", **_NORMALISED},
        ),
        "linknet34": Design(
            "pipeline.networks.linknet:LinkNet",
            "Chaurasia and Culurciello 2017",
            "ResNet-34, skips added",
        ),
        "albunet34": Design(
            "pipeline.networks.encoder_unets:AlbuNet",
            "Shvets et al. 2018",
            "ResNet-34, skips concatenated, centre block",
        ),
        "linknet34_fpn": Design(
            "pipeline.networks.linknet:LinkNetFPN",
            "Seferbekov et al. 2018",
            "ResNet-34, feature pyramid over four scales",
        ),
        "enet": Design(
            "pipeline.networks.enet:ENet",
            "Paszke et al. 2016",
            "0.37 million parameters: bottlenecks dilated or asymmetric, unpooling with indices",
        ),
        "fullnet": Design(
            "pipeline.networks.fullnet:FullNet",
            "Qu et al. 2019",
            "dense blocks at full resolution, context by dilation alone",
        ),
        "cascade": Design(
            "pipeline.networks.cascade:Cascade",
            "Tu and Bai 2010",
            "a second U-Net sees the image and the first one's map",
            {"network": _SLIM_UNET},
        ),
        "multiresolution": Design(
            "pipeline.networks.multiresolution:MultiResolution",
            "Chen et al. 2016",
            "one U-Net at scales 1, 0.75, 0.5, probabilities averaged",
            {"network": _SLIM_UNET},
        ),
        "mask_rcnn": Design(
            "pipeline.networks.mask_rcnn:MaskRCNN",
            "He et al. 2017",
            "detector with a mask branch: each structure an instance, its best box and the mask in it",
        ),
        "wnet": Design(
            "pipeline.networks.wnet:WNet",
            "Xia and Kulis 2017",
            "two U-Nets that learn segments without labels; the segments have no names, so Dice says nothing",
        ),
    }
)
"""Every network by name, older families first."""


def build_network(name: str, in_channels: int, out_channels: int, **settings: Any) -> nn.Module:
    """Build a network by its name.

    Args:
        name: one of `NETWORKS`.
        in_channels: channels of the input.
        out_channels: classes.
        settings: of the network's own constructor.

    Returns:
        The network, untrained.

    Raises:
        ConfigError: an unknown name.

    >>> sum(p.numel() for p in build_network("residual_unet", 1, 4).parameters()) > 6_000_000
    True
    """
    if name not in NETWORKS:
        raise ConfigError(f"`network` must be one of {sorted(NETWORKS)}, got {name!r}")
    return NETWORKS[name].build(in_channels, out_channels, **settings)


def _is_plain(value: Any) -> bool:
    """Whether JSON can say it."""
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
