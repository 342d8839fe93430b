"""What networks with several outputs give, as an annotation that TorchScript can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

__all__ = ["Logits"]

if TYPE_CHECKING:
    Logits = torch.Tensor | tuple[torch.Tensor, ...]
    """Logits, and in training perhaps those of auxiliary outputs behind them."""
else:  # TorchScript knows no tuple of any length, and a network that is scripted is in evaluation: it gives one tensor
    Logits = torch.Tensor
