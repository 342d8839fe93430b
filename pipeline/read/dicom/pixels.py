"""Frames to pixels: uncompressed ones straight from the file, all others through pydicom and its plugins."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from pipeline.core.errors import UnreadableError, first_line
from pipeline.core.quiet import quiet_dicom
from pipeline.read.budget import require_affordable
from pipeline.read.dicom.frames import Frame, NativeForm
from pipeline.read.dicom.headers import PARSE_ERRORS, Header, integer, open_bounded, text

__all__ = ["PIXEL_FORMAT_TAGS", "native_form", "read_pictures", "read_pixels"]

PIXEL_FORMAT_TAGS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
"""Elements that say how pixels are stored."""

_PIXEL_TAGS = (
    *PIXEL_FORMAT_TAGS,
    "PlanarConfiguration",
    "NumberOfFrames",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
)


def native_form(header: Header) -> NativeForm | None:
    """How a file's pixels lie in it, where they can be read as they are: uncompressed, whole bytes, MONOCHROME2.

    Returns:
        `None` where pydicom has to decode them.

    Raises:
        UnreadableError: the pixel data are not as long as the header says: cut short, or of another size.
    """
    elements = header.elements
    allocated, stored = integer(elements, "BitsAllocated"), integer(elements, "BitsStored")
    signed, high = integer(elements, "PixelRepresentation"), integer(elements, "HighBit")
    if header.pixels_at is None or text(elements, "PhotometricInterpretation") != "MONOCHROME2":
        return None
    if allocated not in (8, 16) or stored is None or not 1 <= stored <= allocated or signed not in (0, 1):
        return None
    if high is None or not 0 <= high < allocated:
        return None
    wanted = prod(integer(elements, name) or 1 for name in ("Rows", "Columns", "NumberOfFrames")) * allocated // 8
    if header.n_pixel_bytes not in (wanted, wanted + wanted % 2):
        raise UnreadableError(
            f"pixel data must hold {wanted} bytes as Rows, Columns and BitsAllocated say, got {header.n_pixel_bytes}: "
            f"the file is {'cut short' if header.n_pixel_bytes < wanted else 'of another size'}"
        )
    dtype = f"<{'i' if signed else 'u'}{allocated // 8}"
    used = max(stored, high + 1)
    return NativeForm(offset=header.pixels_at, dtype=dtype, spare_bits=allocated - used, in_doubt=high != stored - 1)


def read_pictures(path: Path, frames: Sequence[Frame], spare: list[Path] | None = None) -> list[np.ndarray]:
    """Pictures of some frames of one file in real-world values (Modality LUT, PS3.3 C.11.1).

    Args:
        path: the file.
        frames: frames of this file, one at least.
        spare: takes the file if bits that hold no pixel data are set in it, as old overlays do, or a wrong BitsStored.

    Returns:
        For each frame (rows, columns): the stored integers where slope is 1 and intercept 0, else float32.

    Raises:
        UnreadableError: no pixel data, pixel data cut short or of another size than the header says, or a compression
            that cannot be decoded.
    """
    if all(frame.native is not None for frame in frames):
        stored = [(frame, frame.native, _read_native(frame, frame.native)) for frame in frames if frame.native]
        if spare is not None and any(_has_spare(pixels, native) for _, native, pixels in stored):
            spare.append(path)
        return [_rescale(frame, _without_spare(pixels, native)) for frame, native, pixels in stored]
    pixels = read_pixels(path)
    wanted = max(frame.frame_number for frame in frames), frames[0].rows, frames[0].columns
    if len(pixels) < wanted[0] or pixels.shape[1:] != wanted[1:]:
        raise UnreadableError(f"pixel data must hold {wanted} frames, rows, columns, got {pixels.shape}", path)
    return [_rescale(frame, pixels[frame.frame_number - 1]) for frame in frames]


def _read_native(frame: Frame, native: NativeForm) -> np.ndarray:
    dtype, count = np.dtype(native.dtype), frame.rows * frame.columns
    offset = native.offset + (frame.frame_number - 1) * count * dtype.itemsize
    try:
        pixels = np.fromfile(frame.path, dtype=dtype, count=count, offset=offset)
    except OSError as error:
        raise UnreadableError(f"pixel data must be readable, got {error}", frame.path) from error
    if pixels.size < count:
        raise UnreadableError(
            f"pixel data must hold {count} values a frame, got {pixels.size}: the file is cut short", frame.path
        )
    return pixels.reshape(frame.rows, frame.columns)


def _without_spare(pixels: np.ndarray, native: NativeForm) -> np.ndarray:
    """Shifting up and down clears the spare bits, and extends the sign."""
    cleared: np.ndarray = pixels << native.spare_bits >> native.spare_bits
    return cleared


def _has_spare(pixels: np.ndarray, native: NativeForm) -> bool:
    """Whether the spare bits hold anything but the sign."""
    if not native.spare_bits:
        return False
    n_bits = 8 * pixels.dtype.itemsize
    above = pixels.view(f"u{pixels.dtype.itemsize}") >> (n_bits - native.spare_bits)
    is_sign = (above == (1 << native.spare_bits) - 1) & (pixels.dtype.kind == "i")
    return bool(((above != 0) & ~is_sign).any())


def _rescale(frame: Frame, picture: np.ndarray) -> np.ndarray:
    if not frame.is_rescaled:
        return picture
    return picture.astype(np.float32) * np.float32(frame.rescale_slope) + np.float32(frame.rescale_intercept)


def read_pixels(path: Path) -> np.ndarray:
    """Stored pixel values of a file, whatever its transfer syntax, with MONOCHROME1 turned so that more is brighter.

    MONOCHROME1 (PS3.3 C.7.6.3.1.2) is inverted within the range of BitsStored, alike in every frame and file.

    Args:
        path: a DICOM image.

    Returns:
        (frames, rows, columns), integer.

    Raises:
        UnreadableError: no pixel data, pixel data cut short, or a compression that cannot be decoded.
    """
    try:
        with quiet_dicom():
            with open_bounded(path) as stream:
                header = dcmread(stream, specific_tags=list(_PIXEL_TAGS), force=True)
            if "PixelData" not in header:
                raise UnreadableError("an image must hold pixel data, got none: cut short or stripped", path)
            if "TransferSyntaxUID" not in header.file_meta:  # files from before Part 10 have no meta information
                header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
            _require_clear_bits(header, path)
            require_affordable((int(header.get("NumberOfFrames") or 1), header.Rows, header.Columns), path)
            pixels = header.pixel_array.reshape(-1, int(header.Rows), int(header.Columns))
    except PARSE_ERRORS as error:
        raise UnreadableError(
            f"pixel data must decode, got {type(error).__name__}: {first_line(error)}", path
        ) from error
    if header.get("PhotometricInterpretation") != "MONOCHROME1":
        return pixels
    highest = -1 if header.PixelRepresentation else 2 ** int(header.BitsStored) - 1
    return (highest - pixels.astype(np.int64)).astype(pixels.dtype)


def _require_clear_bits(header: Dataset, path: Path) -> None:
    """Refuse uncompressed pixels of which nobody knows which bits hold them; compressed ones say so themselves.

    Raises:
        UnreadableError: HighBit is not one below BitsStored, as PS3.5 8.1.1 has it.
    """
    high, stored = integer(header, "HighBit"), integer(header, "BitsStored")
    if high is None or stored is None or high == stored - 1 or header.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    raise UnreadableError(f"HighBit must be one below BitsStored, got {high} and {stored}", path)
