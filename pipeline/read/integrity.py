"""Whether a NIfTI file's pixels need a look: they may hold what no header tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

__all__ = ["is_doubtful"]


def is_doubtful(path: Path) -> bool:
    """Whether only reading an image whole tells that it is all there and finite; quick, for it looks at no pixel.

    Numbers with a fraction may be NaN; whole ones cannot. A file cut short is told by its length, or by the length
    that gzip states at its end.
    """
    try:
        image: Any = nib.load(path)
        kind = image.get_data_dtype()
        needed = image.dataobj.offset + int(np.prod(image.shape)) * kind.itemsize
        is_whole = kind.kind in "iu"
        with path.open("rb") as file:
            if path.suffix.lower() == ".gz":
                file.seek(-4, 2)
                return not is_whole or int.from_bytes(file.read(4), "little") != needed % 2**32
            return not is_whole or file.seek(0, 2) < needed
    except Exception:  # noqa: BLE001 whatever nibabel raises of a broken file: the reader says it better
        return True
