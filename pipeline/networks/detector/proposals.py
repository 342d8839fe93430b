"""The region proposal network, which finds candidate boxes (Ren et al., Faster R-CNN, arXiv 1506.01497, 2015).

It works on a feature pyramid, with one head for all levels (Lin et al. 2017). Anchor sizes are half an octave apart
rather than a whole one. Objects between octaves overlap with no anchor by much more than a half and hardly learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from monai.apps.detection.utils.anchor_utils import AnchorGenerator
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.detector.boxes import clip_boxes, decode_boxes, encode_boxes, suppress
from pipeline.networks.detector.instances import Instances, overlaps
from pipeline.networks.layers.sampling import box_loss, draw_sample, labelled_share, masked_mean

__all__ = ["Proposals", "RegionProposals"]

_UNWEIGHTED = (1.0, 1.0, 1.0, 1.0)
_POSITIVE, _NEGATIVE = 0.7, 0.3
"""An anchor is positive from the first IoU up, and negative below the second."""
_SUPPRESSED = 0.7
"""IoU above which of two candidates the worse one goes."""
_BETA = 1 / 9
"""Beta of the smooth L1 loss, the paper authors' value for unweighted regressions."""


class Proposals(NamedTuple):
    """Output of the region proposal network for a batch.

    Attributes:
        boxes: (N, P, 4) proposed boxes, best first, within the image, without gradient.
        objectness: (N, A) logits of all anchors.
        deltas: (N, A, 4) regressions of all anchors.
        anchors: (A, 4).
    """

    boxes: torch.Tensor
    objectness: torch.Tensor
    deltas: torch.Tensor
    anchors: torch.Tensor


class RegionProposals(nn.Module):
    """A 3x3 convolution, then objectness and box regression of each anchor by 1x1, alike on all levels.

    Args:
        channels: of the pyramid's maps.
        strides: of its levels in pixels.
        anchor_sizes: root of the smallest anchor's area in pixels, one a level.
        scales: sizes of a level's anchors, relative to the smallest.
        aspect_ratios: y extent over x extent of the anchors of each size.
        n_candidates: best anchors of each level that go into the suppression.
        n_proposals: boxes that come out of it.

    Raises:
        ConfigError: not one anchor size a level.
    """

    def __init__(
        self,
        channels: int,
        *,
        strides: Sequence[int],
        anchor_sizes: Sequence[int],
        scales: Sequence[float] = (1.0, 2**0.5),
        aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
        n_candidates: int = 64,
        n_proposals: int = 64,
    ) -> None:
        super().__init__()
        if len(anchor_sizes) != len(strides):
            raise ConfigError(f"anchors need one size for each of {len(strides)} levels, got {tuple(anchor_sizes)}")
        self.strides = tuple(strides)
        self.n_candidates = n_candidates
        self.n_proposals = n_proposals
        sizes = [[round(size * scale) for scale in scales] for size in anchor_sizes]
        self.anchor_generator = AnchorGenerator(sizes, tuple(aspect_ratios))
        n_anchors = len(scales) * len(aspect_ratios)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, n_anchors, 1)
        self.deltas = nn.Conv2d(channels, 4 * n_anchors, 1)
        for layer in (self.conv, self.objectness, self.deltas):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, levels: Sequence[torch.Tensor], size: Sequence[int]) -> Proposals:
        """Propose boxes.

        Args:
            levels: maps (N, channels, ., .) of `strides`.
            size: (X, Y) of the image.
        """
        features = [functional.relu(self.conv(level)) for level in levels]
        objectness = [_by_anchor(self.objectness(one), 1).squeeze(-1) for one in features]
        deltas = torch.cat([_by_anchor(self.deltas(one), 4) for one in features], dim=1)
        anchors = self.anchors(levels)
        scores = torch.cat(objectness, dim=1)
        with torch.no_grad():
            candidates = self._best_of_each_level(objectness)
            regressed = deltas.take_along_dim(candidates.unsqueeze(-1), dim=1)
            boxes = clip_boxes(decode_boxes(regressed, anchors[candidates], _UNWEIGHTED), size)
            kept = suppress(boxes, scores.take_along_dim(candidates, 1), n_kept=self.n_proposals, threshold=_SUPPRESSED)
            boxes = boxes.take_along_dim(kept.unsqueeze(-1), dim=1)
        return Proposals(boxes, scores, deltas, anchors)

    def anchors(self, levels: Sequence[torch.Tensor]) -> torch.Tensor:
        """All anchors (A, 4): by level, then by place (x before y), then by aspect ratio, then by scale."""
        grids = [list(level.shape[2:]) for level in levels]
        strides = [[torch.tensor(stride)] * 2 for stride in self.strides]
        anchors = self.anchor_generator.grid_anchors(grids, strides)
        return torch.cat(anchors).to(levels[0].device)

    def losses(self, found: Proposals, truth: Instances, *, n: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses over n anchors of each image, up to half of them positive.

        An anchor is positive if its IoU with an instance is at least 0.7, or the best that any anchor has with it.
        Otherwise it is negative if its IoU with all is below 0.3 and half of it is labelled.

        Returns:
            Binary cross-entropy of the objectness, and `box_loss` of the regressions, or 0 if nothing counts.
        """
        anchors = found.anchors.expand(len(found.objectness), -1, -1)
        iou = overlaps(anchors, truth)
        best, kind = iou.max(dim=2)
        positive = (best >= _POSITIVE) | ((iou == iou.amax(dim=1, keepdim=True)) & (iou > 0)).any(dim=2)
        negative = (best < _NEGATIVE) & (labelled_share(anchors, truth) >= 0.5) & ~positive
        drawn = draw_sample(positive, negative, n=n, share=0.5)

        def take(values: torch.Tensor) -> torch.Tensor:
            return values.take_along_dim(drawn.chosen.unsqueeze(-1), dim=1)

        logits = take(found.objectness.float().unsqueeze(-1)).squeeze(-1)
        errors = functional.binary_cross_entropy_with_logits(logits, drawn.positive.float(), reduction="none")
        boxes = truth.boxes.take_along_dim(take(kind.unsqueeze(-1)), dim=1)
        goals = encode_boxes(boxes, take(anchors), _UNWEIGHTED)
        return masked_mean(errors, drawn.valid), box_loss(take(found.deltas), goals, drawn, beta=_BETA)

    def _best_of_each_level(self, objectness: Sequence[torch.Tensor]) -> torch.Tensor:
        """Indices (N, C), among all anchors, of each level's best, so that no level crowds the others out."""
        chosen, n_before = [], 0
        for scores in objectness:
            n_anchors = scores.shape[1]
            chosen.append(scores.topk(min(self.n_candidates, n_anchors), dim=1).indices + n_before)
            n_before += n_anchors
        return torch.cat(chosen, dim=1)


def _by_anchor(maps: torch.Tensor, n_values: int) -> torch.Tensor:
    """(N, anchors * n_values, X, Y) -> (N, X * Y * anchors, n_values), the order of `RegionProposals.anchors`."""
    return maps.unflatten(1, (-1, n_values)).permute(0, 3, 4, 1, 2).flatten(1, 3).float()
