"""The bytes of NIfTI files: one or a pair, compressed or not, header first; also of Analyze 7.5, NIfTI's forerunner."""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import IO, cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.nifti1 import Nifti1PairHeader
from nibabel.nifti2 import Nifti2PairHeader

from pipeline.core.errors import UnreadableError, first_line

__all__ = ["NIFTI_SUFFIXES", "is_nifti", "nifti_pair", "stored_header", "stored_voxels"]

NIFTI_SUFFIXES = (".nii.gz", ".nii", ".hdr.gz", ".hdr", ".img.gz", ".img")
"""Endings of names; those of a pair count where both files are there."""

_UNREADABLE = (
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
    EOFError,
    zlib.error,
    OSError,
    ValueError,
    OverflowError,  # an offset beyond what the system counts
    MemoryError,  # a header that states more voxels than there can be
)
_HEADERS = {348: (nib.Nifti1Header, Nifti1PairHeader), 540: (nib.Nifti2Header, Nifti2PairHeader)}
_FOREIGN = {
    b"<!doctype html": "it is a web page",
    b"<html": "it is a web page",
    b"version https://git-lfs": "it is a pointer of Git LFS, fetch the file itself",
    b"/annex/objects": "it is a pointer of git-annex, fetch the file itself",
}
_ANALYZE_HAS_OTHERWISE = ((123, 124), (252, 256), (344, 348))  # NIfTI's units, form codes and magic


def is_nifti(path: str | Path) -> bool:
    """Whether a file's name says NIfTI: it ends in .nii or .nii.gz, or it is .hdr or .img with the other beside it.

    >>> is_nifti("heart.nii.gz"), is_nifti("heart.dcm")
    (True, False)
    """
    path = Path(path)
    return path.name.lower().endswith((".nii", ".nii.gz")) or nifti_pair(path) is not None


def nifti_pair(path: Path) -> tuple[Path, Path] | None:
    """Header and voxels of a pair of which a path names either; `None` where it names none.

    DICOM files are often named .img, and other formats have .hdr files: a pair's header must begin as NIfTI's do.
    """
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    stem, suffix = Path(name).stem, Path(name).suffix.lower()
    if suffix not in (".hdr", ".img"):
        return None
    halves = [_half(path, stem, ending) for ending in (".hdr", ".img")]
    if halves[0] is None or halves[1] is None or path not in halves:
        return None
    try:
        return (halves[0], halves[1]) if _size(_start(halves[0])) in _HEADERS else None
    except UnreadableError:
        return None


def stored_header(path: Path) -> nib.Nifti1Header:
    """Read the header without nibabel's check, which would silently turn a spacing of 0 into 1.

    Of an Analyze header, what NIfTI has in other words is taken for unknown: units, position and orientation.

    Raises:
        UnreadableError: no such file, or it does not start with such a header.
    """
    if not is_nifti(path):
        raise UnreadableError("a NIfTI file must be named .nii or .nii.gz, or be an .img and .hdr side by side", path)
    if not path.is_file():
        raise UnreadableError("a NIfTI file was expected here, but there is none", path)
    pair = nifti_pair(path)
    block = _start(path if pair is None else pair[0])
    size = _size(block)
    if size not in _HEADERS or len(block) < size:
        raise UnreadableError(f"the file is truncated or not NIfTI: {_told(block)}", path)
    kind = _HEADERS[size][pair is not None]
    header = kind(block[:size], check=False)
    magic = header["magic"].item()
    if magic == (kind.single_magic if pair is None else kind.pair_magic):
        return header
    if pair is None or size != 348 or magic == kind.single_magic:
        raise UnreadableError(f"the file is not NIfTI, or half of a pair: its header is marked {magic!r}", path)
    return _of_analyze(bytearray(block[:size]))


