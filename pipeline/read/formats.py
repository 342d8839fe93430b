"""Formats with one image a file: which they are, which files an image has, and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipeline.core.errors import UnreadableError
from pipeline.core.images import Cine
from pipeline.read.itk import read_itk
from pipeline.read.itk_headers import ITK_SUFFIXES, itk_files
from pipeline.read.nifti import read_nifti
from pipeline.read.nifti_files import NIFTI_SUFFIXES, is_nifti, nifti_pair

__all__ = ["FORMATS", "VolumeKind", "image_files", "name_of", "read_volume", "volume_kind"]

VolumeKind = Literal["nifti", "itk"]

FORMATS = (
    "DICOM; NIfTI (.nii, .nii.gz, .img with .hdr); MetaImage (.mha, .mhd); NRRD (.nrrd, .nhdr); "
    "zip and tar archives of these"
)
"""What is read, in words."""


def volume_kind(path: str | Path) -> VolumeKind | None:
    """Which reader a file's name asks for; `None` for DICOM, whose files carry any name, and all else.

    >>> volume_kind("heart.nii.gz"), volume_kind("heart.nrrd"), volume_kind("heart.dcm")
    ('nifti', 'itk', None)
    """
    if is_nifti(path):
        return "nifti"
    return "itk" if Path(path).name.lower().endswith(ITK_SUFFIXES) else None


def name_of(path: Path) -> str:
    """A file's name without what says its format.

    >>> name_of(Path("heart.v2.nii.gz"))
    'heart.v2'
    """
    endings = (ending for ending in (*NIFTI_SUFFIXES, *ITK_SUFFIXES) if path.name.lower().endswith(ending))
    return path.name[: len(path.name) - len(next(endings, ""))] or path.name


def image_files(path: Path) -> tuple[Path, ...]:
    """All files of the image that a file belongs to, the one with the header first.

    A header that cannot be read stands alone: reading it says what is wrong.
    """
    try:
        return itk_files(path) if volume_kind(path) == "itk" else nifti_pair(path) or (path,)
    except UnreadableError:
        return (path,)


def read_volume(path: str | Path) -> Cine:
    """Read a file of these formats.

    Raises:
        UnreadableError: of no such format, or what `nifti.read_nifti` and `itk.read_itk` cannot read.
        HeaderError: what they refuse.
    """
    kind = volume_kind(path)
    if kind is None:
        raise UnreadableError(f"an image must be of a format that is read, which are {FORMATS}", path)
    return read_nifti(path) if kind == "nifti" else read_itk(path)
