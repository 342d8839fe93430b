"""Losses over logits (N, C, X, Y) and labels (N, 1, X, Y) that ignore `UNLABELLED` pixels.

Labels may be partial: a pixel with a partial value counts as one class, which has the probability of all its members
together, the marginal loss of Fang and Yan (IEEE TMI 39:3619, 2020) and Shi et al. (Medical Image Analysis 70:101979,
2021); see `partial`. Terms over regions leave a class out in images in which it was not drawn.

Volumes (N, C, X, Y, Z) work as well. Regions (overlaps, unions) are summed over the whole batch, so that slices without
a structure do not dominate. MONAI's losses of these kinds cannot ignore a label, and it has no Lovasz-Softmax.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from skimage.measure import label as connected_pieces
from torch import nn
from torch.nn import functional

from pipeline.core.labels import UNLABELLED
from pipeline.networks.layers.sampling import masked_mean
from pipeline.train.partial import Truth, merge_partial

__all__ = [
    "CrossEntropy",
    "CrossEntropyLogJaccard",
    "DiceCrossEntropy",
    "Jaccard",
    "LabelledLoss",
    "LovaszSoftmax",
    "VarianceConstrainedCrossEntropy",
]


class LabelledLoss(nn.Module, ABC):
    """Base class of losses over labelled pixels, defined by `compute`."""

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss.

        Args:
            logits: (N, C, X, Y) float, C >= 2.
            labels: (N, 1, X, Y) integers 0 to C - 1, partial, or `UNLABELLED`. A batch without a label gives 0.
        """
        return self.compute(*merge_partial(logits, labels[:, 0]))

    @abstractmethod
    def compute(self, logits: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the scalar loss of (N, C, X, Y) logits."""


class CrossEntropy(LabelledLoss):
    """Cross-entropy, the mean over labelled pixels."""

    def compute(self, logits: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the scalar loss, see `LabelledLoss.compute`."""
        total = functional.cross_entropy(logits, truth.target, ignore_index=UNLABELLED, reduction="sum")
        return total / truth.labelled.sum().clamp(min=1)  # not asked whether there are any: a GPU would have to wait


class DiceCrossEntropy(CrossEntropy):
    """Soft Dice loss plus cross-entropy, as nnU-Net combines them (Isensee et al., Nature Methods 2021).

    MONAI's `DiceCELoss` with `softmax`, `to_onehot_y`, `batch=True` and `include_background=False` gives the same
    value when every pixel is labelled (tested).

    Args:
        dice_weight: factor of the Dice term.
        smooth: added above and below the Dice ratio, so that an absent class gives no 0/0.
        classes: the classes whose Dice counts (`None`: all but 0, the background). Name them if 0 is a structure.
    """

    def __init__(self, dice_weight: float = 1.0, smooth: float = 1e-5, classes: Sequence[int] | None = None) -> None:
        super().__init__()
        self.dice_weight = dice_weight
        self.smooth = smooth
        self.classes = classes

    def compute(self, logits: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the scalar loss, see `LabelledLoss.compute`."""
        overlap, guess, size = (_choose(each, self.classes) for each in _region_sums(logits, truth))
        dice = (2.0 * overlap + self.smooth) / (guess + size + self.smooth)
        loss = masked_mean(1.0 - dice, _choose(truth.drawn.any(0), self.classes))
        return super().compute(logits, truth) + self.dice_weight * loss


class Jaccard(LabelledLoss):
    """Soft Jaccard loss, the mean over classes of 1 - J.

    J = (sum p y + s) / (sum p + sum y - sum p y + s), a ratio of sums over the batch. MONAI's `DiceLoss` with `jaccard`
    gives the same when every pixel is labelled (tested, but its `smooth` is twice ours).

    Args:
        smooth: s, so that an absent class gives no 0/0.
        classes: that count (`None`: all but 0, the background). Name them if 0 is a structure.
    """

    def __init__(self, smooth: float = 1e-5, classes: Sequence[int] | None = None) -> None:
        super().__init__()
        self.smooth = smooth
        self.classes = classes

    def compute(self, logits: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the scalar loss, see `LabelledLoss.compute`."""
        ratios = _jaccard(_region_sums(logits, truth), self.smooth)
        return masked_mean(*(_choose(each, self.classes) for each in (1.0 - ratios, truth.drawn.any(0))))


class CrossEntropyLogJaccard(CrossEntropy):
    """Cross-entropy minus log J (Iglovikov and Shvets, TernausNet, arXiv 1801.05746, 2018).

    J is `Jaccard`'s ratio of sums: the mean over pixels of p y / (p + y - p y) is 0/0 on background. Its logarithm is
    averaged over the classes that the labels hold, for it has no value when a class is absent.

    Args:
        weight: factor of the log J term.
        smooth: added above and below J, so that the logarithm stays finite when probabilities underflow.
        classes: that count (`None`: all but 0, the background). Name them if 0 is a structure.
    """

    def __init__(self, weight: float = 1.0, smooth: float = 1e-5, classes: Sequence[int] | None = None) -> None:
        super().__init__()
        self.weight = weight
        self.smooth = smooth
        self.classes = classes

    def compute(self, logits: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the scalar loss, see `LabelledLoss.compute`."""
        sums = _region_sums(logits, truth)
        logarithms = _choose(_jaccard(sums, self.smooth).log(), self.classes)
        present = _choose(sums[2] > 0, self.classes)
        return super().compute(logits, truth) - self.weight * masked_mean(logarithms, present)


class LovaszSoftmax(LabelledLoss):
    """Lovasz-Softmax loss (Berman, Rannen Triki, Blaschko, CVPR 2018, equation 11), over the batch as one image.

    The convex extension of the Jaccard loss, at the errors |y - p| of a class, averaged over the classes present.

    Args:
        classes: that count if present (`None`: all, the background too, as in the paper).
    """

    def __init__(self, classes: Sequence[int] | None = None) -> None:
        super().__init__()
        self.classes = classes

    def compute(self, logits: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the scalar loss, see `LabelledLoss.compute`, or 0 if no class that counts is present."""
        classes = range(logits.shape[1]) if self.classes is None else self.classes
        counted = truth.counted.movedim(1, -1)[truth.labelled]
        guess = logits.softmax(1).movedim(1, -1)[truth.labelled] * counted
        is_class = functional.one_hot(truth.target[truth.labelled], logits.shape[1]) * counted
        errors, order = (is_class - guess).abs().sort(dim=0, descending=True)
        losses = (errors * _lovasz_gradient(is_class.gather(0, order))).sum(0)
        return masked_mean(_choose(losses, classes), _choose(is_class.sum(0) > 0, classes))


class VarianceConstrainedCrossEntropy(CrossEntropy):
    """Cross-entropy plus the variance of probabilities within each instance: varCE (Qu et al., MICCAI 2019, FullNet).

    L = CE + w / K sum_k 1 / |I_k| sum_{i in I_k} sum_c (p_ic - m_kc)^2, with m_kc the mean over I_k of class c's
    probability. The K instances are the connected pieces (edges and corners join) that the labels of a class have in an
    image. Nothing is added if there are none.

    Args:
        weight: w.
        classes: whose pieces are instances (`None`: all but 0, the background). Name them if 0 is a structure.
    """

    def __init__(self, weight: float = 1.0, classes: Sequence[int] | None = None) -> None:
        super().__init__()
        self.weight = weight
        self.classes = classes

    def compute(self, logits: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the scalar loss, see `LabelledLoss.compute`."""
        loss = super().compute(logits, truth)
        classes = range(1, logits.shape[1]) if self.classes is None else self.classes
        instances = _instances(truth.target, classes)
        inside = instances > 0
        if not inside.any():
            return loss
        probabilities, owner = logits.softmax(1).movedim(1, -1)[inside], instances[inside] - 1
        sizes = owner.bincount()
        means = _sums_by(owner, probabilities, len(sizes)) / sizes.unsqueeze(1)
        deviations = (probabilities - means[owner]).square()
        variances = _sums_by(owner, deviations, len(sizes)).sum(1) / sizes
        return loss + self.weight * variances.mean()


def _region_sums(logits: torch.Tensor, truth: Truth) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Overlap, sum of the probabilities and number of pixels of each class, (C,) each, over pixels where it counts."""
    mask = truth.counted
    is_class = functional.one_hot(truth.target.where(truth.labelled, 0), logits.shape[1]).movedim(-1, 1) * mask
    guess = logits.softmax(1) * mask
    axes = [0, *range(2, logits.ndim)]
    return (guess * is_class).sum(axes), guess.sum(axes), is_class.sum(axes)


def _jaccard(sums: tuple[torch.Tensor, torch.Tensor, torch.Tensor], smooth: float) -> torch.Tensor:
    overlap, guess, truth = sums
    return (overlap + smooth) / (guess + truth - overlap + smooth)


def _choose(values: torch.Tensor, classes: Sequence[int] | None) -> torch.Tensor:
    """The values (C,) of the classes named; of all but 0 where none are."""
    return values[1:] if classes is None else values[list(classes)]


def _lovasz_gradient(truth: torch.Tensor) -> torch.Tensor:
    """Steps of the Jaccard loss as pixels (P, C), sorted by falling error, become errors one after the other."""
    total = truth.sum(0)
    overlap = total - truth.cumsum(0)
    union = total + (1 - truth).cumsum(0)
    return (1.0 - overlap / union).diff(dim=0, prepend=total.new_zeros(1, len(total)))


def _instances(target: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
    """Number the connected pieces of each class in each image of (N, X, Y), from 1 on across the batch, 0 elsewhere."""
    values = target.cpu().numpy()
    numbered = np.zeros_like(values)
    n_pieces = 0
    for image, numbers in zip(values, numbered, strict=True):
        # one more, for 0 is what `label` takes for the background
        pieces = connected_pieces(np.where(np.isin(image, list(classes)), image + 1, 0), background=0)
        numbers[pieces > 0] = pieces[pieces > 0] + n_pieces
        n_pieces += int(pieces.max())
    return torch.from_numpy(numbered).to(target.device)


def _sums_by(owner: torch.Tensor, values: torch.Tensor, n_owners: int) -> torch.Tensor:
    """Sum the rows of (P, C) that belong to one owner: (n_owners, C)."""
    return values.new_zeros(n_owners, values.shape[1]).index_add(0, owner, values)
