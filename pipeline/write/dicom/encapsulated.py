"""A PDF as a DICOM object of the images' study (Encapsulated PDF, PS3.3 A.45.1), which any viewer can show."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

import pipeline
from pipeline.core.errors import UnreadableError
from pipeline.core.quiet import quiet_dicom
from pipeline.write.dicom.headers import SourceHeaders
from pipeline.write.dicom.seg_build import MANUFACTURER
from pipeline.write.dicom.uids import UNNAMED, give_uids

__all__ = ["write_encapsulated_pdf"]

DOCUMENT_SERIES = 2001
"""Added to the source's SeriesNumber."""

_TITLE = "Cardiac measurements. Not for diagnosis."


def write_encapsulated_pdf(
    path: str | Path, pdf: bytes, *, headers: SourceHeaders, phases: Iterable[int] = (), names_patient: bool = False
) -> Path:
    """Write a PDF as a DICOM object in the source's study, in a series of its own.

    Args:
        path: the file. It appears once it reads back with the same bytes, or not at all. Parent folders are created.
        pdf: the PDF.
        headers: of the cine's sources, with the pseudonym if one is used.
        phases: 0-based; the document says that it was made from the images of these.
        names_patient: whether the pages name the patient.

    Returns:
        The path.

    Raises:
        UnreadableError: the file does not read back as it was.
    """
    path = Path(path)
    made = _build(pdf, headers, names_patient=names_patient)
    with quiet_dicom():
        made.SourceInstanceSequence = _sources(headers, phases)
        give_uids(made)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            written = Path(folder) / path.name
            made.save_as(written, enforce_file_format=True)
            read = dcmread(written)
            if read.EncapsulatedDocument[: read.EncapsulatedDocumentLength] != pdf:
                raise UnreadableError("a document must read back with its own bytes, this one does not", path)
            written.replace(path)
    return path


def _build(pdf: bytes, headers: SourceHeaders, *, names_patient: bool) -> Dataset:
    made, now = Dataset(), datetime.now()
    made.update(headers.subject)
    for keyword in ("FrameOfReferenceUID", "PositionReferenceIndicator"):  # a document lies nowhere in the patient
        made.pop(keyword, None)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = EncapsulatedPDFStorage
    made.SOPInstanceUID = made.SeriesInstanceUID = UNNAMED
    made.Modality, made.ConversionType = "DOC", "WSD"
    made.SeriesNumber, made.InstanceNumber = headers.series_number + DOCUMENT_SERIES, 1
    made.SeriesDescription = made.DocumentTitle = _TITLE
    made.Manufacturer = made.ManufacturerModelName = MANUFACTURER
    made.SoftwareVersions = pipeline.__version__
    made.InstanceCreationDate = made.ContentDate = now.strftime("%Y%m%d")
    made.InstanceCreationTime = made.ContentTime = now.strftime("%H%M%S")
    made.AcquisitionDateTime = None
    made.BurnedInAnnotation = "YES" if names_patient else "NO"
    made.ConceptNameCodeSequence = [_title_code()]
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(pdf)
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return made


def _title_code() -> Dataset:
    code, item = codes.DCM.ImagingMeasurementReport, Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def _sources(headers: SourceHeaders, phases: Iterable[int]) -> list[Dataset]:
    """The images of some phases, each file once."""
    found: dict[str, Dataset] = {}
    for frame in (frame for phase in phases for frame in headers.frames[phase]):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = frame.sop_class_uid, frame.sop_instance_uid
        found[frame.sop_instance_uid] = item
    return list(found.values())
