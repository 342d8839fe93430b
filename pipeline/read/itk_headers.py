"""What MetaImage and NRRD headers state in so many words: text, one field a line, before the voxels.

ITK fills in what is not stated, spacing among it; so it is asked here whether it is.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from pipeline.core.errors import UnreadableError

__all__ = [
    "ITK_SUFFIXES",
    "axis_step",
    "bytes_behind",
    "call_axis_a_list",
    "itk_files",
    "itk_header",
    "phase_axis",
    "stored_size",
    "units_of_length",
]

ITK_SUFFIXES = (".mha", ".mhd", ".nrrd", ".nhdr")

_META_SUFFIXES = (".mha", ".mhd")
_LONGEST = 1 << 20
_REPLACED = frozenset({"kinds", "spacings", "units", "data file", "datafile"})  # ITK takes none beside directions
_PHASE_KINDS = frozenset({"time", "domain", "space", "none", "???"})
_DATA_FILE = {"metaimage": "elementdatafile", "nrrd": "data file"}


def itk_header(path: Path) -> dict[str, str]:
    """Fields of a MetaImage or NRRD header, keys in lower case, with `format`: metaimage or nrrd.

    Raises:
        UnreadableError: no such file, or no such header.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST).decode("latin-1")
    except OSError as error:
        raise UnreadableError(f"an image file was expected here ({error.strerror})", path) from error
    is_meta = path.name.lower().endswith(_META_SUFFIXES)
    fields = _meta_fields(text) if is_meta else _nrrd_fields(text)
    needed = ("ndims", "dimsize", "elementdatafile") if is_meta else ("dimension", "sizes", "encoding")
    missing = [key for key in needed if key not in fields]
    if missing:
        kind = "MetaImage" if is_meta else "NRRD"
        raise UnreadableError(f"the file is truncated or not {kind}: its header has no {', '.join(missing)}", path)
    return fields | {"format": "metaimage" if is_meta else "nrrd"}


def stored_size(fields: dict[str, str], path: Path) -> tuple[int, ...]:
    """Numbers along all axes, as stated, and of values a voxel.

    Raises:
        UnreadableError: they are no positive whole numbers, or not one an axis; ITK would end the whole process there.
    """
    is_nrrd = fields["format"] == "nrrd"
    words = fields["sizes" if is_nrrd else "dimsize"].split()
    n_axes, n_values = fields["dimension" if is_nrrd else "ndims"], fields.get("elementnumberofchannels", "1")
    if not all(re.fullmatch(r"0*[1-9]\d{0,17}", word) for word in (*words, n_axes, n_values)):
        raise UnreadableError(f"sizes must be positive whole numbers, the header states {' '.join(words)!r}", path)
    if len(words) != int(n_axes):
        raise UnreadableError(f"a header must state one size an axis, got {len(words)} of {n_axes} axes", path)
    return (*map(int, words), int(n_values))


def itk_files(path: Path) -> tuple[Path, ...]:
    """A file and the one that holds its voxels, where that is another.

    Raises:
        UnreadableError: what `itk_header` refuses; voxels in several files, elsewhere than below the header's folder,
            or not there.
    """
    fields = itk_header(path)
    name = fields.get(_DATA_FILE[fields["format"]], "local")
    if name.lower() == "local":
        return (path,)
    data = Path(name)
    if name.startswith("LIST") or "%" in name or data.is_absolute() or ".." in data.parts:
        raise UnreadableError(f"voxels must be in one file beside their header, this one names {name!r}", path)
    if not (path.parent / data).is_file():
        raise UnreadableError(f"voxels must be in {name} beside their header, there is no such file", path)
    return path, path.parent / data