def stored_voxels(path: Path, header: nib.Nifti1Header) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """Read the voxels to the file's last byte, so that gzip compares its checksum; nibabel stops at the last voxel.

    Args:
        path: the file, or either of a pair.
        header: as `stored_header` gives it.

    Returns:
        The array in the file's own axes, scaled; whether there was a scale; and a sentence where bytes follow that the
        header does not speak of, or where it has no offset.

    Raises:
        UnreadableError: truncated, corrupt, or with a whole picture or more behind the voxels: then the header states
            fewer of them than there are, and each row is another's.
    """
    pair = nifti_pair(path)
    header, notes = _with_offset(header, path, is_pair=pair is not None)
    try:
        with _opened(path if pair is None else pair[1]) as stream:
            voxels = ArrayProxy(stream, header, mmap=False)  # mapped, a file cut short meanwhile ends the process
            array = np.asanyarray(voxels)
            notes += _read_on(stream, path, picture=prod(array.shape[:2]) * voxels.dtype.itemsize)
    except _UNREADABLE as error:
        raise UnreadableError(f"the file is truncated or corrupt ({first_line(error)})", path) from error
    return array, (voxels.slope, voxels.inter) != (1.0, 0.0), notes


def _with_offset(header: nib.Nifti1Header, path: Path, *, is_pair: bool) -> tuple[nib.Nifti1Header, tuple[str, ...]]:
    """The header, its voxels right behind it where it says 0, as some writers leave it; and a sentence on that.

    Raises:
        UnreadableError: an offset that is no whole number, or lies within the header.
    """
    offset, least = float(header["vox_offset"]), 0 if is_pair else int(header.single_vox_offset)
    if offset == 0 and least:
        header = header.copy()
        header["vox_offset"] = least
        return header, (f"vox_offset is 0, within the header: the voxels are read from byte {least} on",)
    if not offset >= least or offset % 1:
        raise UnreadableError(f"voxels must start at byte {least} or later, the header says {offset:g}", path)
    return header, ()


def _read_on(stream: IO[bytes], path: Path, *, picture: int) -> tuple[str, ...]:
    """Read what is behind the voxels, so that a checksum at the end is compared: at most one picture's bytes."""
    n_behind = len(stream.read(picture))
    if n_behind == picture:
        raise UnreadableError(
            "a file must end behind its voxels, a whole picture's bytes or more follow: `dim` or `datatype` states "
            "fewer than there are",
            path,
        )
    return (f"{n_behind} bytes follow the voxels and are passed over",) if n_behind else ()


def _half(path: Path, stem: str, ending: str) -> Path | None:
    """A file of this stem and ending beside another, the other's own spelling first."""
    names = (stem + spelled + gz for spelled in (ending, ending.upper()) for gz in ("", ".gz"))
    same = [path] if path.name.lower().removesuffix(".gz").endswith(ending) else []
    return next((half for half in (*same, *(path.with_name(name) for name in names)) if half.is_file()), None)


def _opened(path: Path) -> IO[bytes]:
    """Open a file, through gzip where it is compressed, whatever its name says."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb") if compressed else path.open("rb"))


def _start(path: Path) -> bytes:
    try:
        with _opened(path) as file:
            return file.read(540)
    except _UNREADABLE as error:
        raise UnreadableError(f"the file is truncated or corrupt ({first_line(error)})", path) from error


def _size(block: bytes) -> int:
    """The header's size as it states it, in whichever byte order that makes sense."""
    sizes = [int.from_bytes(block[:4], order) for order in ("little", "big")]
    return next((size for size in sizes if size in _HEADERS), 0)


def _told(block: bytes) -> str:
    start = block.lstrip().lower()
    known = (told for mark, told in _FOREIGN.items() if start.startswith(mark))
    return next(known, "it does not start with a NIfTI header")


def _of_analyze(block: bytearray) -> Nifti1PairHeader:
    for start, end in _ANALYZE_HAS_OTHERWISE:
        block[start:end] = bytes(end - start)
    header = Nifti1PairHeader(bytes(block), check=False)
    header["magic"] = header.pair_magic
    return header
