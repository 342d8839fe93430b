"""One image and its label, read and compared: on which grids they lie, what they hold, whether they fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.core.digests import labels_digest, voxels_digest
from pipeline.core.errors import PipelineError
from pipeline.core.geometry import Grid
from pipeline.core.labels import STRUCTURES, UNLABELLED, is_structure, map_labels
from pipeline.read.cine import read_cine
from pipeline.read.datalists.cases import DatalistEntry
from pipeline.read.enclosure import misplaced_pair
from pipeline.read.findings import CheckedCase, Finding, fault, note
from pipeline.read.integrity import is_doubtful
from pipeline.read.labels import StoredLabel, drawn_values, lay_on_image, read_stored_label, short_names
from pipeline.read.nifti import nifti_shape, read_nifti_grid
from pipeline.read.nifti_files import is_nifti
from pipeline.read.packs import PACK_INDEX

__all__ = ["about_intensities", "check_case"]

_MOST_EMPTY = 0.5
"""Share of slices without a heart up to which a stack is as usual; ACDC's go up to 0.3."""

_AS_BACKGROUND = "taken for background; give them `ignore` by the scheme if nobody drew there"


def check_case(case: DatalistEntry, *, images: bool) -> CheckedCase:
    """Read and compare a case's image and label; nothing is raised.

    Args:
        case: of a data list; of a pack's nothing is read.
        images: read the image's pixels even where its header gives no cause to.
    """
    if PACK_INDEX in case:
        return CheckedCase(case)
    found = [note("pair", str(case["note"]))] if case.get("note") else []
    image = _read_image(case, found, whole=images)
    stored = _read_label(case, found)
    if str(case["image"]) == str(case["label"]):
        found.append(fault("pair", "image and label must be two files, got one"))
    mapped = None if stored is None else _map_values(stored, case, found)
    laid = None
    if stored is not None and image is not None:
        laid = _lay((stored.array != 0).astype(np.uint8) if mapped is None else mapped, stored, case, image, found)
    described = _describe(case, image, mapped if laid is None or mapped is None else laid)
    return replace(described, findings=tuple(dict.fromkeys(found)))


def _lay(
    mapped: np.ndarray, stored: StoredLabel, case: DatalistEntry, image: tuple[Grid, int], found: list[Finding]
) -> np.ndarray | None:
    """The label on its image; `None` where they do not fit."""
    try:
        laid = lay_on_image(mapped, stored, case, grid=image[0], n_phases=image[1])
    except PipelineError as error:
        found.append(fault("pair", error))
        return None
    empty = [phase for phase in case.get("drawn_phases") or () if not is_structure(laid.array[phase]).any()]
    if empty:
        found.append(note("label", f"nothing is drawn in phases {empty}, which are stated as drawn"))
    found += _about_slices(laid.array)
    said = {finding.text for finding in found}
    found += [note("label", text) for text in laid.notes if text not in said]
    return laid.array


def _about_slices(labels: np.ndarray) -> list[Finding]:
    """Notes where slices of a drawn phase hold background alone, and a heart must be in them or may be.

    Args:
        labels: (T, X, Y, Z), our values.
    """
    drawn: np.ndarray = np.asarray(is_structure(labels).any(axis=(1, 2)))
    background = np.any(labels != UNLABELLED, axis=(1, 2)) & ~drawn
    found = []
    for phase in np.flatnonzero(drawn.any(axis=1)):
        places = np.flatnonzero(drawn[phase])
        skipped = [int(z) for z in np.flatnonzero(background[phase]) if places[0] < z < places[-1]]
        if skipped:
            where = f"slice{'s' * (len(skipped) > 1)} {', '.join(map(str, skipped))} of phase {phase}"
            found.append(note("label", f"nothing is drawn in {where}, between drawn ones: {_AS_BACKGROUND}"))
        elif background[phase].mean() > _MOST_EMPTY:
            few = f"drawn in {len(places)} of {labels.shape[3]} slices of phase {phase}"
            found.append(note("label", f"{few}: the others are {_AS_BACKGROUND}"))
    return found


