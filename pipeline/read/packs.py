"""Packs, as `write.packs` writes them: data sets prepared for training, read without running anything in them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.core.errors import DatasetError
from pipeline.core.prepared import PreparedStack

__all__ = ["PACK_INDEX", "is_pack", "pack_cases", "read_pack_header", "read_packed_stacks"]

PACK_INDEX = "pack_index"
"""Key of a case in a data list that comes from a pack: which of its stacks it is."""
_FORMAT = 1


def is_pack(path: str | Path) -> bool:
    """Whether a file is a pack, by its content and whatever its name."""
    if not Path(path).is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "pack.json" in archive.namelist()


def read_pack_header(path: str | Path) -> dict[str, Any]:
    """Read what a pack says of itself: `bits`, `rounding_rms`, `preparation`, `stacks` ...

    Raises:
        DatasetError: no pack, or one of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read("pack.json"))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DatasetError(f"a pack must be a file that `cmr pack` wrote, this one is not ({error})", path) from error
    if not isinstance(header, dict) or header.get("pack") != _FORMAT:
        raise DatasetError(f"a pack must be of format {_FORMAT}; make it again with `cmr pack`", path)
    return header


def pack_cases(path: str | Path) -> list[dict[str, Any]]:
    """List a pack's stacks as cases of a data list: `patient`, `phase`, `twins` and whatever else it tells of them.

    `image` and `label` name the pack itself, `pack_index` the stack in it.

    Raises:
        DatasetError: no pack, or one of another format.
    """
    source = {"image": str(path), "label": str(path), "scheme": "cmr"}
    known = ("low", "step", "n_slices", "spacing_mm")
    return [
        {key: value for key, value in entry.items() if key not in known}
        | source
        | {"spacing": tuple(entry["spacing_mm"]), PACK_INDEX: index}
        for index, entry in enumerate(read_pack_header(path)["stacks"])
    ]


def read_packed_stacks(path: str | Path, indices: Sequence[int]) -> list[PreparedStack]:
    """Read some of a pack's stacks, in the order asked for.

    Raises:
        DatasetError: no pack, or a stack that is missing, damaged or not as its header says.
    """
    entries = read_pack_header(path)["stacks"]
    with zipfile.ZipFile(path) as archive:
        try:
            pictures = [(archive.read(_image(index)), archive.read(_label(index))) for index in indices]
        except (KeyError, zipfile.BadZipFile, OSError) as error:
            raise DatasetError(f"the pack is damaged ({error}); make it again with `cmr pack`", path) from error

    def decode(place: int) -> PreparedStack:
        return _decode(entries[indices[place]], *pictures[place], path=path)

    with ThreadPoolExecutor() as pool:  # the decoders work outside Python's lock
        return list(pool.map(decode, range(len(indices))))


def _image(index: int) -> str:
    return f"images/{index:05d}.jp2"


def _label(index: int) -> str:
    return f"labels/{index:05d}.png"


def _decode(entry: dict[str, Any], image: bytes, label: bytes, *, path: str | Path) -> PreparedStack:
    try:
        n_slices = int(entry["n_slices"])
        stored, drawn = (np.array(Image.open(io.BytesIO(picture))) for picture in (image, label))
        shape = (n_slices, -1, stored.shape[1])
        return PreparedStack(
            stored=stored.reshape(shape),
            low=float(entry["low"]),
            step=float(entry["step"]),
            label=drawn.reshape(shape),
            spacing_mm=tuple(entry["spacing_mm"]),
            patient=str(entry["patient"]),
            phase=str(entry["phase"]),
        )
    except Exception as error:  # whatever a damaged picture makes its decoder raise
        raise DatasetError(f"the pack is damaged ({error}); make it again with `cmr pack`", path) from error
