"""Packs: a data set prepared for training, in one small file that needs neither its images nor N4 again.

A zip archive: `pack.json`, and of each prepared stack its slices one below the other as a picture, the image as
lossless JPEG 2000 and the label as PNG. Nothing in it is code. `read.packs` reads it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import pipeline
from pipeline.core.errors import DatasetError
from pipeline.core.files import replacing
from pipeline.core.prepared import PreparedStack, quantise

__all__ = ["write_pack"]


def write_pack(
    path: Path,
    stacks: Sequence[PreparedStack],
    facts: Sequence[Mapping[str, Any]],
    *,
    preparation: Any,
    bits: int = 8,
) -> dict[str, float]:
    """Write a pack. It appears whole or not at all.

    Args:
        path: the file. Parent folders are created.
        stacks: at least one.
        facts: other columns of the data list for each stack, ready for JSON, such as `group` and `twins`.
        preparation: description of the preparation of the stacks, see `prepare.description`.
        bits: bits per intensity. With 8, ACDC (1902 slices of 224 x 224) takes 44 MB, with 7, 35 MB.

    Returns:
        `n_stacks`, `megabytes`, and `rounding_rms`: root mean square over all pixels of the change by rounding to
        `bits`, in units of the prepared intensities.

    Raises:
        DatasetError: no stack.
        ConfigError: a number of bits that is not from 1 to 16.
    """
    if not stacks:
        raise DatasetError("a pack needs at least one labelled stack, got none", path)
    entries, squares, n_pixels = [], 0.0, 0
    with replacing(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for index, (stack, known) in enumerate(zip(stacks, facts, strict=True)):
            entry, square = _write_stack(archive, index, stack, bits)
            entries.append(dict(known) | entry)
            squares, n_pixels = squares + square, n_pixels + stack.stored.size
        rms = float(np.sqrt(squares / n_pixels))
        header = {"pack": 1, "pipeline": pipeline.__version__, "bits": bits, "rounding_rms": rms}
        text = json.dumps(header | {"preparation": preparation, "stacks": entries}, indent=1)
        archive.writestr("pack.json", text, zipfile.ZIP_DEFLATED)
    return {"n_stacks": len(stacks), "megabytes": path.stat().st_size / 1e6, "rounding_rms": rms}


def _write_stack(archive: zipfile.ZipFile, index: int, stack: PreparedStack, bits: int) -> tuple[dict[str, Any], float]:
    """Add a stack's two pictures. Gives its entry, and the sum of squared changes by rounding."""
    image = stack.image
    rounded = quantise(image, bits=bits)
    stored = rounded.pop("stored")
    archive.writestr(f"images/{index:05d}.jp2", _encode(stored, "JPEG2000", irreversible=False))
    archive.writestr(f"labels/{index:05d}.png", _encode(stack.label, "PNG", optimize=True))
    changed = rounded["low"] + rounded["step"] * stored.astype(np.float64) - image
    entry = {
        "patient": stack.patient,
        "phase": stack.phase,
        "spacing_mm": list(stack.spacing_mm),
        "n_slices": len(stored),
    }
    return entry | rounded, float((changed**2).sum())


def _encode(slices: np.ndarray, kind: str, **options: Any) -> bytes:
    """(Z, X, Y) as one picture of Z * X rows."""
    buffer = io.BytesIO()
    Image.fromarray(slices.reshape(-1, slices.shape[2])).save(buffer, kind, **options)
    return buffer.getvalue()
