"""The DICOM Segmentation object of one phase, by highdicom, with references to the very frames it outlines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

import pipeline
from pipeline.core.case import Case
from pipeline.core.labels import STRUCTURES
from pipeline.write.dicom.codes import structure_code
from pipeline.write.dicom.headers import FrameHeader, SourceHeaders
from pipeline.write.dicom.uids import UNNAMED, give_uids

__all__ = [
    "MANUFACTURER",
    "PHASE_NAMES",
    "Algorithm",
    "SegmentationSeries",
    "algorithm_of",
    "build_segmentation",
]

MANUFACTURER = "cardiac-mr-pipeline"
"""Manufacturer and model name of the objects."""

SEGMENTATION_SERIES = 1000
"""Added to the source's SeriesNumber, with the phase."""

PHASE_NAMES = {"ed": "end diastole", "es": "end systole"}
"""Names of phases in descriptions."""


@dataclass(frozen=True)
class Algorithm:
    """The algorithm that made the labels.

    Attributes:
        name: the bundle's name, 1 to 64 characters.
        version: the bundle's version.
        weights_sha256: digest of its weights, if known.
        corrected: whether a person has corrected the labels since, which makes them SEMIAUTOMATIC instead of AUTOMATIC.
    """

    name: str
    version: str
    weights_sha256: str | None = None
    corrected: bool = False


def algorithm_of(case: Case) -> Algorithm:
    """The algorithm that made a case's labels."""
    bundle = case.provenance.bundle
    return Algorithm(bundle.name, bundle.version, bundle.weights_sha256, case.corrected)


_SAME_DIRECTION = 1e-5
"""Difference of direction cosines that headers make by rounding."""


@dataclass(frozen=True)
class SegmentationSeries:
    """The new series of a segmentation, one for each, since some viewers show only one object per series.

    Attributes:
        headers: of the cine's sources.
        name: of the phase, "ed", "es" or another.
    """

    headers: SourceHeaders
    name: str = ""


def build_segmentation(
    picture: np.ndarray, frames: Sequence[FrameHeader], phase: int, algorithm: Algorithm, series: SegmentationSeries
) -> hd.seg.Segmentation:
    """Make the object of one phase.

    Args:
        picture: labels (Z, rows, columns) uint8 of 0 to 3, not all 0.
        frames: header of the source of each slice.
        phase: 0-based.
        algorithm: how the labels were made.
        series: the new series that the object makes.
    """
    first, when = frames[0], PHASE_NAMES.get(series.name, f"phase {phase} from 0")
    built = hd.seg.Segmentation(
        source_images=[_carrier(series.headers, first, picture.shape[1:])],
        pixel_array=picture,
        segmentation_type="BINARY",
        segment_descriptions=_descriptions(algorithm),
        series_instance_uid=UNNAMED,
        series_number=series.headers.series_number + SEGMENTATION_SERIES + phase,
        sop_instance_uid=UNNAMED,
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=pipeline.__version__,
        device_serial_number=pipeline.__version__,  # must not be empty; software has no other
        content_label=f"PHASE_{phase}",
        content_description=f"Left ventricle, myocardium, right ventricle; {when}",
        series_description=f"Segmentation, {when}. Not for diagnosis.",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        pixel_measures=hd.PixelMeasuresSequence(
            first.pixel_spacing, first.slice_thickness_mm, _slice_spacing_mm(frames)
        ),
        plane_orientation=hd.PlaneOrientationSequence("PATIENT", first.orientation),
        plane_positions=[hd.PlanePositionSequence("PATIENT", frame.position) for frame in frames],
    )
    _refer(built, frames)
    _give_planes(built, frames)
    give_uids(built)
    return built


def _descriptions(algorithm: Algorithm) -> list[hd.seg.SegmentDescription]:
    digest = {} if algorithm.weights_sha256 is None else {"weights_sha256": algorithm.weights_sha256}
    identification = hd.AlgorithmIdentificationSequence(
        algorithm.name,
        codes.cid7162.ArtificialIntelligence,
        algorithm.version,
        source=MANUFACTURER,
        parameters=digest or None,
    )
    return [
        hd.seg.SegmentDescription(
            segment_number=structure.value,
            segment_label=structure.meaning,
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=structure_code(structure),
            algorithm_type="SEMIAUTOMATIC" if algorithm.corrected else "AUTOMATIC",
            algorithm_identification=identification,
            display_color=hd.color.CIELabColor.from_rgb(*structure.rgb),
        )
        for structure in STRUCTURES
    ]


