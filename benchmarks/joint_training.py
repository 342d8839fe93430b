"""A training by one and by several processes: processor time and time of an epoch, without what starting costs.

    python benchmarks/joint_training.py RESULTS.json [--processes 1 2] [--epochs 3] [--window 128]

Trains the default U-Net on phantoms for one epoch and for more, each by the user's command, with one thread a process.
The difference is what epochs cost. Processor time hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.phantom.dataset import write_dataset

SCAN = {"n_phases": 3, "n_slices": 10, "size": 96, "pixel_mm": 2.5, "step_mm": 10.0}


def main() -> None:
    """Run all, print a line each, and write them as JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("results", type=Path)
    options.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    options.add_argument("--epochs", type=int, default=3)
    options.add_argument("--window", type=int, default=128)
    chosen = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="joint-training-") as folder:
        data = Path(folder) / "data"
        write_dataset(data, n_patients=4, **SCAN)
        for n in chosen.processes:
            few, many = (
                _times(data, Path(folder) / f"{n}-{epochs}", n, {"epochs": epochs, "window": [chosen.window] * 2})
                for epochs in (1, 1 + chosen.epochs)
            )
            epoch = {key: round((many[key] - few[key]) / chosen.epochs, 2) for key in few}
            rows.append({"processes": n, **epoch, "start_cpu_s": round(few["cpu_s"] - epoch["cpu_s"], 1)})
            print(json.dumps(rows[-1]), flush=True)
    chosen.results.write_text(json.dumps(rows, indent=1))


def _times(data: Path, out: Path, n: int, settings: dict[str, object]) -> dict[str, float]:
    """Processor time of all processes of a training, and the time that passes, in seconds."""
    fixed = {"n4": False, "val_fraction": 0.5, "val_interval": 100, "spacing_mm": [2.5, 2.5, -1]}
    given = [word for key, value in (fixed | settings).items() for word in ("--set", f"{key}={json.dumps(value)}")]
    command = [sys.executable, "-m", "pipeline", "train", "--data", str(data), "-o", str(out), "--processes", str(n)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([*command, *given], check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_s": cpu_s, "wall_s": time.monotonic() - start}


if __name__ == "__main__":
    main()
