"""Phantom studies as DICOM, in every layout that scanners write, labelled as synthetic throughout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from pipeline.core.errors import ConfigError
from pipeline.phantom.study import PhantomStudy

__all__ = ["LAYOUTS", "Layout", "write_study"]

Layout = Literal["one_series", "series_per_slice", "series_per_phase", "enhanced", "static"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
"""One series for all, one per slice, one per phase, enhanced multi-frame (one file per phase), end-diastole only."""

_DIMENSIONS = ("StackID", "InStackPositionNumber", "TemporalPositionIndex")
_MARK = "synthetic phantom, not a patient"


def write_study(study: PhantomStudy, folder: Path, *, layout: Layout = "one_series", extras: bool = True) -> list[Path]:
    """Write a study as DICOM.

    Args:
        study: the phantom.
        folder: receives the files, named in no order that means anything.
        layout: see `LAYOUTS`.
        extras: also a localiser of three crossing slices and a long-axis cine, as real studies have.

    Returns:
        The files written.

    Raises:
        ConfigError: unknown layout.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"`layout` must be one of {LAYOUTS}, got {layout!r}")
    folder.mkdir(parents=True, exist_ok=True)
    datasets = list(_make_enhanced(study) if layout == "enhanced" else _make_classic(study, layout))
    if extras:
        datasets += [*_localiser(study), *_long_axis(study)]
    order = np.random.default_rng([study.patient.seed, 7]).permutation(len(datasets))
    paths = []
    for number, dataset in zip(order.tolist(), datasets, strict=True):
        path = folder / f"IM{number:05d}"
        dataset.SOPInstanceUID = _uid(study.patient.seed, layout, dataset.SeriesNumber, dataset.InstanceNumber)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return sorted(paths)


def _make_classic(study: PhantomStudy, layout: str) -> Iterator[FileDataset]:
    n_phases = 1 if layout == "static" else study.image.n_phases
    instance = 0
    for k in range(study.image.n_slices):
        for t in range(n_phases):
            instance += 1
            series = {"series_per_slice": 10 + k, "series_per_phase": 10 + t}.get(layout, 10)
            dataset = _image(study, study.image.array[t, :, :, k], series=series, name=f"short axis, {_MARK}")
            _place(dataset, study, _position(study, k))
            dataset.InstanceNumber = instance
            if n_phases > 1:
                _time(dataset, study, t)
            yield dataset


def _localiser(study: PhantomStudy) -> Iterator[FileDataset]:
    """Three slices at right angles through the middle, one phase."""
    for number, rows in enumerate(((1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)), start=1):
        dataset = _image(study, study.image.array[0, :, :, 0], series=1, name=f"localiser, {_MARK}")
        dataset.ImageOrientationPatient = list(rows)
        dataset.ImagePositionPatient = [0.0, 0.0, 0.0]
        dataset.InstanceNumber = number
        yield dataset


def _long_axis(study: PhantomStudy) -> Iterator[FileDataset]:
    """One slice through the heart's axis with all phases."""
    along, normal = study.orientation.rows[:3], np.array(study.orientation.step_mm)
    for t in range(study.image.n_phases):
        dataset = _image(study, study.image.array[t, :, :, -1], series=2, name=f"long axis, {_MARK}")
        dataset.ImageOrientationPatient = [*along, *(-normal / np.linalg.norm(normal)).round(10).tolist()]
        dataset.ImagePositionPatient = list(study.orientation.first_mm)
        dataset.InstanceNumber = t + 1
        _time(dataset, study, t)
        yield dataset


def _make_enhanced(study: PhantomStudy) -> Iterator[FileDataset]:
    """A file a phase, a frame a slice."""
    for t in range(study.image.n_phases):
        frames = np.moveaxis(study.image.array[t], -1, 0)  # (Z, X, Y)
        dataset = _image(study, frames, series=10, name=f"short axis, {_MARK}", enhanced=True)
        dataset.InstanceNumber = t + 1
        _describe_frames(dataset, study)
        shared = Dataset()
        measures, plane = Dataset(), Dataset()
        measures.PixelSpacing = _pixel_spacing(study)
        measures.SliceThickness = 8.0
        plane.ImageOrientationPatient = list(study.orientation.rows)
        shared.PixelMeasuresSequence = DicomSequence([measures])
        shared.PlaneOrientationSequence = DicomSequence([plane])
        shared.FrameAnatomySequence = DicomSequence([_heart()])
        shared.MRImageFrameTypeSequence = DicomSequence([_frame_type()])
        shared.PixelValueTransformationSequence = DicomSequence([_stored_values()])
        dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
        groups = [_frame_group(study, t, k) for k in range(study.image.n_slices)]
        dataset.PerFrameFunctionalGroupsSequence = DicomSequence(groups)
        yield dataset


def _frame_group(study: PhantomStudy, t: int, k: int) -> Dataset:
    content, plane, heart, group = Dataset(), Dataset(), Dataset(), Dataset()
    content.StackID = "1"
    content.InStackPositionNumber = k + 1
    content.TemporalPositionIndex = t + 1
    content.DimensionIndexValues = [1, k + 1, t + 1]  # as `_DIMENSIONS` names them
    plane.ImagePositionPatient = _position(study, k)
    heart.NominalCardiacTriggerDelayTime = _times(study)[t]
    heart.RRIntervalTimeNominal = 60_000.0 / study.patient.heart_rate_bpm
    group.FrameContentSequence = DicomSequence([content])
    group.PlanePositionSequence = DicomSequence([plane])
    group.CardiacSynchronizationSequence = DicomSequence([heart])
    return group


