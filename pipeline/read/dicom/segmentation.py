"""DICOM Segmentation objects back to label maps on a cine's grid: ours, or those corrected or made by other tools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.sr.coding import Code

from pipeline.core.errors import ConfigError, GridError, HeaderError, LabelError, UnreadableError, first_line
from pipeline.core.images import Cine
from pipeline.core.labels import STRUCTURES
from pipeline.core.quiet import quiet_dicom
from pipeline.read.dicom.groups import FunctionalGroups
from pipeline.read.dicom.headers import PARSE_ERRORS

__all__ = ["read_segmentation"]

POSITION_TOLERANCE_MM = 0.5
"""How far a frame may lie from its slice of the cine, and never more than a tenth of the slice distance."""

DIRECTION_TOLERANCE = 1e-2
SPACING_TOLERANCE = 1e-3
"""Of direction cosines, and of pixel spacings in parts."""

Place = tuple[int, int]
"""Phase and slice, 0-based."""


@dataclass(frozen=True)
class _Places:
    """Where a cine's frames are, to be looked up.

    Attributes:
        sources: SOPInstanceUID -> frame number -> place.
        positions: (Z, 3) LPS mm of each slice's first pixel.
        tolerance_mm: how far off a frame may be.
    """

    sources: Mapping[str, Mapping[int, Place]]
    positions: np.ndarray
    tolerance_mm: float


def read_segmentation(path: str | Path, cine: Cine, *, phase: int | None = None) -> dict[int, np.ndarray]:
    """Read a segmentation that was drawn on a cine.

    Segments are told by their SNOMED CT codes, whatever their numbers and labels. A frame's phase and slice are those
    of the source image that it refers to; where it refers to none of the cine's, its slice is told by its position.

    Args:
        path: DICOM Segmentation, BINARY or LABELMAP, of the whole pictures of the cine.
        cine: what it was drawn on.
        phase: 0-based phase of frames that do not say it, or refer to several; needless for a cine of one phase.

    Returns:
        Phase -> label map (X, Y, Z) uint8 on the cine's grid, LV 1, MYO 2, RV 3, for each phase that the segmentation
        has a frame of; slices without a frame are 0.

    Raises:
        UnreadableError: no DICOM Segmentation, or one that cannot be decoded.
        ConfigError: `phase` is not there.
        HeaderError: of another study, or a frame whose phase cannot be told.
        GridError: frames of another size, spacing, direction or place than the cine's.
        LabelError: fractional, a segment of another structure, or segments that overlap.
    """
    path = Path(path)
    if phase is not None and not 0 <= phase < cine.n_phases:
        raise ConfigError(f"`phase` must be from 0 to {cine.n_phases - 1}, got {phase}")
    with quiet_dicom():
        try:
            segmentation = hd.seg.segread(path)
            pictures, groups_of_frames = segmentation.get_stored_frames(), _groups(segmentation)
        except PARSE_ERRORS as error:
            raise UnreadableError(
                f"a DICOM Segmentation must decode, got {type(error).__name__}: {first_line(error)}", path
            ) from error
        _check(segmentation, cine, path)
        places, values = _places_of(cine), _values(segmentation, path)
        found: dict[int, np.ndarray] = {}
        for groups, picture in zip(groups_of_frames, pictures, strict=True):
            t, z = _place(groups, places, 0 if cine.n_phases == 1 else phase, path)
            labels = found.setdefault(t, np.zeros(cine.grid.shape, dtype=np.uint8))
            _draw(labels[:, :, z], _labels_of(picture, groups, values, path), f"phase {t}, slice {z}", path)
    return found


def _groups(segmentation: hd.seg.Segmentation) -> list[FunctionalGroups]:
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    return [FunctionalGroups(own, shared) for own in segmentation.PerFrameFunctionalGroupsSequence]


def _check(segmentation: hd.seg.Segmentation, cine: Cine, path: Path) -> None:
    """Refuse what is of another study or kind, or lies on other planes."""
    study_uid = str(segmentation.StudyInstanceUID)
    if cine.facts.study_uid is not None and study_uid != cine.facts.study_uid:
        raise HeaderError("a segmentation must be of the cine's study, got one of another", path)
    if segmentation.SegmentationType == "FRACTIONAL":
        raise LabelError(f"a segmentation must be BINARY or LABELMAP, got FRACTIONAL [{path}]")
    columns, rows, _ = cine.grid.shape
    if (segmentation.Rows, segmentation.Columns) != (rows, columns):
        size = f"{segmentation.Rows} x {segmentation.Columns}"
        raise GridError(f"a segmentation must have the cine's {rows} x {columns} pixels, got {size} [{path}]")
    x_mm, y_mm, _ = cine.grid.spacing_mm
    planes = [cine.plane(0, z)[1] for z in range(cine.n_slices)]
    for groups in _groups(segmentation):
        stated = groups.macro("PlaneOrientationSequence").get("ImageOrientationPatient")
        spacing = groups.macro("PixelMeasuresSequence").get("PixelSpacing")
        if stated is None or not any(np.allclose(stated, one, rtol=0, atol=DIRECTION_TOLERANCE) for one in planes):
            raise GridError(f"a segmentation's rows and columns must run as the cine's, got {stated} [{path}]")
        if spacing is None or not np.allclose(spacing, (y_mm, x_mm), rtol=SPACING_TOLERANCE, atol=0):
            raise GridError(f"a segmentation must have the spacing {(y_mm, x_mm)} mm, got {spacing} [{path}]")


def _values(segmentation: hd.seg.Segmentation, path: Path) -> dict[int, int]:
    """Segment number -> our label value; 0, the background of a label map, stays 0."""
    values = {0: 0}
    for number in filter(None, segmentation.segment_numbers):
        stated = segmentation.get_segment_description(number).segmented_property_type
        matches = [s.value for s in STRUCTURES if Code(s.snomed, "SCT", s.meaning) == stated]
        if not matches:
            known = ", ".join(f"{s.snomed} ({s.meaning})" for s in STRUCTURES)
            code = f"{stated.value} {stated.scheme_designator} ({stated.meaning})"
            raise LabelError(f"segments must be coded as one of SNOMED CT {known}, segment {number} is {code} [{path}]")
        values[number] = matches[0]
    return values


def _places_of(cine: Cine) -> _Places:
    sources: dict[str, dict[int, Place]] = defaultdict(dict)
    for t, row in enumerate(cine.sources or ()):
        for z, source in enumerate(row):
            sources[source.sop_instance_uid][source.frame_number] = (t, z)
    positions = np.array([cine.plane(0, z)[0] for z in range(cine.n_slices)])
    return _Places(sources, positions, min(POSITION_TOLERANCE_MM, cine.grid.spacing_mm[2] / 10))


def _place(groups: FunctionalGroups, places: _Places, phase: int | None, path: Path) -> Place:
    """Phase and slice of a frame, by reference and by position, which must agree."""
    by_reference = set(_referenced(groups, places))
    position = groups.macro("PlanePositionSequence").ImagePositionPatient
    distances_mm = np.linalg.norm(places.positions - np.array(position, dtype=np.float64), axis=1)
    slices = {int(z) for z in np.flatnonzero(distances_mm <= places.tolerance_mm)}
    if len(slices) != 1 or (by_reference and not slices <= {z for _, z in by_reference}):
        raise GridError(f"each frame must lie on one slice of the cine, got one at {position} that does not [{path}]")
    z = slices.pop()
    phases = {t for t, at in by_reference if at == z}
    if len(phases) == 1:
        return phases.pop(), z
    if phase is None or (phases and phase not in phases):
        referred = f"it refers to phases {sorted(phases)}" if phases else "it refers to none of the cine's images"
        raise HeaderError(f"each frame must tell its phase, got one on slice {z} that does not: {referred}", path)
    return phase, z


def _referenced(groups: FunctionalGroups, places: _Places) -> Iterator[Place]:
    """Places of the cine's frames that a frame says it was derived from."""
    for derivation in groups.own.get("DerivationImageSequence") or groups.shared.get("DerivationImageSequence") or ():
        for source in derivation.get("SourceImageSequence") or ():
            frames = places.sources.get(str(source.ReferencedSOPInstanceUID), {})
            stated = source.get("ReferencedFrameNumber")
            numbers = frames if stated is None else [int(n) for n in np.atleast_1d(np.array(stated, dtype=int))]
            yield from (frames[number] for number in numbers if number in frames)


def _labels_of(picture: np.ndarray, groups: FunctionalGroups, values: Mapping[int, int], path: Path) -> np.ndarray:
    """Label values of one stored frame, (X, Y) uint8: of the one segment it shows, or of all in a label map."""
    segment = groups.macro("SegmentIdentificationSequence").get("ReferencedSegmentNumber")
    numbers = {int(segment)} if segment is not None else set(np.unique(picture).tolist())
    strange = sorted(numbers - set(values))
    if strange:
        raise LabelError(f"frames must be of segments that are described, got segment {strange} as well [{path}]")
    if segment is not None:
        return (picture != 0).T * np.uint8(values[int(segment)])
    table = np.zeros(max(values) + 1, dtype=np.uint8)
    table[list(values)] = list(values.values())
    return table[picture].T


def _draw(labels: np.ndarray, drawn: np.ndarray, place: str, path: Path) -> None:
    """Lay one frame's labels (X, Y) over a slice; a pixel may be given one structure only."""
    n_shared = int(((labels != 0) & (drawn != 0) & (labels != drawn)).sum())
    if n_shared:
        raise LabelError(f"segments must not overlap, they share {n_shared} pixel(s) in {place} [{path}]")
    np.maximum(labels, drawn, out=labels)
