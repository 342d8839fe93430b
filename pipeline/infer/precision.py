"""The number format that a device is fast at, and a forward pass in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import torch
from monai.inferers import SimpleInferer

__all__ = ["AutocastInferer", "autocast", "cpu_is_fast_at_bfloat16", "scales_gradients"]


@lru_cache(maxsize=1)
def cpu_is_fast_at_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively (AVX512-BF16 or AMX). Elsewhere it is emulated and slower.

    Read from the CPU's feature flags rather than timed, so that results on one machine are reproducible.
    """
    flags = torch.cpu.get_capabilities()
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))


def autocast(device: torch.device, *, enabled: bool = True) -> AbstractContextManager[Any]:
    """Mixed precision when it is faster.

    CPU: bfloat16 when native, else float32. CUDA: bfloat16 if the GPU has it, else float16 (see
    `scales_gradients`). Other devices: float32.
    """
    if device.type == "cpu":
        return torch.autocast("cpu", torch.bfloat16, enabled=enabled and cpu_is_fast_at_bfloat16())
    if device.type == "cuda":
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return torch.autocast("cuda", dtype, enabled=enabled)
    return torch.autocast("cpu", enabled=False)


def scales_gradients(device: torch.device | str, *, amp: bool) -> bool:
    """Whether MONAI's engines must scale gradients: on CUDA in float16, whose range is short, not in bfloat16."""
    return amp and torch.device(device).type == "cuda" and not torch.cuda.is_bf16_supported()


class AutocastInferer(SimpleInferer):
    """Plain forward pass of (N, C, X, Y) slices under `autocast`. Logits come back in float32.

    MONAI's own `amp` acts on CUDA alone. Here the CPU profits as well. Networks with auxiliary outputs give a tuple.

    Args:
        amp: mixed precision when it is faster. False computes in float32 throughout.
    """

    def __init__(self, amp: bool = True) -> None:
        super().__init__()
        self.amp = amp

    def __call__(self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return `network(inputs)` as float32 logits: a tensor, or a tuple of them if the network gives one."""
        with autocast(inputs.device, enabled=self.amp):
            logits = network(inputs, *args, **kwargs)
        return logits.float() if isinstance(logits, torch.Tensor) else tuple(one.float() for one in logits)
