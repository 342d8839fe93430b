"""In place of the network: writes small objects that depend on the study alone; some studies it cannot do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from pipeline.app.case_results import CaseResult, record_failure
from pipeline.app.folders import write_whole
from pipeline.app.request import Request
from pipeline.app.results import read_record, write_record
from pipeline.core.case import BundleRecord, Provenance
from pipeline.core.errors import ConfigError
from pipeline.read.discover import CaseFiles
from pipeline.write.dicom.uids import derived_uid

N_OBJECTS = 2


@dataclass(frozen=True)
class StandIn:
    """Loads nothing. The end of a StudyInstanceUID says what happens: 901 fails, 902 ends the process, 903 hangs."""

    refuses: bool = False

    def __call__(self) -> tuple[Provenance, Callable[[tuple[CaseFiles, Request]], CaseResult]]:
        if self.refuses:
            raise ConfigError("no such bundle")
        return Provenance({"cardiac-mr-pipeline": "0"}, BundleRecord("stand-in", "1"), {}), segment


def segment(task: tuple[CaseFiles, Request]) -> CaseResult:
    case, asked = task
    uid = str(pydicom.dcmread(case.files[0], stop_before_pixels=True).StudyInstanceUID)
    if uid.endswith("901"):
        return record_failure(asked.out, case, "no heart is seen in Secret^Patient")
    if uid.endswith("902"):
        os._exit(9)
    if uid.endswith("903"):
        time.sleep(60)

    def fill(folder: Path) -> CaseResult:
        for number in range(N_OBJECTS):
            made_object(uid, number, len(case.files)).save_as(folder / f"seg_{number}.dcm", enforce_file_format=True)
        write_record(folder, {"source": {"identity": case.identity}})
        return CaseResult(folder.name, asked.out / folder.name, None, read_record(folder / "measurements.json"))

    return write_whole(asked.out, case, fill, keep_old=False)


def made_object(study: str, number: int, n_files: int) -> Dataset:
    """Object 0 depends on the number of files, as results of more images are others; object 1 does not."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    parts = (study, str(number), *([str(n_files)] if number == 0 else []))
    made.SOPClassUID, made.SOPInstanceUID = EncapsulatedPDFStorage, derived_uid(*parts)
    made.StudyInstanceUID, made.SeriesInstanceUID = study, derived_uid(*parts, "series")
    made.MIMETypeOfEncapsulatedDocument, made.EncapsulatedDocument = "application/pdf", b"%PDF-1.4"
    return made
