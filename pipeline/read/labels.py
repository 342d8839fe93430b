"""Label maps as a training takes them: on their image's grid, in our values, saying no more than was drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from pipeline.core.errors import GridError, HeaderError, LabelError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine
from pipeline.core.labels import STRUCTURES, UNLABELLED, as_drawn, map_labels
from pipeline.read.alignment import lay_on_grid, lay_on_phases
from pipeline.read.formats import read_volume, volume_kind
from pipeline.read.nifti_files import stored_header

__all__ = ["StoredLabel", "drawn_values", "lay_on_image", "read_case_label", "read_stored_label", "short_names"]

_BY_NAME = {name.lower(): s.value for s in STRUCTURES for name in (s.short, s.name)}


@dataclass(frozen=True, eq=False)
class StoredLabel:
    """A label map as its file has it.

    Attributes:
        array: (T, X, Y, Z), the file's own values.
        grid: where its voxels lie; `None` where the header contradicts itself.
        notes: sentences on the header.
    """

    array: np.ndarray
    grid: Grid | None
    notes: tuple[str, ...]


def read_case_label(case: Mapping[str, Any], *, grid: Grid, n_phases: int) -> Cine:
    """Read the label map of a case of a data list, for its image.

    Args:
        case: names `label` and `scheme`; perhaps `drawn_phases`, `drawn_structures` and `undrawn_slices`, see
            `read.datalists.cases`.
        grid: the image's.
        n_phases: the image's.

    Returns:
        A cine on the image's grid whose array is (T, X, Y, Z) uint8, our label values, partial where a structure was
        not drawn, see `core.labels.as_drawn`; `notes` say what was done to bring it there.

    Raises:
        LabelError, ConfigError: what `core.labels.map_labels` refuses, or an unknown structure.
        GridError: what `alignment.lay_on_grid` and `lay_on_phases` refuse, or a drawn phase or an undrawn slice that is
            not there.
        InputError: what `formats.read_volume` refuses, but for an affine that cannot be believed.
    """
    stored = read_stored_label(case["label"])
    mapped = map_labels(stored.array, scheme=case["scheme"])
    return lay_on_image(mapped, stored, case, grid=grid, n_phases=n_phases)


def lay_on_image(
    mapped: np.ndarray, stored: StoredLabel, case: Mapping[str, Any], *, grid: Grid, n_phases: int
) -> Cine:
    """Bring a label map whose values are ours already to its image; arguments and errors as for `read_case_label`."""
    drawn_phases = case.get("drawn_phases")
    laid, notes = lay_on_grid(mapped, stored.grid, grid)
    laid = lay_on_phases(laid, n_phases, None if drawn_phases is None else sorted(drawn_phases))
    drawn = as_drawn(laid, drawn_phases=drawn_phases, drawn_values=drawn_values(case))
    undrawn, n_slices = list(case.get("undrawn_slices") or ()), grid.shape[2]
    if any(not 0 <= level < n_slices for level in undrawn):
        raise GridError(f"`undrawn_slices` must be from 0 to {n_slices - 1}, got {undrawn}")
    drawn[..., undrawn] = UNLABELLED
    return Cine(drawn, grid, notes=stored.notes + notes)


def read_stored_label(path: str | Path) -> StoredLabel:
    """Read a label map whatever its header says of its place, which its image may know better.

    Raises:
        InputError: what `formats.read_volume` refuses, but for an affine that cannot be believed.
    """
    try:
        found = read_volume(path)
    except HeaderError as error:
        array = _pixels_alone(Path(path))
        if array is None:
            raise
        reason = str(error).removesuffix(f" [{error.path}]")
        return StoredLabel(array, None, (f"its header is not believed ({reason}); the image's affine is taken",))
    if volume_kind(path) == "nifti" and _says_no_place(stored_header(Path(path))):
        return StoredLabel(found.array, Grid(found.grid.shape, np.diag([*found.grid.spacing_mm, 1.0])), ())
    return StoredLabel(found.array, found.grid, tuple(note for note in found.notes if "times of" not in note))


def drawn_values(case: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Values of the structures that a case says were drawn, from `drawn_structures`; `None` where it does not say.

    >>> drawn_values({"drawn_structures": "LV, MYO"}), drawn_values({"drawn_structures": ["right_ventricle"]})
    ((1, 2), (3,))

    Raises:
        LabelError: no structure of that name.
    """
    stated = case.get("drawn_structures")
    if stated in (None, "", ()):
        return None
    names = stated.replace(",", " ").split() if isinstance(stated, str) else [str(name) for name in stated]
    unknown = [name for name in names if name.lower() not in _BY_NAME]
    if unknown:
        raise LabelError(f"`drawn_structures` must be among {', '.join(s.short for s in STRUCTURES)}, got {unknown}")
    return tuple(_BY_NAME[name.lower()] for name in names)


def short_names(values: Iterable[int]) -> str:
    """Structures by their short names.

    >>> short_names({3, 1})
    'LV and RV'
    """
    named = set(values)
    return " and ".join(s.short for s in STRUCTURES if s.value in named)


def _says_no_place(header: nib.Nifti1Header) -> bool:
    return not int(header["sform_code"]) and not int(header["qform_code"])


def _pixels_alone(path: Path) -> np.ndarray | None:
    """(T, X, Y, Z) without any geometry; `None` where the file is not 3D or 4D, or cannot be decoded either."""
    try:
        image: Any = nib.load(path)
        array = np.asanyarray(image.dataobj)
    except Exception:  # noqa: BLE001 whatever nibabel raises of a broken file; the reader has said it better
        return None
    if array.ndim not in (3, 4) or array.dtype.kind not in "iuf":
        return None
    return array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0)
