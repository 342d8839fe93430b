"""The second stage of Mask R-CNN: class, refined box and mask of each proposal (arXiv 1703.06870, 2017).

The heads are those of the paper's FPN variant (figure 4, right), but narrower.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from pipeline.networks.detector.boxes import decode_boxes, encode_boxes
from pipeline.networks.detector.instances import Instances, overlaps
from pipeline.networks.detector.roi import roi_align
from pipeline.networks.layers.sampling import box_loss, draw_sample, labelled_share, masked_mean

__all__ = ["RoIHeads"]

_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""On the regressions of boxes, which then have a spread of about 1 (Faster R-CNN's authors)."""
_POSITIVE = 0.5
"""IoU with an instance from which on a box is its."""
_SHARE = 0.25
"""Of positives among the boxes drawn, at most."""
_BOX_BINS, _MASK_BINS = 7, 14
_WHOLLY = 0.999


class RoIHeads(nn.Module):
    """A head for boxes and a head for masks, each on its own RoIAlign of the pyramid.

    Boxes: 7x7 bins, two fully connected layers, kind (or none) and a regression for each kind. Masks: 14x14 bins, four
    3x3 convolutions, a transposed convolution to 28x28, a 1x1 to one mask a kind.

    Args:
        channels: of the pyramid's maps, and of the mask head.
        n_kinds: K.
        strides: of the pyramid's levels in pixels.
        hidden: width of the fully connected layers.
    """

    def __init__(self, channels: int, n_kinds: int, *, strides: Sequence[int], hidden: int = 256) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.shared = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * _BOX_BINS**2, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
        )
        self.kind = nn.Linear(hidden, 1 + n_kinds)
        self.deltas = nn.Linear(hidden, 4 * n_kinds)
        layers: list[nn.Module] = []
        for _ in range(4):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
        self.mask = nn.Sequential(*layers, nn.ConvTranspose2d(channels, channels, 2, stride=2), nn.ReLU())
        self.pixel = nn.Conv2d(channels, n_kinds, 1)
        for layer in (*self.shared, *self.mask, self.pixel):
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        for last, spread in ((self.kind, 0.01), (self.deltas, 0.001)):
            nn.init.normal_(last.weight, std=spread)
            nn.init.zeros_(last.bias)

    def classify(self, levels: Sequence[torch.Tensor], boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Boxes (N, R, 4) -> logits (N, R, 1 + K), no instance first, and regressions (N, R, K, 4) for each kind."""
        bins = roi_align(levels, boxes, size=_BOX_BINS, strides=self.strides)
        features = self.shared(bins.flatten(0, 1)).unflatten(0, boxes.shape[:2])
        return self.kind(features).float(), self.deltas(features).float().unflatten(2, (-1, 4))

    def refine(self, deltas: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """The boxes (N, R, K, 4) that the regressions of `classify` make of boxes (N, R, 4), not clipped."""
        return decode_boxes(deltas, boxes.unsqueeze(2), _WEIGHTS)

    def segment(self, levels: Sequence[torch.Tensor], boxes: torch.Tensor) -> torch.Tensor:
        """Boxes (N, R, 4) -> logits (N, R, K, 28, 28) of each kind's mask within them."""
        bins = roi_align(levels, boxes, size=_MASK_BINS, strides=self.strides)
        masks: torch.Tensor = self.pixel(self.mask(bins.flatten(0, 1))).float()
        return masks.unflatten(0, boxes.shape[:2])

    def losses(
        self, levels: Sequence[torch.Tensor], proposals: torch.Tensor, truth: Instances, *, n: int = 32
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Losses over n boxes of each image, up to a quarter of them positive.

        Boxes are drawn from proposals (N, P, 4) and the true ones. One is positive if its IoU with an instance is at
        least 0.5. Otherwise it is negative if half of it is labelled.

        Returns:
            Cross-entropy of the kinds, `box_loss` of the true kind's regressions, and binary cross-entropy of the
            true kind's masks over labelled pixels, or 0 if nothing counts.
        """
        candidates = torch.cat([proposals, truth.boxes], dim=1)
        real = torch.cat([torch.ones_like(proposals[..., 0], dtype=torch.bool), truth.present], dim=1)
        best, nearest = overlaps(candidates, truth).max(dim=2)
        negative = (best < _POSITIVE) & real & (labelled_share(candidates, truth) >= 0.5)
        drawn = draw_sample(best >= _POSITIVE, negative, n=n, share=_SHARE)
        boxes = candidates.take_along_dim(drawn.chosen.unsqueeze(-1), dim=1)
        kinds = nearest.take_along_dim(drawn.chosen, dim=1)
        logits, deltas = self.classify(levels, boxes)
        errors = functional.cross_entropy(logits.transpose(1, 2), (kinds + 1) * drawn.positive, reduction="none")
        goals = encode_boxes(truth.boxes.take_along_dim(kinds.unsqueeze(-1), dim=1), boxes, _WEIGHTS)
        own = deltas.take_along_dim(kinds[..., None, None], dim=2).squeeze(2)
        n_masks = int(n * _SHARE)  # positives come first
        mask = self._mask_loss(levels, boxes[:, :n_masks], truth, kinds[:, :n_masks], drawn.positive[:, :n_masks])
        return masked_mean(errors, drawn.valid), box_loss(own, goals, drawn), mask

    def _mask_loss(
        self,
        levels: Sequence[torch.Tensor],
        boxes: torch.Tensor,
        truth: Instances,
        kinds: torch.Tensor,
        counted: torch.Tensor,
    ) -> torch.Tensor:
        """Binary cross-entropy of masks of `kinds` (N, S) in boxes (N, S, 4), of those that count (N, S)."""
        index = kinds[..., None, None, None]
        logits = self.segment(levels, boxes).take_along_dim(index, dim=2)
        goals = roi_align([truth.masks], boxes, size=2 * _MASK_BINS).take_along_dim(index, dim=2) >= 0.5
        labelled = roi_align([truth.labelled], boxes, size=2 * _MASK_BINS) > _WHOLLY
        errors = functional.binary_cross_entropy_with_logits(logits, goals.float(), reduction="none")
        return masked_mean(errors, labelled & counted[..., None, None, None])