def _describe(case: DatalistEntry, image: tuple[Grid, int] | None, labels: np.ndarray | None) -> CheckedCase:
    if image is None:
        known = CheckedCase(case)
    else:
        (x, y, z), n_phases = image[0].shape, image[1]
        spacing = image[0].spacing_mm
        known = CheckedCase({**case, "spacing": spacing}, (x, y, z, n_phases), spacing)
    if labels is None:
        return known
    counts = [np.bincount(phase.ravel(), minlength=256)[1 : len(STRUCTURES) + 1] for phase in labels]
    present = np.flatnonzero(np.sum(counts, axis=0)) + 1
    return replace(
        known,
        drawn_phases=tuple(phase for phase, count in enumerate(counts) if count.any()),
        n_drawn_slices=int(is_structure(labels).any(axis=(0, 1, 2)).sum()),
        structures=frozenset(present.tolist()),
    )


def _read_image(case: DatalistEntry, found: list[Finding], *, whole: bool) -> tuple[Grid, int] | None:
    """The image's grid and number of phases."""
    path = Path(case["image"])
    try:
        digest = case.get("image_sha256")
        if whole or digest or not is_nifti(path) or path.is_dir() or is_doubtful(path):
            cine = read_cine(path)
            if digest and voxels_digest(cine.array) != digest:
                found.append(fault("image", "it must be the very one that was segmented, and reads otherwise now"))
            found += [note("image", text) for text in cine.notes if not text.startswith("times of the phases")]
            found += about_intensities(cine.array)
            return cine.grid, cine.n_phases
        return read_nifti_grid(path), (*nifti_shape(path), 1)[3]
    except PipelineError as error:
        found.append(fault("image", _without_path(error)))
        return None


def about_intensities(array: np.ndarray) -> list[Finding]:
    """Faults of an image's pixels, as `read_cine` gives them: all the same."""
    low, high = array.min(), array.max()
    return [fault("image", f"an image needs more than one intensity, got {low:g} throughout")] if low == high else []


def _read_label(case: DatalistEntry, found: list[Finding]) -> StoredLabel | None:
    try:
        return read_stored_label(case["label"])
    except PipelineError as error:
        found.append(fault("label", _without_path(error)))
        return None


def _map_values(stored: StoredLabel, case: DatalistEntry, found: list[Finding]) -> np.ndarray | None:
    """The label in our values; where it cannot be, in none that matter, so that the rest can still be looked at."""
    try:
        mapped = map_labels(stored.array, scheme=case["scheme"])
        stated = drawn_values(case)
    except PipelineError as error:
        found.append(fault("label", f"{error}; map or drop them by `scheme` (`--scheme` on the command line)"))
        return None
    if not is_structure(mapped).any():
        what = "unlabelled" if (mapped == UNLABELLED).all() else "background"
        found.append(fault("label", f"a label needs something drawn in it, this one is {what} throughout"))
        return None
    if case.get("label_sha256") and labels_digest(mapped) != case["label_sha256"]:
        found.append(fault("label", "it has changed since it was accepted; accept it again"))
    beyond = set() if stated is None else set(np.unique(mapped[is_structure(mapped)]).tolist()) - set(stated)
    if beyond:
        found.append(fault("label", f"`drawn_structures` leaves out {short_names(beyond)}, which it holds"))
    misplaced = misplaced_pair(mapped)
    if misplaced is not None:
        inner, outer = (structure.short for structure in misplaced)
        found.append(fault("label", f"LV must lie within MYO, but {inner} lies within {outer}: is `scheme` right?"))
    return mapped


def _without_path(error: PipelineError) -> str:
    return str(error).removesuffix(f" [{getattr(error, 'path', None)}]")
