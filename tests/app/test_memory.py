"""The process of a command: what it frees, it keeps."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_CAPTURED = {"check": True, "capture_output": True, "text": True}
_COUNT_PAGES_OF_A_SECOND_BLOCK = """
import resource, sys
import numpy as np
from pipeline.app.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(8_000_000)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_a_block_freed_serves_the_next_one() -> None:
    fresh, kept = (
        int(subprocess.run([sys.executable, "-c", _COUNT_PAGES_OF_A_SECOND_BLOCK, how], **_CAPTURED).stdout)
        for how in ("given back", "kept")
    )
    assert kept < 10
    assert fresh > kept
