"""The device that a network runs on: one that torch knows, and that is there."""

from __future__ import annotations

from typing import Any

import torch

from pipeline.core.errors import ConfigError

__all__ = ["require_device"]


def require_device(name: Any) -> torch.device:
    """Refuse a device before anything depends on it.

    Args:
        name: what torch calls it, as "cpu" or "cuda:0", or a `torch.device`.

    Raises:
        ConfigError: torch does not know it, or it is not there.

    >>> require_device("cpu")
    device(type='cpu')
    """
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(f"a device must be one of torch's, as cpu or cuda:0, got {name!r}") from error
    try:
        (torch.zeros(1, device=device) + 1).cpu()
    except Exception as error:  # AssertionError, NotImplementedError, RuntimeError: each device has its own
        there = "cpu" + "".join(f", cuda:{index}" for index in range(torch.cuda.device_count()))
        raise ConfigError(f"the device {str(device)!r} cannot be used here, got: {there}") from error
    return device
