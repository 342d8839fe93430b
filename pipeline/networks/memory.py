"""How a network's weights lie in memory: channels last, the fastest, but where its gradients would be wrong."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["fastest_format"]


def fastest_format(network: nn.Module, device: torch.device, *, trains: bool) -> torch.memory_format:
    """What to convert a network to, by `network.to(memory_format=...)`, for its convolutions to be fast and right.

    Channels last, but in a training on a CPU for a 2D network of which oneDNN 3.12 gets the bfloat16 weight gradients
    wrong in that layout: not finite, or off by their own size. Those are convolutions dilated along X with more than 16
    input channels, no multiple of 16; and with groups, of any number of channels a group that is no multiple (torch
    2.13; measured for 1 to 148 channels in, 16 to 64 out, rates from 1 to 12, 1 to 256 groups). The other layout is
    slower in inference, where nothing is wrong.
    """
    modules = list(network.modules())
    if any(isinstance(module, nn.Conv3d) for module in modules):
        return torch.channels_last_3d
    wrong = any(isinstance(module, nn.Conv2d) and _is_wrong(module) for module in modules)
    if trains and device.type == "cpu" and wrong:
        return torch.contiguous_format
    return torch.channels_last


def _is_wrong(convolution: nn.Conv2d) -> bool:
    channels = convolution.in_channels // convolution.groups
    uneven = channels % 16 != 0 and (channels > 16 or convolution.groups > 1)
    return convolution.dilation[0] > 1 and uneven
