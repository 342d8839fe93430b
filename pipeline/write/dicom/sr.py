"""Measurements to a DICOM structured report: Comprehensive 3D SR by TID 1500 (PS3.16), referring to the segmentations.

A group for each structure and phase holds its volume and refers to its segment. Groups for each ventricle, the
myocardium and the body hold derived values, with the reference values that they were compared with. Values without a
code of their own in the standard (indexed volumes and mass, thickness and motion by segment) are only in
measurements.json, and so is strain, whose codes are read as that of tracked tissue. Under a pseudonym neither sex, age,
height and weight nor reference values are stated, as in the header.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

import pipeline
from pipeline.core.case import Case
from pipeline.core.errors import ConfigError, UnreadableError
from pipeline.core.files import move_whole
from pipeline.core.measurements import DISCLAIMER, Measurements
from pipeline.core.quiet import quiet_dicom
from pipeline.core.review import tell_excluded
from pipeline.write.dicom.headers import SourceHeaders, source_headers
from pipeline.write.dicom.seg_build import MANUFACTURER, algorithm_of
from pipeline.write.dicom.sr_groups import function_groups, volume_groups
from pipeline.write.dicom.uids import UNNAMED, derived_uid, give_uids

__all__ = ["write_measurement_report"]

REPORT_SERIES = 2000
"""Added to the source's SeriesNumber."""


def write_measurement_report(
    path: str | Path, case: Case, *, segmentations: Mapping[str, Path], headers: SourceHeaders | None = None
) -> Path:
    """Write measurements as a structured report in the source's study, unverified and preliminary.

    Args:
        path: the file. It appears once it reads back with the same values, or not at all. Parent folders are created.
        case: of DICOM images. Values that were not measured are left out.
        segmentations: name -> file, as `dicom_seg.write_segmentations` gives them: "ed" and "es", or "single".
        headers: of the cine's sources, if already read, with the pseudonym of the segmentations, if they have one.

    Returns:
        The path.

    Raises:
        ConfigError: a cine that is not from DICOM, no segmentation, or one that is not of the phase measured.
        UnreadableError: the report does not read back as it was.
        InputError: as `headers.source_headers` does.
    """
    path = Path(path)
    if not segmentations:
        raise ConfigError("a measurement report refers to segmentations, got none")
    headers, measured, algorithm = headers or source_headers(case.cine), case.measurements, algorithm_of(case)
    with quiet_dicom():
        read = {name: dcmread(file, stop_before_pixels=True) for name, file in segmentations.items()}
        phases = {name: _phase_of(segmentation, headers, name, measured) for name, segmentation in read.items()}
        groups = [
            *(group for name in read for group in volume_groups(read[name], name, phases[name], measured, algorithm)),
            *function_groups(measured, headers.subject.StudyInstanceUID, with_subject=case.pseudonym is None),
        ]
        report = _build(groups, headers, [*_evidence(headers, phases.values()), *read.values()], _comments(case))
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            written = Path(folder) / path.name
            report.save_as(written)
            if not _same_values(hd.sr.srread(written), report):
                raise UnreadableError("a structured report must read back with its own values, this one does not", path)
            move_whole(written, path)
    return path


def _phase_of(segmentation: Dataset, headers: SourceHeaders, name: str, measured: Measurements) -> int:
    """Phase of the images that a segmentation refers to, which must be the one measured under its name."""
    source = segmentation.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    wanted = (str(source.ReferencedSOPInstanceUID), source.get("ReferencedFrameNumber"))
    found = [
        t
        for t, row in enumerate(headers.frames)
        if any((frame.sop_instance_uid, frame.frame_number) == wanted for frame in row)
    ]
    expected = {"ed": measured.ed_phase, "es": measured.es_phase}.get(name)
    if not found or expected not in (None, found[0]):
        raise ConfigError(f"the segmentation {name!r} must be of phase {expected}, its images are of {found or 'none'}")
    return found[0]


def _comments(case: Case) -> list[str]:
    """Comments for readers of the report, the disclaimer first."""
    measured = case.measurements
    checks = [] if measured.quality is None else [f"Quality checks: {measured.quality.verdict}."]
    if measured.intervals and measured.certainty:
        checks.append(
            f"Ranges of uncertainty are of {100 * measured.certainty.level:.0f} %: with this probability an expert's "
            "number lies within them, for patients like those of the network's calibration."
        )
    return [DISCLAIMER, *checks, *tell_excluded(case.review.excluded_slices), *measured.conventions]


def _evidence(headers: SourceHeaders, phases: Iterable[int]) -> list[Dataset]:
    """The source images of some phases, each file once, with the values that the report copies from them."""
    found: dict[str, Dataset] = {}
    for frame in (frame for phase in phases for frame in headers.frames[phase]):
        image = Dataset()
        image.update(headers.subject)
        image.SOPClassUID, image.SOPInstanceUID = frame.sop_class_uid, frame.sop_instance_uid
        image.SeriesInstanceUID = frame.series_uid
        found[frame.sop_instance_uid] = image
    return list(found.values())


def _build(
    groups: Sequence[Any], headers: SourceHeaders, evidence: Sequence[Dataset], comments: Sequence[str]
) -> hd.sr.Comprehensive3DSR:
    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", MANUFACTURER, pipeline.__version__),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=f"{MANUFACTURER} {pipeline.__version__}",
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_device_context=hd.sr.ObserverContext(codes.DCM.Device, device)
        ),
        procedure_reported=codes.SCT.CardiacMRI,
        imaging_measurements=list(groups),
        title=codes.DCM.ImagingMeasurementReport,
    )
    content[0].ContentSequence.extend(
        hd.sr.TextContentItem(codes.DCM.Comment, text, relationship_type="CONTAINS") for text in comments
    )
    built = hd.sr.Comprehensive3DSR(
        evidence=evidence,
        content=content,
        series_instance_uid=UNNAMED,
        series_number=headers.series_number + REPORT_SERIES,
        sop_instance_uid=UNNAMED,
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=pipeline.__version__,
        series_description="Cardiac measurements. Not for diagnosis.",
        is_complete=True,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    give_uids(built)
    return built


def _same_values(one: Dataset, other: Dataset) -> bool:
    """Whether two reports hold the same numbers in the same order. A decimal string rounds at its 16th character."""
    values, others = _values(one), _values(other)
    same_codes = [code for code, _ in values] == [code for code, _ in others]
    return same_codes and np.allclose([v for _, v in values], [v for _, v in others], rtol=1e-9, atol=0)


def _values(item: Dataset) -> list[tuple[str, float]]:
    """Code and value of each number in a content tree, in order."""
    own = []
    if item.get("ValueType") == "NUM":
        own = [(item.ConceptNameCodeSequence[0].CodeValue, float(item.MeasuredValueSequence[0].NumericValue))]
    return own + [value for child in item.get("ContentSequence", ()) for value in _values(child)]