def bytes_behind(fields: dict[str, str], path: Path, *, n_bytes: int) -> int:
    """How many bytes of a file follow the voxels; 0 where they are compressed, or do not start right behind the header.

    Args:
        fields: of the header.
        path: the header's file.
        n_bytes: of all voxels.
    """
    packed = fields.get("compresseddata", "").lower() == "true" or fields.get("encoding", "raw").lower() != "raw"
    if packed or any(int(fields.get(key) or 0) for key in ("headersize", "byte skip", "line skip")):
        return 0
    *_, data = itk_files(path)
    start = _header_length(path) if data == path else 0
    return max(0, data.stat().st_size - start - n_bytes)


def units_of_length(fields: dict[str, str]) -> list[str]:
    """Units of an NRRD's first three axes in space, as far as they are stated."""
    apart = [axis for axis, way in enumerate(_directions(fields)) if way == "none"]
    of_axes = [unit for axis, unit in enumerate(_quoted(fields.get("units", ""))) if axis not in apart]
    return (_quoted(fields.get("space units", "")) or of_axes)[:3]


def phase_axis(fields: dict[str, str]) -> int | None:
    """Axis of an NRRD that has no direction in space and so is time's; `None` where all have one, or it is a list."""
    directions = _directions(fields)
    kinds = fields.get("kinds", "").split() or ["???"] * len(directions)
    pairs = enumerate(zip(directions, kinds, strict=False))
    return next((axis for axis, (way, kind) in pairs if way == "none" and kind.lower() in _PHASE_KINDS), None)


def axis_step(fields: dict[str, str], axis: int) -> tuple[float, str]:
    """Step and unit of an NRRD's axis, as `spacings` and `units` state them; NaN and empty where they do not."""
    steps, units = fields.get("spacings", "").split(), _quoted(fields.get("units", ""))
    try:
        step = float(steps[axis])
    except (IndexError, ValueError):
        step = math.nan
    return step, units[axis] if axis < len(units) else ""


def call_axis_a_list(path: Path, axis: int, folder: Path) -> Path:
    """Copy an NRRD into a folder, one of its axes called a list: ITK takes no axis of time beside axes in space."""
    fields, content = itk_header(path), path.read_bytes()
    n_axes = int(fields["dimension"])
    start, blank, voxels = content.partition(b"\r\n\r\n" if b"\r\n" in content[:16] else b"\n\n")
    kept = [line for line in start.decode("latin-1").splitlines() if line.partition(":")[0].lower() not in _REPLACED]
    kept.append("kinds: " + " ".join("list" if one == axis else "domain" for one in range(n_axes)))
    if len(files := itk_files(path)) > 1:
        kept.append(f"data file: {files[1].absolute()}")
    copy = folder / path.name
    copy.write_bytes("\n".join(kept).encode("latin-1") + b"\n\n" + (voxels if blank else b""))
    return copy


def _directions(fields: dict[str, str]) -> list[str]:
    return re.findall(r"none|\([^)]*\)", fields.get("space directions", ""))


def _quoted(text: str) -> list[str]:
    return re.findall(r'"(.*?)"', text)


def _header_length(path: Path) -> int:
    """Bytes before the voxels in the same file."""
    with path.open("rb") as file:
        start = file.read(_LONGEST)
    if path.name.lower().endswith(_META_SUFFIXES):
        found = re.search(rb"(?im)^\s*ElementDataFile\s*=[^\n]*\n", start)
    else:
        found = re.search(rb"\r?\n\r?\n", start)
    return len(start) if found is None else found.end()


def _meta_fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, found, value = line.partition("=")
        if not found:
            break
        fields[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":  # the last one; voxels follow
            break
    return fields


def _nrrd_fields(text: str) -> dict[str, str]:
    lines = text.splitlines()
    fields: dict[str, str] = {}
    for line in lines[1:] if lines and lines[0].startswith("NRRD000") else ():
        if not line.strip():  # voxels follow
            break
        key, found, value = line.partition(":")
        if found and not line.startswith("#"):
            fields[key.strip().lower().replace("datafile", "data file")] = value.removeprefix("=").strip()
    return fields
