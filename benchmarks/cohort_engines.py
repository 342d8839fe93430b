"""A cohort by each engine: studies an hour against workers, processor time, memory, and what a kill loses.

    python benchmarks/cohort_engines.py STUDIES RESULTS.json [--workers 1 2] [--engines local ray] [--bundle NAME]

Each run is the user's command into a new folder. What a run costs besides its studies is taken from one more, over the
finished folder, which skips all. Processor time is that of all processes, and hardly depends on what else the machine
does. In the last run of each engine a process that segments is killed (SIGKILL) every few seconds, twice: studies in
hand are lost and marked so, or called again by Ray; a second run must complete all.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from pipeline.app.defaults import DEFAULT_BUNDLE

KILLS, KILL_EVERY_S = 2, 10.0
WORDS = {"local": "spawn_main", "ray": "ray::_call"}
"""What the command line of a process that segments, or of Ray's above it, contains."""


def main() -> None:
    """Run all, print a line each, and write them as JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("studies", type=Path)
    options.add_argument("results", type=Path)
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options.add_argument("--engines", nargs="+", default=list(WORDS))
    options.add_argument("--bundle", default=DEFAULT_BUNDLE)
    chosen = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="cohort-engines-") as folder:
        for engine in chosen.engines:
            for n in chosen.workers:
                command = _command(chosen.studies, Path(folder) / f"{engine}{n}", chosen.bundle, engine, n)
                rows.append({"engine": engine, "workers": n} | _measured(command))
                print(json.dumps(rows[-1]), flush=True)
            command = _command(chosen.studies, Path(folder) / f"{engine}-killed", chosen.bundle, engine, n)
            rows.append({"engine": engine, "workers": n} | _killed(command, WORDS[engine]))
            print(json.dumps(rows[-1]), flush=True)
    chosen.results.write_text(json.dumps(rows, indent=1))


def _command(studies: Path, out: Path, bundle: str, engine: str, n: int) -> list[str]:
    places = [str(studies), "-o", str(out), "--bundle", bundle]
    return [sys.executable, "-m", "pipeline", "segment", *places, "--engine", engine, "--jobs", str(n), "--json"]


def _measured(command: list[str]) -> dict[str, Any]:
    first, again = _run(command), _run(command)
    assert again["skipped"] == again["studies"] == first["studies"], "a second run did not find all done"
    return {
        "studies": first["studies"],
        "wall_s": first["wall_s"],
        "without_studies_s": again["wall_s"],
        "median_study_s": sorted(first["study_s"])[len(first["study_s"]) // 2],
        "per_hour": round(3600 * first["studies"] / (first["wall_s"] - again["wall_s"])),
        "busy_s": round(sum(first["study_s"]), 1),
        "cpu_s": first["cpu_s"],
        "without_studies_cpu_s": again["cpu_s"],
        "peak_mb": first["peak_mb"],
    }


def _killed(command: list[str], words: str) -> dict[str, Any]:
    """What a run in which processes are killed leaves, and the run behind it."""
    first = _run(command, beside=lambda process: _kill_some(process, words))
    again = _run(command)
    return {
        "killed": KILLS,
        "failed": first["failed"],
        "failed_after_second_run": again["failed"],
        "whole_after_second_run": again["studies"],
    }


def _run(command: list[str], beside: Callable[[psutil.Process], None] | None = None) -> dict[str, Any]:
    """Run `cmr segment --json`; its objects, times and the largest memory of all its processes together."""
    start, peak = time.monotonic(), 0
    cpu_s: dict[int, float] = {}
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as run:
        above = psutil.Process(run.pid)
        if beside is not None:
            threading.Thread(target=beside, args=(above,), daemon=True).start()
        reader = threading.Thread(target=lambda: objects.extend(json.loads(line) for line in run.stdout))
        objects: list[dict[str, Any]] = []
        reader.start()
        while run.poll() is None:
            peak = max(peak, _memory_bytes(above))
            cpu_s |= _cpu_s(above)
            time.sleep(0.25)
        reader.join()
    return {
        "studies": len(objects),
        "wall_s": round(time.monotonic() - start, 1),
        "study_s": [one["seconds"] for one in objects if one["seconds"] is not None],
        "skipped": sum(one["skipped"] is not None for one in objects),
        "failed": sum(one["error"] is not None for one in objects),
        "cpu_s": round(sum(cpu_s.values()), 1),
        "peak_mb": peak // 2**20,
    }


def _cpu_s(above: psutil.Process) -> dict[int, float]:
    """Processor time so far of a process and each below it, by its number."""
    times = {}
    for process in _family(above):
        try:
            times[process.pid] = sum(process.cpu_times()[:2])
        except psutil.Error:
            continue
    return times


def _memory_bytes(above: psutil.Process) -> int:
    """Proportional memory of a process and all below it: pages that several share count once."""
    total = 0
    for process in _family(above):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def _kill_some(above: psutil.Process, words: str) -> None:
    for _ in range(KILLS):
        time.sleep(KILL_EVERY_S)
        found = [process for process in _family(above) if words in _words(process)]
        if found:
            found[-1].send_signal(signal.SIGKILL)


def _family(above: psutil.Process) -> list[psutil.Process]:
    try:
        return [above, *above.children(recursive=True)]
    except psutil.Error:
        return []


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


if __name__ == "__main__":
    main()
