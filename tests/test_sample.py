"""The sample study: the original's pixels, no identity, valid DICOM, and contours that fit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import JPEGLSLossless

from pipeline.core.shipped import SAMPLE

PIXELS_SHA256 = "84701c1b99dac11e4a48d58c5604521f5fbc5288eff08a972a13690a149f697d"
"""Of the original's pixels, in the order of Instance Numbers, as little-endian 16 bit."""

TEXT_REPRESENTATIONS = {"PN", "LO", "SH", "ST", "LT", "UT", "UC", "UR", "CS", "AE", "AS"}
TEXTS = {
    "SpecificCharacterSet": "ISO_IR 100",
    "ImageType": "ORIGINAL\\PRIMARY\\CARDIAC\\NONE",
    "Modality": "MR",
    "Manufacturer": "GE MEDICAL SYSTEMS",
    "ManufacturerModelName": "SIGNA HDx",
    "PatientName": "SCD0000201",
    "PatientID": "SCD0000201",
    "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "Attributes by a list of those kept\\UIDs replaced\\No dates, no times of day",
    "BodyPartExamined": "HEART",
    "ScanningSequence": "GR",
    "SequenceVariant": "SS",
    "ScanOptions": "FAST_GEMS\\SEQ_GEMS\\CG",
    "MRAcquisitionType": "2D",
    "ImagedNucleus": "1H",
    "InPlanePhaseEncodingDirection": "ROW",
    "VariableFlipAngleFlag": "N",
    "PatientPosition": "FFS",
    "PhotometricInterpretation": "MONOCHROME2",
}
"""Every text that the sample's headers hold."""


@pytest.fixture(scope="module")
def images() -> list[FileDataset]:
    files = sorted((SAMPLE / "dicom").rglob("*.dcm"))
    return sorted((pydicom.dcmread(path) for path in files), key=lambda image: int(image.InstanceNumber))


def pixels_digest(images: list[FileDataset]) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(image.pixel_array.astype("<i2").tobytes())
    return digest.hexdigest()


def test_pixels_are_the_original_s(images: list[FileDataset]) -> None:
    assert {image.file_meta.TransferSyntaxUID for image in images} == {JPEGLSLossless}
    assert pixels_digest(images) == PIXELS_SHA256


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_the_original_s_pixels_have_that_digest(cmr_data: Path) -> None:
    folder = cmr_data / "sunnybrook" / "dicom" / "SCD0000201"
    originals = sorted((pydicom.dcmread(path) for path in folder.iterdir()), key=lambda one: int(one.InstanceNumber))
    assert pixels_digest(originals) == PIXELS_SHA256


def test_headers_hold_no_text_but_those_looked_at(images: list[FileDataset]) -> None:
    for image in images:
        texts = {
            e.keyword: "\\".join(e.value) if e.VM > 1 else str(e.value) for e in image if e.VR in TEXT_REPRESENTATIONS
        }
        assert {keyword: text for keyword, text in texts.items() if text} == TEXTS


def test_headers_hold_no_dates_times_sequences_nor_private_attributes(images: list[FileDataset]) -> None:
    for image in images:
        elements = [*image.file_meta, *image]
        assert not [e for e in elements if e.tag.is_private or e.VR in ("SQ", "UN")]
        assert not [e for e in elements if e.VR in ("DA", "TM", "DT", "AS") and e.value]
        assert image.preamble == b"\0" * 128


def test_uids_are_valid_and_one_study(images: list[FileDataset]) -> None:
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert len({image[keyword].value for image in images}) == 1
    assert len({image.SOPInstanceUID for image in images}) == len(images) == 260
    assert all(e.value.is_valid for image in images for e in [*image.file_meta, *image] if e.VR == "UI")


def test_nothing_else_lies_there() -> None:
    patterns = (
        r"README\.md|link\.csv|dicom/SCD0000201/IM-0001-\d{4}\.dcm",
        r"contours/SC-HF-I-2/[io]-contours/IM-0001-\d{4}-[io]contour-manual\.txt",
    )
    there = [path.relative_to(SAMPLE).as_posix() for path in SAMPLE.rglob("*") if path.is_file()]
    assert not [path for path in there if not re.fullmatch("|".join(patterns), path)]
    assert sum((SAMPLE / path).stat().st_size for path in there) < 10_000_000


def test_the_checker_finds_no_error(checker_errors: Callable[[Path, str], list[str]]) -> None:
    path = next((SAMPLE / "dicom").rglob("*.dcm"))
    assert checker_errors(path, "MRImage") == []
