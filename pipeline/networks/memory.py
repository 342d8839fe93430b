"""Memory format of a network's weights: channels last, the fastest, unless its gradients would be wrong."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["fastest_format"]


def fastest_format(network: nn.Module, device: torch.device | str, *, trains: bool) -> torch.memory_format:
    """The memory format for `network.to(memory_format=...)` in which its convolutions are fast and correct.

    Channels last, except for training on a CPU a 2D network whose bfloat16 weight gradients oneDNN 3.12 gets wrong in
    that format: not finite, or off by their own size. This affects convolutions dilated along X whose input channels
    are more than 16 and no multiple of 16, or, with groups, whose channels per group are no multiple of 16 (torch 2.13,
    measured for 1 to 148 channels in, 16 to 64 out, rates from 1 to 12, 1 to 256 groups). The other format is slower in
    inference, which has no such fault.
    """
    modules = list(network.modules())
    if any(isinstance(module, nn.Conv3d) for module in modules):
        return torch.channels_last_3d
    wrong = any(isinstance(module, nn.Conv2d) and _is_wrong(module) for module in modules)
    if trains and torch.device(device).type == "cpu" and wrong:
        return torch.contiguous_format
    return torch.channels_last


def _is_wrong(convolution: nn.Conv2d) -> bool:
    channels = convolution.in_channels // convolution.groups
    uneven = channels % 16 != 0 and (channels > 16 or convolution.groups > 1)
    return convolution.dilation[0] > 1 and uneven