def _describe_frames(dataset: Dataset, study: PhantomStudy) -> None:
    """Shared description of all frames of an enhanced image."""
    organisation = _uid(study.patient.seed, "dimensions")
    dataset.DimensionOrganizationSequence = DicomSequence([Dataset()])
    dataset.DimensionOrganizationSequence[0].DimensionOrganizationUID = organisation
    indices = []
    for keyword in _DIMENSIONS:
        index = Dataset()
        index.DimensionOrganizationUID = organisation
        index.DimensionIndexPointer = tag_for_keyword(keyword)
        index.FunctionalGroupPointer = tag_for_keyword("FrameContentSequence")
        indices.append(index)
    dataset.DimensionIndexSequence = DicomSequence(indices)
    dataset.update(_frame_type())
    dataset.ImageType = dataset.pop("FrameType").value
    dataset.ContentDate, dataset.ContentTime = dataset.StudyDate, dataset.StudyTime
    dataset.ManufacturerModelName, dataset.DeviceSerialNumber, dataset.SoftwareVersions = "phantom", "0", "1"
    dataset.PresentationLUTShape, dataset.LossyImageCompression = "IDENTITY", "00"
    dataset.ContentQualification, dataset.ApplicableSafetyStandardAgency = "RESEARCH", "OTHER"
    dataset.AcquisitionContextSequence = DicomSequence([])


def _frame_type() -> Dataset:
    kind = Dataset()
    kind.FrameType = ["DERIVED", "PRIMARY", "CARDIAC", "NONE"]
    kind.PixelPresentation, kind.VolumetricProperties = "MONOCHROME", "VOLUME"
    kind.VolumeBasedCalculationTechnique, kind.ComplexImageComponent = "NONE", "MAGNITUDE"
    kind.AcquisitionContrast = "UNKNOWN"
    return kind


def _heart() -> Dataset:
    region, anatomy = Dataset(), Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "80891009", "SCT", "Heart"
    anatomy.AnatomicRegionSequence = DicomSequence([region])
    anatomy.FrameLaterality = "U"
    return anatomy


def _stored_values() -> Dataset:
    values = Dataset()
    values.RescaleIntercept, values.RescaleSlope, values.RescaleType = "0", "1", "US"
    return values


def _image(study: PhantomStudy, pixels: np.ndarray, *, series: int, name: str, enhanced: bool = False) -> FileDataset:
    """A data set with everything except position and time. `pixels` are (X, Y) or (Z, X, Y) uint16."""
    seed = study.patient.seed
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = EnhancedMRImageStorage if enhanced else MRImageStorage
    dataset.StudyInstanceUID = _uid(seed, "study")
    dataset.SeriesInstanceUID = _uid(seed, "series", series, enhanced)
    dataset.FrameOfReferenceUID = _uid(seed, "frame of reference")
    dataset.Modality, dataset.Manufacturer = "MR", "synthetic phantom"
    dataset.PatientName, dataset.PatientID = "PHANTOM^SYNTHETIC", f"PHANTOM-{seed:04d}"
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.PatientSize, dataset.PatientWeight = "1.75", "72"
    dataset.StudyDate, dataset.StudyTime = "20170101", "120000"
    dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "1", "", ""
    dataset.SeriesNumber, dataset.SeriesDescription = series, name
    dataset.ImageComments, dataset.BurnedInAnnotation = _MARK, "NO"
    dataset.HeartRate = round(study.patient.heart_rate_bpm)
    dataset.PositionReferenceIndicator, dataset.BodyPartExamined, dataset.PatientPosition = "", "HEART", "HFS"
    if not enhanced:
        dataset.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.MRAcquisitionType = "GR", "SS", "2D"
        dataset.ScanOptions = dataset.EchoTime = dataset.RepetitionTime = dataset.EchoTrainLength = None
    stored = np.ascontiguousarray(np.swapaxes(pixels, -1, -2), dtype="<u2")
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    if stored.ndim == 3:
        dataset.NumberOfFrames = stored.shape[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelSpacing = _pixel_spacing(study)
    dataset.SliceThickness = "8"
    dataset.PixelData = stored.tobytes()
    return dataset


def _place(dataset: Dataset, study: PhantomStudy, position: Sequence[float]) -> None:
    dataset.ImageOrientationPatient = list(study.orientation.rows)
    dataset.ImagePositionPatient = list(position)


def _time(dataset: Dataset, study: PhantomStudy, t: int) -> None:
    dataset.ScanOptions = "CG"  # cardiac gating
    dataset.TriggerTime = _times(study)[t]
    dataset.CardiacNumberOfImages = study.image.n_phases


def _pixel_spacing(study: PhantomStudy) -> list[float]:
    """Rows first, then columns, as short as a decimal string must be."""
    return [round(float(spacing), 9) for spacing in study.image.grid.spacing_mm[1::-1]]


def _times(study: PhantomStudy) -> tuple[float, ...]:
    return study.image.times_ms or (0.0,)


def _position(study: PhantomStudy, k: int) -> list[float]:
    first, step = np.array(study.orientation.first_mm), np.array(study.orientation.step_mm)
    return (first + k * step).round(6).tolist()


def _uid(*sources: object) -> str:
    return generate_uid(entropy_srcs=["cardiac-mr-pipeline phantom", *map(str, sources)])
