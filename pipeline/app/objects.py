"""The DICOM objects of a case, and the notes on them."""

from __future__ import annotations

import logging
from pathlib import Path

from pipeline.app.choices import Choices
from pipeline.app.identity import conceal_source, identity_of
from pipeline.core.case import Case
from pipeline.core.errors import PipelineError
from pipeline.write.dicom.encapsulated import write_encapsulated_pdf
from pipeline.write.dicom.headers import source_headers
from pipeline.write.dicom.seg import write_segmentations
from pipeline.write.dicom.seg_build import algorithm_of
from pipeline.write.dicom.sr import write_measurement_report
from pipeline.write.pages.pdf import pdf_report

__all__ = ["write_objects"]

_log = logging.getLogger(__name__)


def write_objects(folder: Path, case: Case, choices: Choices) -> list[str]:
    """Write a case's DICOM segmentations, structured report and report as a PDF, if its images are DICOM.

    Args:
        folder: of the case, which exists.
        case: the case.
        choices: the user's choices.

    Returns:
        Sentences on repairs and omissions.
    """
    if case.cine.sources is None:
        return ["no DICOM segmentation or structured report is written: the images are not DICOM"]
    wanted, labels = _phases_to_write(case, choices), case.counted_labels
    phases = {name: phase for name, phase in wanted.items() if labels[phase].any()}
    empty = [name for name in wanted if name not in phases]
    notes = [f"no DICOM segmentation of {', '.join(empty)}: nothing is labelled there"] if empty else []
    try:
        headers = source_headers(case.cine, pseudonym=case.pseudonym)
        files = write_segmentations(
            folder, case.cine, labels, phases=phases, algorithm=algorithm_of(case), headers=headers
        )
        pdf = _pdf(case, choices)
        write_encapsulated_pdf(
            folder / "report.dcm", pdf, headers=headers, phases=phases.values(), names_patient=choices.identify
        )
        pair = {role: path for role, path in files.items() if role in ("ed", "es")}
        if pair:
            write_measurement_report(folder / "sr.dcm", case, segmentations=pair, headers=headers)
    except PipelineError as error:  # the measurements and the report are worth having without them
        _log.error("%s: not all DICOM objects are written: %s", case.name, error)
        return [*notes, f"not all DICOM objects are written: {error}"]
    return [*headers.faults, *notes]


def _pdf(case: Case, choices: Choices) -> bytes:
    """The report as a PDF. Its notes name no file, since whoever reads it in an archive has no such file."""
    files = {Path(frame.path) for row in case.cine.sources or () for frame in row}
    notes = [conceal_source(note, files) for note in case.measurements.notes]
    identity = identity_of(case.cine) if choices.identify else {}
    identity.pop("report_date", None)  # of today: the same results made again tomorrow are still the same
    return pdf_report(case, identity=identity, notes=notes)


def _phases_to_write(case: Case, choices: Choices) -> dict[str, int]:
    """Name, as in the files' names, -> phase."""
    ed, es = case.measurements.ed_phase, case.measurements.es_phase
    if ed is None or es is None:
        return {"single": 0}
    every = {f"phase_{phase:02d}": phase for phase in range(case.cine.n_phases)} if choices.all_phases else {}
    return {"ed": ed, "es": es, **every}
