"""Labels in which not all structures were drawn: what a loss must know of them, made of partial values.

A partial value names several classes (`core.labels.one_of`). Here they become one, the lowest of them, whose logit in
that pixel is the logarithm of the sum of their exponentials, so that its probability is the sum of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pipeline.core.labels import PARTIAL, UNLABELLED

__all__ = ["Truth", "merge_partial"]


@dataclass(frozen=True)
class Truth:
    """Labels of a batch, partial values resolved.

    Attributes:
        target: (N, X, Y) int64, classes, or `UNLABELLED`.
        labelled: (N, X, Y) bool, where somebody has labelled.
        drawn: (N, C) bool, whether a class can be told from the others in all of an image.
    """

    target: torch.Tensor
    labelled: torch.Tensor
    drawn: torch.Tensor

    @property
    def counted(self) -> torch.Tensor:
        """(N, C, X, Y) bool: labelled pixels, of images in which the class was drawn."""
        shape = (*self.drawn.shape, *[1] * (self.labelled.ndim - 1))
        return self.labelled.unsqueeze(1) & self.drawn.view(shape)


def merge_partial(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, Truth]:
    """Resolve partial labels.

    Args:
        logits: (N, C, X, Y) float.
        labels: (N, X, Y) integers: classes, partial values of them, or `UNLABELLED`.

    Returns:
        The logits, classes merged where the label is partial and untouched elsewhere; and the truth to compare with.
        Nothing is computed where a CPU sees that no label is partial; a GPU is not asked, for it would have to wait.
    """
    target = labels.long()
    labelled = target != UNLABELLED
    partial = labelled & (target > PARTIAL)
    everything = torch.ones(logits.shape[:2], dtype=torch.bool, device=logits.device)
    if labels.device.type == "cpu" and not partial.any():
        return logits, Truth(target, labelled, everything)
    bits = target & ~PARTIAL
    member = torch.stack([partial & (bits >> bit & 1).bool() for bit in range(logits.shape[1])], dim=1)
    lowest = member & (member.cumsum(1) == 1)
    nothing = torch.finfo(logits.dtype).min
    together = logits.masked_fill(~member, nothing).logsumexp(1, keepdim=True)
    merged = torch.where(member, torch.where(lowest, together, nothing), logits)
    target = torch.where(partial, lowest.int().argmax(1), target)
    return merged, Truth(target, labelled, everything & ~member.flatten(2).any(2))
