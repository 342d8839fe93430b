"""Mask R-CNN: a detector with a mask branch (He, Gkioxari, Dollar, Girshick, arXiv 1703.06870, 2017).

On the heart every kind of instance is there once in a slice, or not at all. So the best detection of each kind is the
segmentation, and the network can stand wherever one that labels pixels can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from monai.data.box_utils import batched_nms
from torch import nn

from pipeline.networks.designs import Design
from pipeline.networks.detector.boxes import clip_boxes
from pipeline.networks.detector.instances import heart_kinds, label_instances, membership, semantic_logits
from pipeline.networks.detector.proposals import RegionProposals
from pipeline.networks.detector.roi import paste_masks
from pipeline.networks.detector.roi_heads import RoIHeads
from pipeline.networks.layers.pyramid import FeaturePyramid
from pipeline.networks.layers.resnet import ResNet

__all__ = ["DESIGNS", "Detections", "Losses", "MaskRCNN"]

_STRIDES = (4, 8, 16, 32)
_SUPPRESSED = 0.5
"""IoU above which of two detections of one kind the worse one goes."""


class Losses(NamedTuple):
    """The five loss terms, scalars, which the paper sums.

    Attributes:
        objectness: of the anchors.
        proposal: regression of the anchors.
        kind: classification of the boxes drawn.
        box: regression of those that are positive.
        mask: of those that are positive.
    """

    objectness: torch.Tensor
    proposal: torch.Tensor
    kind: torch.Tensor
    box: torch.Tensor
    mask: torch.Tensor


class Detections(NamedTuple):
    """Detections in one image, best first.

    Attributes:
        boxes: (D, 4) as (x0, y0, x1, y1) in pixels.
        scores: (D,), 0 to 1.
        kinds: (D,) index of the kind.
        masks: (D, X, Y) probability of each pixel, 0 outside the box.
    """

    boxes: torch.Tensor
    scores: torch.Tensor
    kinds: torch.Tensor
    masks: torch.Tensor


class MaskRCNN(nn.Module):
    """Mask R-CNN on a ResNet with a feature pyramid (strides 4, 8, 16, 32).

    Smaller than the paper's: resnet18, 64 channels in the pyramid and the mask head, 256 in the box head. Anchors are
    from four times the stride on, not eight: at 1.25 mm a pixel they cover 20 to 226 mm.

    Args:
        in_channels: channels of the input.
        out_channels: classes of the label maps.
        kinds: classes of each kind of instance, as `membership` wants them (`None`: `heart_kinds`).
        backbone: one of `RESNETS`.
        channels: of the pyramid and the mask head.
        hidden: width of the box head.
        anchor_sizes: root of an anchor's area in pixels, one for each stride.
        n_proposals: boxes that go into the second stage.

    Raises:
        ConfigError: an unknown backbone, kinds that do not tell the classes apart, not four anchor sizes.
    """

    members: torch.Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kinds: Sequence[Sequence[int]] | None = None,
        backbone: str = "resnet18",
        channels: int = 64,
        hidden: int = 256,
        anchor_sizes: Sequence[int] = (16, 32, 64, 128),
        n_proposals: int = 64,
    ) -> None:
        super().__init__()
        self.kinds = heart_kinds(out_channels) if kinds is None else tuple(tuple(kind) for kind in kinds)
        self.register_buffer("members", membership(self.kinds, out_channels), persistent=False)
        self.backbone = ResNet(backbone, in_channels=in_channels)
        self.pyramid = FeaturePyramid(self.backbone.widths[1:], channels)
        self.proposals = RegionProposals(channels, strides=_STRIDES, anchor_sizes=anchor_sizes, n_proposals=n_proposals)
        self.heads = RoIHeads(channels, len(self.kinds), strides=_STRIDES, hidden=hidden)

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor | Losses:
        """Segment, or in training compute the losses.

        Args:
            x: (N, in_channels, X, Y), any size.
            labels: (N, 1, X, Y) classes or `UNLABELLED`, in training alone.

        Returns:
            Logits (N, out_channels, X, Y). A pixel's probability of a kind is that of the kind's best box times that of
            its mask there. `semantic_logits` turns kinds into classes. In training `Losses`.

        Raises:
            ValueError: no labels in training.
        """
        if not self.training:
            return self._segment(x)
        if labels is None:
            raise ValueError("Mask R-CNN draws boxes by the labels in training: call it with (images, labels)")
        levels = self._levels(x)
        truth = label_instances(labels, self.kinds)
        found = self.proposals(levels, x.shape[2:])
        return Losses(*self.proposals.losses(found, truth), *self.heads.losses(levels, found.boxes, truth))

    @torch.no_grad()
    def detect(self, x: torch.Tensor, *, min_score: float = 0.05, n_most: int = 10) -> list[Detections]:
        """Find instances, any number of each kind, as the paper does.

        Args:
            x: (N, in_channels, X, Y).
            min_score: of a detection.
            n_most: detections in an image.

        Returns:
            One for each image. Overlapping detections of one kind are reduced to the best.
        """
        levels = self._levels(x)
        scores, boxes = self._candidates(levels, x.shape[2:])
        found = []
        for index, (score, box) in enumerate(zip(scores, boxes, strict=True)):
            place, kind = (score >= min_score).nonzero().unbind(dim=1)
            kept = batched_nms(box[place, kind], score[place, kind], kind, _SUPPRESSED, max_proposals=n_most)
            place, kind = place[kept], kind[kept]
            own = [level[index, None] for level in levels]
            masks = self._masks(own, box[None, place, kind], kind, x.shape[2:])[0]
            found.append(Detections(box[place, kind], score[place, kind], kind, masks))
        return found

    def _levels(self, x: torch.Tensor) -> list[torch.Tensor]:
        levels: list[torch.Tensor] = self.pyramid(self.backbone.stages(x)[1:])
        return levels

    def _candidates(self, levels: list[torch.Tensor], size: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (N, P, K) of the proposals and the boxes (N, P, K, 4) that each kind makes of them."""
        proposed = self.proposals(levels, size).boxes
        logits, deltas = self.heads.classify(levels, proposed)
        return logits.softmax(dim=2)[..., 1:], clip_boxes(self.heads.refine(deltas, proposed), size)

    def _masks(
        self, levels: list[torch.Tensor], boxes: torch.Tensor, kinds: torch.Tensor, size: Sequence[int]
    ) -> torch.Tensor:
        """Probabilities (N, R, X, Y) of masks of `kinds` (R,) in boxes (N, R, 4), on the image."""
        index = kinds[None, :, None, None, None]
        masks = self.heads.segment(levels, boxes).take_along_dim(index, dim=2).squeeze(2)
        return paste_masks(masks.sigmoid(), boxes, size)

    def _segment(self, x: torch.Tensor) -> torch.Tensor:
        """The best box of each kind, the mask in it, and the classes that they make."""
        levels = self._levels(x)
        scores, boxes = self._candidates(levels, x.shape[2:])
        score, best = scores.max(dim=1)
        chosen = boxes.take_along_dim(best[:, None, :, None], dim=1).squeeze(1)
        masks = self._masks(levels, chosen, torch.arange(len(self.kinds), device=x.device), x.shape[2:])
        return semantic_logits(score[..., None, None] * masks, self.members)


DESIGNS = (
    Design(
        "mask_rcnn",
        MaskRCNN,
        "He et al. 2017",
        "detector with a mask branch: each structure an instance, its best box and the mask in it",
    ),
)
