"""What MetaImage and NRRD headers state in so many words: text, one field a line, before the voxels.

ITK fills in what is not stated, spacing among it; so it is asked here whether it is.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.core.errors import UnreadableError

__all__ = ["ITK_SUFFIXES", "itk_files", "itk_header"]

ITK_SUFFIXES = (".mha", ".mhd", ".nrrd", ".nhdr")

_META_SUFFIXES = (".mha", ".mhd")
_LONGEST = 1 << 20
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
