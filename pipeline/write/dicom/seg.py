"""Label maps to DICOM Segmentation objects (PS3.3 A.51), decoded again and compared before they appear.

One object holds one phase: a BINARY segment for each structure, numbered as in our label maps, in frames that refer to
the images of that phase. LABELMAP, the newer form, is not written until archives and viewers support it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np

from pipeline.core.errors import ConfigError, GridError, LabelError
from pipeline.core.files import move_whole
from pipeline.core.geometry import flip_ras_lps
from pipeline.core.images import Cine
from pipeline.core.labels import STRUCTURES
from pipeline.core.quiet import quiet_dicom
from pipeline.write.dicom.headers import FrameHeader, SourceHeaders, source_headers
from pipeline.write.dicom.seg_build import Algorithm, SegmentationSeries, build_segmentation

__all__ = ["Algorithm", "SegmentationSeries", "write_segmentation", "write_segmentations"]

POSITION_TOLERANCE_MM = 0.5
"""How far a source slice may lie from where the cine has it."""

DIRECTION_TOLERANCE = 1e-2
SPACING_TOLERANCE = 1e-4
"""The same tolerance for direction cosines, and a relative one for pixel spacings."""


def write_segmentations(
    folder: str | Path,
    cine: Cine,
    labels: np.ndarray,
    *,
    phases: Mapping[str, int],
    algorithm: Algorithm,
    headers: SourceHeaders | None = None,
) -> dict[str, Path]:
    """Write one segmentation for each named phase, each in a new series of its own.

    Args:
        folder: receives `seg_<name>.dcm` for each phase, `seg.dcm` for one named "single". Created if missing.
        cine: see `write_segmentation`.
        labels: (T, X, Y, Z) uint8.
        phases: name -> phase, 0-based, such as {"ed": 3, "es": 9}.
        algorithm: how the labels were made.
        headers: of the cine's sources, if already read, with the pseudonym if one is used.

    Returns:
        Name -> file.

    Raises:
        PipelineError: as `write_segmentation` does. Files written before stay.
    """
    headers = headers or source_headers(cine)
    files = {name: Path(folder) / ("seg.dcm" if name == "single" else f"seg_{name}.dcm") for name in phases}
    return {
        name: write_segmentation(
            files[name], cine, labels, phase=phase, algorithm=algorithm, series=SegmentationSeries(headers, name)
        )
        for name, phase in phases.items()
    }


def write_segmentation(
    path: str | Path,
    cine: Cine,
    labels: np.ndarray,
    *,
    phase: int,
    algorithm: Algorithm,
    series: SegmentationSeries | None = None,
) -> Path:
    """Write the segmentation of one phase as DICOM, in the source's study.

    All three structures are described, with segment numbers that are our label values. Frames in which a segment is
    empty are left out. Planes are those of the source images.

    Args:
        path: the file. It appears once it is verified, or not at all. Parent folders are created.
        cine: from DICOM, so that its sources are known.
        labels: (T, X, Y, Z) uint8 on the cine's grid: LV 1, MYO 2, RV 3.
        phase: 0-based.
        algorithm: how the labels were made.
        series: the new series, if headers are already read or the phase has a name.

    Returns:
        The path.

    Raises:
        ConfigError: a cine that is not from DICOM, or a phase that does not exist.
        GridError: labels of another shape, or sources that do not lie where the cine's grid says.
        LabelError: values other than 0 to 3, nothing labelled, or a file that does not decode to the labels.
        InputError: as `headers.source_headers` does.
    """
    path = Path(path)
    picture = _phase_labels(cine, labels, phase)
    series = series or SegmentationSeries(source_headers(cine))
    frames = series.headers.frames[phase]
    _check_geometry(cine, frames, phase)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, quiet_dicom():
        written = Path(folder) / path.name
        build_segmentation(picture, frames, phase, algorithm, series).save_as(written)
        _verify(written, picture, frames)
        move_whole(written, path)
    return path


def _phase_labels(cine: Cine, labels: np.ndarray, phase: int) -> np.ndarray:
    """Labels of one phase as pictures (Z, rows, columns): rows run along Y, columns along X."""
    if labels.shape != cine.array.shape:
        raise GridError(f"`labels` must be (T, X, Y, Z) = {cine.array.shape} as the cine, got {labels.shape}")
    if not 0 <= phase < cine.n_phases:
        raise ConfigError(f"`phase` must be from 0 to {cine.n_phases - 1}, got {phase}")
    values = set(np.unique(labels[phase]).tolist())
    if labels.dtype != np.uint8 or not values <= {0, *(s.value for s in STRUCTURES)} or values == {0}:
        raise LabelError(f"a segmentation needs uint8 labels of 0 to 3, not all 0, got {labels.dtype} {sorted(values)}")
    return np.ascontiguousarray(labels[phase].transpose(2, 1, 0))


def _check_geometry(cine: Cine, frames: Sequence[FrameHeader], phase: int) -> None:
    """Each source must lie where the cine has its slice, and all together on its grid, where the labels are drawn.

    A slice may be off the grid, which is fitted to all of them; their mean is not.
    """
    x_mm, y_mm, z_mm = cine.grid.spacing_mm
    tolerance_mm = min(POSITION_TOLERANCE_MM, z_mm / 10)
    middle = (flip_ras_lps(cine.grid.affine) @ (0, 0, (cine.n_slices - 1) / 2, 1))[:3]
    if not np.allclose(np.mean([frame.position for frame in frames], axis=0), middle, rtol=0, atol=tolerance_mm):
        raise GridError("source images must lie on the cine's grid, but their headers say otherwise")
    for z, frame in enumerate(frames):
        position, directions = cine.plane(phase, z)
        fits = (
            np.allclose(frame.position, position, rtol=0, atol=tolerance_mm)
            and np.allclose(frame.orientation, directions, rtol=0, atol=DIRECTION_TOLERANCE)
            and np.allclose(frame.pixel_spacing, (y_mm, x_mm), rtol=SPACING_TOLERANCE, atol=0)
        )
        if not fits:
            raise GridError(f"slice {z} (from 0) must lie where the cine has it, but its header says otherwise")


def _verify(path: Path, picture: np.ndarray, frames: Sequence[FrameHeader]) -> None:
    """Decode a written file and compare its pixels and planes with the labels and images."""
    read = hd.seg.segread(path)
    n_other = int((_decode(read, frames) != picture).sum())
    if n_other:
        raise LabelError(f"a segmentation must decode to the labels it was made from, got {n_other} other pixels")
    planes = {(frame.sop_instance_uid, frame.frame_number): frame for frame in frames}
    shared = read.SharedFunctionalGroupsSequence[0]
    spacing = shared.PixelMeasuresSequence[0].PixelSpacing
    for group in read.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        directions = (group if "PlaneOrientationSequence" in group else shared).PlaneOrientationSequence[0]
        plane = planes[source.ReferencedSOPInstanceUID, source.get("ReferencedFrameNumber")]
        if not (
            np.allclose(group.PlanePositionSequence[0].ImagePositionPatient, plane.position, rtol=0, atol=1e-3)
            and np.allclose(directions.ImageOrientationPatient, plane.orientation, rtol=0, atol=DIRECTION_TOLERANCE)
            and np.allclose(spacing, plane.pixel_spacing, rtol=SPACING_TOLERANCE, atol=0)
        ):
            raise GridError("a segmentation must lie where its source images lie, but decodes to other planes")


def _decode(read: hd.seg.Segmentation, frames: Sequence[FrameHeader]) -> np.ndarray:
    """Labels (Z, rows, columns) by the images that the segmentation refers to. Images not referred to give zeros."""
    if all(frame.frame_number is None for frame in frames):
        uids = [frame.sop_instance_uid for frame in frames]
        return read.get_pixels_by_source_instance(uids, combine_segments=True, assert_missing_frames_are_empty=True)
    slices = [
        read.get_pixels_by_source_frame(
            frame.sop_instance_uid,
            [frame.frame_number or 1],
            combine_segments=True,
            assert_missing_frames_are_empty=True,
        )
        for frame in frames
    ]
    return np.concatenate(slices)