def _carrier(headers: SourceHeaders, frame: FrameHeader, shape: tuple[int, ...]) -> Dataset:
    """One image that highdicom copies patient, study and frame of reference from. References are made by `_refer`.

    highdicom requires sources of one series, at most one multi-frame file, and matches them by position alone. A cine
    may have one series per slice, and has every position once per phase.
    """
    carrier = Dataset()
    carrier.update(headers.subject)
    carrier.SOPClassUID = MRImageStorage
    carrier.Modality = "MR"
    carrier.SeriesInstanceUID, carrier.SOPInstanceUID = frame.series_uid, frame.sop_instance_uid
    carrier.Rows, carrier.Columns = shape
    carrier.PixelSpacing = list(frame.pixel_spacing)
    carrier.SliceThickness = frame.slice_thickness_mm
    carrier.ImagePositionPatient, carrier.ImageOrientationPatient = list(frame.position), list(frame.orientation)
    return carrier


def _slice_spacing_mm(frames: Sequence[FrameHeader]) -> float | None:
    """Mean distance of neighbouring slices along the normal, or `None` for a single slice, which has no neighbour."""
    if len(frames) < 2:
        return None
    normal = np.cross(frames[0].orientation[:3], frames[0].orientation[3:])
    span = np.subtract(frames[-1].position, frames[0].position) @ normal
    return float(abs(span)) / (len(frames) - 1)


def _refer(built: hd.seg.Segmentation, frames: Sequence[FrameHeader]) -> None:
    """Refer each frame to the one image that it outlines, and the whole object to all images of the phase."""
    positions = np.array([frame.position for frame in frames])
    for group in built.PerFrameFunctionalGroupsSequence:
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=np.float64)
        nearest = frames[int(np.linalg.norm(positions - place, axis=1).argmin())]
        source = _with_frames(_reference(nearest), [nearest])
        source.PurposeOfReferenceCodeSequence = [_as_concept(codes.DCM.SourceImageForImageProcessingOperation)]
        source.SpatialLocationsPreserved = "YES"
        derivation = Dataset()
        derivation.DerivationCodeSequence = [_as_concept(codes.DCM.Segmentation)]
        derivation.SourceImageSequence = [source]
        group.DerivationImageSequence = [derivation]
    by_series: dict[str, dict[str, list[FrameHeader]]] = defaultdict(lambda: defaultdict(list))
    for frame in frames:
        by_series[frame.series_uid][frame.sop_instance_uid].append(frame)
    files = [same for instances in by_series.values() for same in instances.values()]
    built.SourceImageSequence = [_with_frames(_reference(same[0]), same) for same in files]
    built.ReferencedSeriesSequence = [_of_series(uid, instances.values()) for uid, instances in by_series.items()]


def _give_planes(built: hd.seg.Segmentation, frames: Sequence[FrameHeader]) -> None:
    """Give each frame its own orientation where slices tilt; highdicom knows one for all."""
    if np.ptp([frame.orientation for frame in frames], axis=0).max() <= _SAME_DIRECTION:
        return
    by_source = {(frame.sop_instance_uid, frame.frame_number): frame for frame in frames}
    for group in built.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        frame = by_source[source.ReferencedSOPInstanceUID, source.get("ReferencedFrameNumber")]
        group.PlaneOrientationSequence = hd.PlaneOrientationSequence("PATIENT", frame.orientation)
    del built.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


def _of_series(series_uid: str, files: Iterable[Sequence[FrameHeader]]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = series_uid
    item.ReferencedInstanceSequence = [_reference(same[0]) for same in files]
    return item


def _with_frames(reference: Dataset, frames: Sequence[FrameHeader]) -> Dataset:
    """Narrow a reference to a multi-frame file to some of its frames."""
    numbers = [frame.frame_number for frame in frames if frame.frame_number is not None]
    if numbers:
        reference.ReferencedFrameNumber = numbers
    return reference


def _reference(frame: FrameHeader) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = frame.sop_class_uid, frame.sop_instance_uid
    return item


def _as_concept(code: Code) -> hd.sr.CodedConcept:
    return hd.sr.CodedConcept.from_code(code)
