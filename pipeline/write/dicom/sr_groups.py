"""Measurement groups of the structured report (TID 1411 and 1501, PS3.16)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from pipeline.core.labels import LV, MYO, RV, STRUCTURES, Structure
from pipeline.core.measurements import Measurements
from pipeline.write.dicom.codes import (
    BSA_METHODS,
    CYCLE_POINT,
    CYCLE_POINTS,
    FUNCTION_CODES,
    GRAM,
    M2,
    ML,
    PER_MINUTE,
    structure_code,
)
from pipeline.write.dicom.seg_build import PHASE_NAMES, Algorithm

__all__ = ["function_groups", "volume_groups"]


def volume_groups(
    segmentation: Dataset, name: str, phase: int, measured: Measurements, algorithm: Algorithm
) -> Iterator[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations]:
    """Make a group for each structure that a phase shows: its volume, its segment, and when it is.

    Args:
        segmentation: header of the segmentation object.
        name: of the phase, "ed", "es" or another.
        phase: 0-based.
        measured: the measurements.
        algorithm: how the labels were made.
    """
    when = PHASE_NAMES.get(name, f"phase {phase} from 0")
    for structure, reference in _segments(segmentation):
        volume = hd.sr.Measurement(
            name=codes.SCT.Volume,
            value=float(measured.volumes_ml[structure.name][phase]),
            unit=ML,
            method=codes.DCM.SumOfSegmentedVoxelMethodForVolume,
        )
        yield hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=_track(f"{structure.short}, {when}"),
            referenced_segment=reference,
            time_point_context=hd.sr.TimePointContext(f"phase {phase} from 0"),
            finding_category=codes.SCT.AnatomicalStructure,
            finding_type=structure_code(structure),
            finding_sites=[_site(structure)],
            algorithm_id=hd.sr.AlgorithmIdentification(algorithm.name, algorithm.version),
            measurements=[volume],
            qualitative_evaluations=[hd.sr.QualitativeEvaluation(CYCLE_POINT, CYCLE_POINTS[name])]
            if name in CYCLE_POINTS
            else None,
        )


def _segments(segmentation: Dataset) -> Iterator[tuple[Structure, hd.sr.ReferencedSegment]]:
    """The structures that have a frame, each with a reference to its segment and the segment's source images."""
    by_code = {structure.snomed: structure for structure in STRUCTURES}
    for segment in segmentation.SegmentSequence:
        frames = [
            group.DerivationImageSequence[0].SourceImageSequence[0]
            for group in segmentation.PerFrameFunctionalGroupsSequence
            if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == segment.SegmentNumber
        ]
        if frames:
            yield (
                by_code[segment.SegmentedPropertyTypeCodeSequence[0].CodeValue],
                _reference(segmentation, int(segment.SegmentNumber), frames),
            )


def _reference(segmentation: Dataset, number: int, sources: Sequence[Dataset]) -> hd.sr.ReferencedSegment:
    frames: dict[tuple[str, str], list[int]] = {}
    for source in sources:
        numbers = frames.setdefault((source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID), [])
        if "ReferencedFrameNumber" in source:
            numbers.append(int(source.ReferencedFrameNumber))
    images = [hd.sr.SourceImageForSegmentation(*uids, sorted(numbers) or None) for uids, numbers in frames.items()]
    return hd.sr.ReferencedSegment(
        segmentation.SOPClassUID, segmentation.SOPInstanceUID, segment_number=number, source_images=images
    )


def function_groups(measured: Measurements) -> Iterator[hd.sr.MeasurementsAndQualitativeEvaluations]:
    """Make groups of derived values: each ventricle's function, the mass, and the body. None if nothing is known.

    Args:
        measured: the measurements. Values of `None` are left out, and so is a structure of 0 ml at end-diastole, which
            was not found rather than empty.
    """
    indexed = measured.indexed
    for side in (LV, RV):
        function = measured.function(side.name)
        if function is None or not function.edv_ml:
            continue
        values: dict[str, float | None] = asdict(function)
        values |= {key: indexed.get(f"{side.name}_{key}") for key in FUNCTION_CODES[side.name] if key not in values}
        numbers = [_number(code, values.get(key), unit) for key, (code, unit) in FUNCTION_CODES[side.name].items()]
        yield from _group(f"{side.short}, function", numbers, side)
    mass = _number(codes.LN.LeftVentricleMass, measured.myocardial_mass_g or None, GRAM)
    yield from _group(f"{MYO.short}, mass at end diastole", [mass], MYO)
    method = BSA_METHODS.get(measured.bsa_method or "")
    body = [
        _number(codes.LN.BSA, measured.bsa_m2, M2, method),
        _number(codes.LN.HeartRate, measured.heart_rate_bpm, PER_MINUTE),
    ]
    yield from _group("Body surface and heart rate", body)


def _number(code: Code, value: float | None, unit: Code, method: Code | None = None) -> hd.sr.Measurement | None:
    return None if value is None else hd.sr.Measurement(name=code, value=float(value), unit=unit, method=method)


def _group(
    name: str, numbers: Sequence[hd.sr.Measurement | None], structure: Structure | None = None
) -> Iterator[hd.sr.MeasurementsAndQualitativeEvaluations]:
    known = [number for number in numbers if number is not None]
    if known:
        yield hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=_track(name),
            finding_category=None if structure is None else codes.SCT.AnatomicalStructure,
            finding_type=None if structure is None else structure_code(structure),
            finding_sites=None if structure is None else [_site(structure)],
            measurements=known,
        )


def _track(name: str) -> hd.sr.TrackingIdentifier:
    return hd.sr.TrackingIdentifier(uid=generate_uid(), identifier=name)


def _site(structure: Structure) -> hd.sr.FindingSite:
    return hd.sr.FindingSite(structure_code(structure))
