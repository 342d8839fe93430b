"""Make the sample study of `sample/` from the Sunnybrook Cardiac Data: one patient, fewer headers, smaller files.

    python benchmarks/make_sample.py SUNNYBROOK_FOLDER sample SCD0000201

Pixels stay as they are, compressed without loss (JPEG-LS). Of the headers only `KEPT` stay: what reading and measuring
need, and what the standard demands. UIDs are replaced, dates and times of day left out. Equal input, equal bytes.
"""

from __future__ import annotations

import csv
import shutil
import sys
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, generate_uid

KEPT = [
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "MRAcquisitionType",
    "SliceThickness",
    "RepetitionTime",
    "EchoTime",
    "NumberOfAverages",
    "ImagingFrequency",
    "ImagedNucleus",
    "EchoNumbers",
    "MagneticFieldStrength",
    "SpacingBetweenSlices",
    "EchoTrainLength",
    "PercentSampling",
    "PercentPhaseFieldOfView",
    "PixelBandwidth",
    "TriggerTime",
    "NominalInterval",
    "IntervalsAcquired",
    "HeartRate",
    "CardiacNumberOfImages",
    "ReconstructionDiameter",
    "AcquisitionMatrix",
    "InPlanePhaseEncodingDirection",
    "FlipAngle",
    "VariableFlipAngleFlag",
    "SAR",
    "PatientPosition",
    "PatientName",
    "PatientID",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "TemporalResolution",
    "SliceLocation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "PixelSpacing",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "WindowCenter",
    "WindowWidth",
    "PixelData",
]
"""Attributes that keep their value. PatientName and PatientID are the data set's own pseudonym."""

EMPTY = [
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "PositionReferenceIndicator",
]
"""Attributes that the standard demands and that may be empty."""

METHOD = ["Attributes by a list of those kept", "UIDs replaced", "No dates, no times of day"]


def clean(source: Dataset) -> Dataset:
    """A copy with the attributes of `KEPT` and `EMPTY`, other UIDs, and one frame of reference for the whole study."""
    dataset = Dataset()
    for keyword in KEPT:
        if keyword in source:
            dataset[keyword] = deepcopy(source[keyword])
    for keyword in EMPTY:
        setattr(dataset, keyword, "")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, generate_uid(entropy_srcs=[keyword, str(source[keyword].value)]))
    study = str(source["StudyInstanceUID"].value)  # each file has a frame of its own there, though it is one scan
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["FrameOfReferenceUID", study])
    dataset.BodyPartExamined = "HEART"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    return dataset


def main(folder: Path, out: Path, patient: str) -> None:
    """Write `dicom/`, `contours/` and `link.csv` below `out`."""
    with (folder / "link.csv").open(newline="", encoding="utf-8") as file:
        original = {row["patient_id"]: row["original_id"] for row in csv.DictReader(file)}[patient]
    images, contours = out / "dicom" / patient, out / "contours" / original
    for old in (images, contours):
        shutil.rmtree(old, ignore_errors=True)
    images.mkdir(parents=True)
    warnings.filterwarnings("ignore", message="Invalid value for VR UI")  # the source's, which are replaced
    for path in sorted((folder / "dicom" / patient).iterdir()):
        source = pydicom.dcmread(path)
        dataset = clean(source)
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
        target = images / f"IM-0001-{int(source.InstanceNumber):04d}.dcm"  # as the contours are called
        dataset.save_as(target, enforce_file_format=True)
        if not np.array_equal(pydicom.dcmread(target).pixel_array, source.pixel_array):
            raise SystemExit(f"{path} does not decode to the same pixels")
    shutil.copytree(folder / "contours" / original, contours)
    (out / "link.csv").write_text(f"patient_id,original_id\n{patient},{original}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
