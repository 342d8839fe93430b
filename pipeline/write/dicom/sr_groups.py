"""Measurement groups of the structured report (TID 1411 and 1501, PS3.16)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.core.certainty import Interval
from pipeline.core.labels import LV, MYO, RV, STRUCTURES, Structure
from pipeline.core.measurements import Measurements
from pipeline.core.reference import Reference
from pipeline.core.subject import Subject
from pipeline.write.dicom.codes import (
    BSA_METHODS,
    CM,
    CYCLE_POINT,
    CYCLE_POINTS,
    FUNCTION_CODES,
    GRAM,
    HEIGHT,
    KG,
    M2,
    ML,
    NO_UNITS,
    PER_MINUTE,
    SEXES,
    WEIGHT,
    YEAR,
    structure_code,
)
from pipeline.write.dicom.seg_build import PHASE_NAMES, Algorithm
from pipeline.write.dicom.uids import derived_uid, is_readable

__all__ = ["function_groups", "volume_groups"]

_MEAN_OF_POPULATION = codes.SCT.MeanValueOfPopulation
_UNCERTAINTY = (  # CID 225; amounts that a number may be off downwards and upwards
    Code("371885007", "SCT", "-, range of lower measurement uncertainty"),
    Code("371886008", "SCT", "+, range of upper measurement uncertainty"),
)


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
            tracking_identifier=_track(f"{structure.short}, {when}", segmentation.StudyInstanceUID),
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
    """A reference to a segment and to what it was drawn on.

    DCMTK drops a whole report for one invalid UID in its content. Images with such a UID are then named by their
    series, and where that cannot be named either, by the segmentation alone, which refers to each of them.
    """
    series = [str(item.SeriesInstanceUID) for item in segmentation.ReferencedSeriesSequence]
    named = [source for source in sources if is_readable(source.ReferencedSOPInstanceUID)]
    to_segment = segmentation.SOPClassUID, segmentation.SOPInstanceUID, number
    if len(named) < len(sources) and len(series) == 1 and is_readable(series[0]):
        return hd.sr.ReferencedSegment(*to_segment, source_series=hd.sr.SourceSeriesForSegmentation(series[0]))
    return hd.sr.ReferencedSegment(*to_segment, source_images=_source_images(named))


def _source_images(sources: Sequence[Dataset]) -> list[hd.sr.SourceImageForSegmentation]:
    """Each file once, with its frames."""
    frames: dict[tuple[str, str], list[int]] = {}
    for source in sources:
        numbers = frames.setdefault((source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID), [])
        if "ReferencedFrameNumber" in source:
            numbers.append(int(source.ReferencedFrameNumber))
    return [hd.sr.SourceImageForSegmentation(*uids, sorted(numbers) or None) for uids, numbers in frames.items()]


def function_groups(
    measured: Measurements, study_uid: str, *, with_subject: bool = True
) -> Iterator[hd.sr.MeasurementsAndQualitativeEvaluations]:
    """Make groups of derived values: each ventricle's function, the mass, and the body. None if nothing is known.

    Args:
        measured: the measurements. Values of `None` are left out, and so is a structure of 0 ml at end-diastole, which
            was not found rather than empty.
        study_uid: of the images.
        with_subject: whether sex, age, height and weight are stated, and the reference values that are of them.
    """
    compared = () if measured.references is None or not with_subject else measured.references.compared
    references = {row.quantity: row for row in compared}
    intervals = measured.intervals or {}
    for side in (LV, RV):
        function = measured.function(side.name)
        if function is None or not function.edv_ml:
            continue
        values: dict[str, float | None] = asdict(function)
        values |= {
            key: measured.indexed.get(f"{side.name}_{key}") for key in FUNCTION_CODES[side.name] if key not in values
        }
        numbers = [
            _number(code, values.get(key), unit, reference=references.get(name), interval=intervals.get(name))
            for key, (code, unit) in FUNCTION_CODES[side.name].items()
            for name in [f"{side.name}_{key}"]
        ]
        yield from _group(_track(f"{side.short}, function", study_uid), numbers, side)
    mass = _number(
        codes.LN.LeftVentricleMass,
        measured.myocardial_mass_g or None,
        GRAM,
        reference=references.get("myocardial_mass_g"),
        interval=intervals.get("myocardial_mass_g"),
    )
    yield from _group(_track(f"{MYO.short}, mass at end diastole", study_uid), [mass], MYO)
    yield from _body_group(measured, measured.subject if with_subject else Subject(), study_uid)


def _body_group(
    measured: Measurements, subject: Subject, study_uid: str
) -> Iterator[hd.sr.MeasurementsAndQualitativeEvaluations]:
    method = BSA_METHODS.get(measured.bsa_method or "")
    numbers = [
        _number(codes.LN.BSA, measured.bsa_m2, M2, method),
        _number(codes.LN.HeartRate, measured.heart_rate_bpm, PER_MINUTE),
        _number(codes.DCM.SubjectAge, subject.age_years, YEAR),
        _number(HEIGHT, subject.height_cm, CM),
        _number(WEIGHT, subject.weight_kg, KG),
    ]
    sex = [] if subject.sex is None else [hd.sr.QualitativeEvaluation(codes.DCM.SubjectSex, SEXES[subject.sex])]
    yield from _group(_track("Body surface and heart rate", study_uid), numbers, evaluations=sex)


def _number(
    code: Code,
    value: float | None,
    unit: Code,
    method: Code | None = None,
    *,
    reference: Reference | None = None,
    interval: Interval | None = None,
) -> hd.sr.Measurement | None:
    if value is None:
        return None
    found = hd.sr.MeasurementProperties() if reference is None else _population_properties(reference, unit)
    if interval is not None and interval[0] <= value <= interval[1]:
        off = value - interval[0], interval[1] - value
        found.extend(_properties_of(*((name, amount, unit) for name, amount in zip(_UNCERTAINTY, off, strict=True))))
    return hd.sr.Measurement(name=code, value=float(value), unit=unit, method=method, properties=found or None)


def _population_properties(reference: Reference, unit: Code) -> hd.sr.MeasurementProperties:
    """Reference range, mean, SD and z-score (TID 310 to 312), with their source."""
    limits = _properties_of(
        (codes.SCT.NormalRangeLowerLimit, reference.lower, unit),
        (codes.SCT.NormalRangeUpperLimit, reference.upper, unit),
    )
    population = _properties_of(
        (_MEAN_OF_POPULATION, reference.mean, unit),
        (codes.DCM.StandardDeviationOfPopulation, reference.sd, unit),
        (codes.DCM.ZScoreOfMeasurement, reference.z, NO_UNITS),
    )
    return hd.sr.MeasurementProperties(
        measurement_statistical_properties=hd.sr.MeasurementStatisticalProperties(
            population, authority=reference.source
        )
        if population
        else None,
        normal_range_properties=hd.sr.NormalRangeProperties(limits, authority=reference.source),
    )


def _properties_of(*stated: tuple[Code, float | None, Code]) -> list[hd.sr.NumContentItem]:
    properties = hd.sr.RelationshipTypeValues.HAS_PROPERTIES
    return [
        hd.sr.NumContentItem(name, float(value), unit=unit, relationship_type=properties)
        for name, value, unit in stated
        if value is not None
    ]


def _group(
    tracked: hd.sr.TrackingIdentifier,
    numbers: Sequence[hd.sr.Measurement | None],
    structure: Structure | None = None,
    *,
    evaluations: Sequence[hd.sr.QualitativeEvaluation] = (),
) -> Iterator[hd.sr.MeasurementsAndQualitativeEvaluations]:
    known = [number for number in numbers if number is not None]
    if known or evaluations:
        yield hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracked,
            finding_category=None if structure is None else codes.SCT.AnatomicalStructure,
            finding_type=None if structure is None else structure_code(structure),
            finding_sites=None if structure is None else [_site(structure)],
            measurements=known,
            qualitative_evaluations=list(evaluations) or None,
        )


def _track(name: str, study_uid: str) -> hd.sr.TrackingIdentifier:
    """What one group measures, the same in every report of a study."""
    return hd.sr.TrackingIdentifier(uid=derived_uid("tracked", str(study_uid), name), identifier=name)


def _site(structure: Structure) -> hd.sr.FindingSite:
    return hd.sr.FindingSite(structure_code(structure))
