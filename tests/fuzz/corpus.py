"""Tiny studies, one of each kind that is read, as bytes, and what is truly in them."""

from __future__ import annotations

import gzip
import io
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

N_SLICES, N_PHASES, COLUMNS, ROWS = 5, 9, 16, 12
STEP_MM, PIXEL_MM, STEP_MS = 8.0, 1.5, 90.0
RATE_BPM = 60_000.0 / (N_PHASES * STEP_MS)
HEIGHT_M, WEIGHT_KG = 1.72, 70.0

ACROSS = np.array([0.712, 0.701, -0.034]) / np.linalg.norm([0.712, 0.701, -0.034])
_DOWN = np.array([-0.308, 0.268, -0.913])
_DOWN = _DOWN - (_DOWN @ ACROSS) * ACROSS
DOWN = _DOWN / np.linalg.norm(_DOWN)
NORMAL = np.cross(ACROSS, DOWN)
FIRST_MM = np.array([12.0, -34.0, 56.0])

PICTURES = np.random.default_rng(17).integers(1, 4000, (N_PHASES, COLUMNS, ROWS, N_SLICES)).astype(np.int16)
"""(T, X, Y, Z), no two alike."""


@dataclass(frozen=True)
class Study:
    """Files, and what reading them must give.

    Attributes:
        name: of the kind.
        files: content by name.
        array: (T, X, Y, Z).
        affine: RAS+ mm.
        times_ms: `None` where the files do not tell.
        loose: what this kind states once alone, so that nothing tells another value from the true one.
    """

    name: str
    files: dict[str, bytes]
    array: np.ndarray
    affine: np.ndarray
    times_ms: tuple[float, ...] | None
    loose: frozenset[Literal["array", "affine", "times"]] = frozenset()

    @property
    def is_dicom(self) -> bool:
        return next(iter(self.files)).endswith(".dcm")


def _affine() -> np.ndarray:
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = ACROSS * PIXEL_MM, DOWN * PIXEL_MM
    affine[:3, 2], affine[:3, 3] = NORMAL * STEP_MM, FIRST_MM
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


AFFINE = _affine()
TIMES_MS = tuple(10.0 + STEP_MS * t for t in range(N_PHASES))


def _uid(*parts: object) -> str:
    return generate_uid(entropy_srcs=["fuzz", *map(str, parts)])


