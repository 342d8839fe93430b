"""One study from its images to the objects that are sent, by the same means as `cmr segment`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydicom

from pipeline.app.case_results import CaseResult, record_failure, result_on_disk
from pipeline.app.cohort import load_segmenter
from pipeline.app.earlier import standing
from pipeline.app.folders import find_folder
from pipeline.app.node.output import speak_json_only
from pipeline.app.node.records import Made
from pipeline.app.request import Request
from pipeline.app.workers import Crew, Lost
from pipeline.core.case import Provenance
from pipeline.core.errors import InputError
from pipeline.core.quiet import quiet_dicom
from pipeline.read.discover import CaseFiles, find_cases

__all__ = ["LoadForNode", "made_objects", "segment_study"]

_SENT = ("seg*.dcm", "sr.dcm", "report.dcm")


@dataclass(frozen=True)
class LoadForNode:
    """Loads a bundle in a process of its own, and gives what is recorded of it and what segments a case as asked.

    Attributes:
        bundle: its name or folder.
        device: torch device; `None` takes what the bundle chooses.
        n_threads: of the libraries that compute; `None` leaves it to them.
    """

    bundle: str
    device: str | None = None
    n_threads: int | None = None

    def __call__(self) -> tuple[Provenance, Callable[[tuple[CaseFiles, Request]], CaseResult]]:
        """Load it."""
        speak_json_only()
        segmenter = load_segmenter(self.bundle, self.device, self.n_threads)
        from pipeline.app.predict import CaseRunner

        def segment(task: tuple[CaseFiles, Request]) -> CaseResult:
            case, asked = task
            runner = CaseRunner(segmenter, asked.out, series=asked.series, choices=asked.choices, secret=asked.secret)
            return runner.attempt(case)

        return segmenter.provenance, segment


def segment_study(crew: Crew, made_by: Provenance, files: Sequence[Path], request: Request) -> CaseResult:
    """Segment a study, unless it has these results already, or a reader has them in hand.

    Args:
        crew: of `LoadForNode`.
        made_by: what it tells.
        files: of the study that are to be read, one at least, all in its folder.
        request: what is asked for.

    Raises:
        PipelineError: files of several studies or patients, or no image; the bundle cannot be loaded any more.
        OSError: the disk is full.
    """
    found, wanted = find_cases(files[0].parent), set(files)
    if len(found) != 1:
        raise InputError(f"objects of one study must be one case, got {len(found)}")
    case = replace(found[0], files=tuple(file for file in found[0].files if file in wanted))
    if not case.files:
        raise InputError("the series that the rules let be read must have images, these have none")
    named = request.named(case)
    left = standing(named, request, made_by)
    if left.skips:
        return result_on_disk(find_folder(request.out, named), skipped=left.reason)
    answer: Any = None
    for _, answer in crew.answers([(case, request)]):
        if isinstance(answer, Lost):
            return record_failure(request.out, named, answer.reason)
    return answer


def made_objects(folder: Path, results: Path) -> list[Made]:
    """The objects in a case's folder, in the order in which they are sent: what others refer to comes first."""
    found = []
    with quiet_dicom():
        for file in [path for pattern in _SENT for path in sorted(folder.glob(pattern))]:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID", "SOPClassUID"])
            found.append(Made(str(header.SOPInstanceUID), str(header.SOPClassUID), str(file.relative_to(results))))
    return found
