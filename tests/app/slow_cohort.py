"""`cmr segment` with a stand-in for the network that needs no torch and takes its time, to be killed by tests.

python -m tests.app.slow_cohort INPUT OUT SECONDS JOBS [ENGINE]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.app.case_results import CaseResult, result_on_disk
from pipeline.app.case_table import CaseTable
from pipeline.app.cohort import Cohort
from pipeline.app.earlier import describe_input
from pipeline.app.engines import this_machine
from pipeline.app.folders import write_whole
from pipeline.app.logs import log_to_stderr
from pipeline.app.progress import Progress
from pipeline.app.ray_engine import ray_cluster
from pipeline.app.request import Request
from pipeline.app.results import write_labels, write_record
from pipeline.app.run_cohort import run_cohort
from pipeline.core.case import BundleRecord, Provenance, Source, case_record
from pipeline.core.digests import labels_digest
from pipeline.read.cine import read_cine
from pipeline.read.discover import CaseFiles

MADE_BY = Provenance({"cardiac-mr-pipeline": "1"}, BundleRecord("slow", "1", "0" * 64), {})
N_PARTS = 6
ENGINES = {"this_machine": this_machine, "ray": ray_cluster}


@dataclass(frozen=True)
class LoadSlow:
    """Loads what labels nothing; each case is written in several parts, with pauses before and between."""

    request: Request
    pause_s: float

    def __call__(self) -> tuple[Provenance, Callable[[CaseFiles], CaseResult]]:
        return MADE_BY, self.attempt

    def attempt(self, case: CaseFiles) -> CaseResult:
        cine = read_cine(case.files)
        labels = np.zeros(cine.array.shape, np.uint8)
        time.sleep(self.pause_s)

        def fill(folder: Path) -> CaseResult:
            for part in range(N_PARTS):
                time.sleep(self.pause_s / N_PARTS)
                with (folder / "report.html").open("a") as stream:
                    stream.write(f"{case.name} {part}\n")
            write_labels(folder, cine, labels)
            made_by = replace(
                MADE_BY,
                labels_sha256=labels_digest(labels),
                source=Source(case.identity, str(case.path)),
                input=describe_input(case, case.files, secret=None),
            )
            choices = self.request.choices.to_json()
            write_record(folder, case_record(made_by, name=folder.name) | {"choices": choices})
            return result_on_disk(folder)

        return replace(write_whole(self.request.out, case, fill), seconds=self.pause_s)


def main(source: str, out: str, pause_s: str, jobs: str, engine: str = "this_machine") -> int:
    log_to_stderr(quiet=False)
    request = Request(Path(out))
    start = ENGINES[engine]
    cohort = Cohort(LoadSlow(request, float(pause_s)), request, jobs=int(jobs), timeout_s=None, engine=start)
    return run_cohort(cohort, Path(source), Progress(as_json=False, quiet=False), CaseTable(Path(out)))


if __name__ == "__main__":
    from tests.app import slow_cohort  # Ray's processes find what has a module's name

    sys.exit(slow_cohort.main(*sys.argv[1:]))