def _blank(name: object, *, sop_class: str = MRImageStorage) -> FileDataset:
    ds = FileDataset(None, {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = _uid(name)
    ds.StudyInstanceUID, ds.FrameOfReferenceUID = _uid("study"), _uid("frame")
    ds.Modality, ds.Manufacturer, ds.PatientID, ds.PatientName = "MR", "synthetic", "none", "none"
    ds.PatientSize, ds.PatientWeight = str(HEIGHT_M), str(WEIGHT_KG)
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    return ds


def _image(z: int, t: int, *, series: int = 10, number: int | None = None) -> FileDataset:
    ds = _blank((series, z, t))
    ds.SeriesInstanceUID, ds.SeriesNumber = _uid("series", series), series
    ds.InstanceNumber = z * N_PHASES + t + 1 if number is None else number
    ds.ImageOrientationPatient = [f"{x:.6f}" for x in (*ACROSS, *DOWN)]
    ds.ImagePositionPatient = [f"{x:.4f}" for x in FIRST_MM + NORMAL * STEP_MM * z]
    ds.PixelSpacing, ds.SliceThickness, ds.EchoTime = [str(PIXEL_MM)] * 2, str(STEP_MM), "1.5"
    ds.TriggerTime, ds.HeartRate, ds.CardiacNumberOfImages = str(TIMES_MS[t]), str(round(RATE_BPM)), N_PHASES
    ds.PixelData = PICTURES[t, :, :, z].T.astype(np.uint16).tobytes()
    return ds


def _grid(**settings: int) -> list[FileDataset]:
    return [_image(z, t, **settings) for z in range(N_SLICES) for t in range(N_PHASES)]


def _series_a_slice() -> list[FileDataset]:
    return [_image(z, t, series=10 + z) for z in range(N_SLICES) for t in range(N_PHASES)]


def _series_a_phase() -> list[FileDataset]:
    images = [_image(z, t, series=10 + t) for z in range(N_SLICES) for t in range(N_PHASES)]
    for ds in images:
        del ds.TriggerTime
    return images


def _counted() -> list[FileDataset]:
    """Phases told by their number alone."""
    images = _grid()
    for ds in images:
        del ds.TriggerTime
        ds.TemporalPositionIdentifier = (int(ds.InstanceNumber) - 1) % N_PHASES + 1
    return images


def _numbered() -> list[FileDataset]:
    """Phases told by the number of the instance alone, as nothing else differs."""
    images = _grid()
    for ds in images:
        ds.TriggerTime = "0"
    return images


def _rescaled() -> list[FileDataset]:
    images = _series_a_slice()
    for ds in images:
        ds.RescaleSlope, ds.RescaleIntercept, ds.SpacingBetweenSlices = "2", "-5", str(STEP_MM)
    return images


def _packed() -> list[FileDataset]:
    """The phases of a slice in one file of the class that has one."""
    files = []
    for z in range(N_SLICES):
        ds = _image(z, 0)
        ds.NumberOfFrames, ds.FrameTime = N_PHASES, str(STEP_MS)
        ds.PixelData = b"".join(_image(z, t).PixelData for t in range(N_PHASES))
        files.append(ds)
    return files


def _repeated() -> list[FileDataset]:
    """The third slice acquired twice; the first time with other pictures."""
    images = _series_a_slice()
    for t in range(N_PHASES):
        ds = _image(2, t, series=5)
        ds.PixelData = np.full((ROWS, COLUMNS), t, np.uint16).tobytes()
        images.append(ds)
    return images


def _with_others() -> list[FileDataset]:
    """A localiser, a long axis and a derived copy beside the cine."""
    images = _series_a_slice()
    for n in range(3):
        ds = _image(0, n, series=1)
        ds.ImageOrientationPatient = (["1", "0", "0", "0", "1", "0"], ["1", "0", "0", "0", "0", "-1"], list("010001"))[
            n
        ]
        images.append(ds)
    for t in range(N_PHASES):
        ds = _image(0, t, series=2)
        ds.ImageOrientationPatient = [f"{x:.6f}" for x in (*ACROSS, *NORMAL)]
        images.append(ds)
    for z in range(N_SLICES):
        for t in range(N_PHASES):
            ds = _image(z, t, series=99)
            ds.ImageType = ["DERIVED", "SECONDARY", "M", "ND"]
            ds.PixelData = np.full((ROWS, COLUMNS), z + t, np.uint16).tobytes()
            images.append(ds)
    return images


def _enhanced() -> list[FileDataset]:
    ds = _blank("enhanced", sop_class=EnhancedMRImageStorage)
    ds.SeriesInstanceUID, ds.SeriesNumber, ds.InstanceNumber = _uid("enhanced"), 1, 1
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [str(PIXEL_MM)] * 2, str(STEP_MM)
    orientation.ImageOrientationPatient = _image(0, 0).ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([orientation])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    frames, data = [], b""
    for z in range(N_SLICES):
        for t in range(N_PHASES):
            groups, content, plane, beat, kind = (Dataset() for _ in range(5))
            content.StackID, content.InStackPositionNumber, content.TemporalPositionIndex = "1", z + 1, t + 1
            plane.ImagePositionPatient = _image(z, t).ImagePositionPatient
            beat.NominalCardiacTriggerDelayTime = TIMES_MS[t]
            kind.FrameType, kind.ComplexImageComponent = ["ORIGINAL", "PRIMARY", "M", "NONE"], "MAGNITUDE"
            groups.FrameContentSequence, groups.PlanePositionSequence = Sequence([content]), Sequence([plane])
            groups.CardiacSynchronizationSequence = Sequence([beat])
            groups.MRImageFrameTypeSequence = Sequence([kind])
            frames.append(groups)
            data += _image(z, t).PixelData
    ds.PerFrameFunctionalGroupsSequence, ds.NumberOfFrames, ds.PixelData = Sequence(frames), len(frames), data
    return [ds]


def _open_sequences(ds: Dataset) -> None:
    """Mark sequences and items as of undefined length, so that what is in them can change its own."""
    for element in ds:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                _open_sequences(item)


def _dicom(name: str, images: list[FileDataset], *, times: bool = True, implicit: bool = False) -> Study:
    files = {}
    for number, ds in enumerate(images):
        _open_sequences(ds)
        if implicit:
            ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        stream = io.BytesIO()
        ds.save_as(stream, enforce_file_format=True)
        files[f"{number:03d}.dcm"] = stream.getvalue()
    array = PICTURES * np.float32(2) - 5 if name == "rescaled" else PICTURES
    start = 10.0 if name == "packed" else 0.0
    told = tuple(ms - start for ms in TIMES_MS) if times else None
    return Study(name, files, array, AFFINE, told)


def _nifti(name: str, *, forms: str, kind: type = nib.Nifti1Image, packed: bool = False) -> Study:
    stored = np.moveaxis(PICTURES, 0, -1)
    image = kind(stored, AFFINE)
    image.header.set_zooms((PIXEL_MM, PIXEL_MM, STEP_MM, STEP_MS / 1000))
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(AFFINE, code=1 if "s" in forms else 0)
    image.set_qform(AFFINE, code=1 if "q" in forms else 0)
    content = image.to_bytes()
    times = tuple(STEP_MS * t for t in range(N_PHASES))
    suffix = ".nii.gz" if packed else ".nii"
    affine = AFFINE if forms else np.asarray(image.header.get_base_affine())
    files = {f"heart{suffix}": gzip.compress(content, mtime=0) if packed else content}
    loose = frozenset({"times"}) if len(forms) == 2 else frozenset({"times", "affine"})
    return Study(name, files, PICTURES, affine, times, loose)


def _itk(name: str, suffix: str) -> Study:
    import SimpleITK as sitk

    image = sitk.JoinSeries([sitk.GetImageFromArray(PICTURES[t].transpose(2, 1, 0)) for t in range(N_PHASES)])
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ AFFINE
    spacing = np.array([PIXEL_MM, PIXEL_MM, STEP_MM])
    direction = np.eye(4)
    direction[:3, :3] = lps[:3, :3] / spacing
    image.SetSpacing((*spacing.tolist(), STEP_MS))
    image.SetOrigin((*lps[:3, 3].tolist(), 0.0))
    image.SetDirection(direction.ravel().tolist())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"heart{suffix}"
        sitk.WriteImage(image, str(path))
        content = path.read_bytes()
    times = tuple(STEP_MS * t for t in range(N_PHASES))
    return Study(name, {f"heart{suffix}": content}, PICTURES, AFFINE, times, frozenset({"times", "affine"}))


@cache
def corpus() -> tuple[Study, ...]:
    """All studies, made once."""
    return (
        _dicom("one_series", _grid()),
        _dicom("series_a_slice", _series_a_slice()),
        _dicom("series_a_phase", _series_a_phase(), times=False),
        _dicom("counted", _counted(), times=False),
        _dicom("numbered", _numbered(), times=False),
        _dicom("rescaled", _rescaled()),
        _dicom("packed", _packed()),
        _dicom("repeated", _repeated()),
        _dicom("with_others", _with_others()),
        _dicom("implicit", _grid(), implicit=True),
        _dicom("enhanced", _enhanced()),
        _nifti("nifti_both", forms="sq"),
        _nifti("nifti_sform", forms="s"),
        _nifti("nifti_qform", forms="q"),
        _nifti("nifti_bare", forms=""),
        _nifti("nifti_gz", forms="sq", packed=True),
        _nifti("nifti_2", forms="sq", kind=nib.Nifti2Image),
        _itk("metaimage", ".mha"),
        _itk("nrrd", ".nrrd"),
    )
