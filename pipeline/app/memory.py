"""Memory management of a command's process, which allocates and frees many megabytes all the time."""

from __future__ import annotations

import ctypes
import gc

__all__ = ["collect_garbage_seldom", "keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # as glibc's malloc.h names them
_LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> bool:
    """Reuse large freed blocks of memory instead of returning them to the system, which clears every new page.

    A training step of a network with 134 million weights takes half the time, and `cmr segment` 4 % less, but holds at
    most 1.9 GB instead of 1.6.

    Returns:
        Whether the C library supports it: glibc does, others are left unchanged.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no such function, or a system that cannot be asked like this
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _LARGEST_INT))


def collect_garbage_seldom() -> None:
    """Collect garbage less often. Scanning the permanent objects that torch and MONAI create takes 1 s."""
    gc.set_threshold(50_000)
