"""Does memory stay flat and time linear over many cases? One process segments the same study again and again.

    python benchmarks/growth.py BUNDLE STUDY [N_CASES]

Prints seconds and resident memory after each tenth of the cases.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psutil

from pipeline.app.memory import keep_freed_memory
from pipeline.app.predict import CaseRunner, segment_path
from pipeline.app.segmenter import Segmenter


def main(bundle: str, study: Path, n_cases: int) -> None:
    """Print a line for each tenth of the cases."""
    keep_freed_memory()  # as `cmr` does
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as out:
        runner = CaseRunner(Segmenter(bundle), out)
        start = time.perf_counter()
        for done in range(1, n_cases + 1):
            for result in segment_path(runner, study):
                if result.error is not None:
                    raise SystemExit(f"{result.name}: {result.error}")
            if done % max(1, n_cases // 10) == 0:
                megabytes = process.memory_info().rss / 1e6
                print(f"{done:4d} cases {time.perf_counter() - start:8.1f} s {megabytes:8.0f} MB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 100)
