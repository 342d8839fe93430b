"""One door for images of either format: NIfTI or DICOM to `Cine`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.core.errors import UnreadableError
from pipeline.core.images import Cine
from pipeline.core.labels import keep_drawn, map_labels
from pipeline.read.dicom.choice import Look
from pipeline.read.dicom.series import SeriesOptions, read_dicom_cine
from pipeline.read.nifti import is_nifti, read_nifti
from pipeline.read.packs import is_pack

__all__ = ["SeriesOptions", "Source", "read_cine", "read_label"]

Source = str | Path | Sequence[str | Path]
"""A NIfTI file, a DICOM file or folder, or the DICOM files of one study."""


def read_cine(source: Source, *, options: SeriesOptions | None = None, look: Look | None = None) -> Cine:
    """Read a cine or a static volume of either format.

    Args:
        source: a .nii or .nii.gz file; or a DICOM file, a folder, or a list of DICOM files.
        options: what the user decides about DICOM series; NIfTI has none.
        look: judges pictures of stacks that headers do not tell apart, see `choice.choose_stack`.

    Returns:
        A cine (T, X, Y, Z); T = 1 for a static volume.

    Raises:
        UnreadableError: nothing there, or several NIfTI files at once.
        InputError: what `nifti.read_nifti` or `series.read_dicom_cine` refuse.
    """
    paths = [Path(source)] if isinstance(source, str | Path) else [Path(path) for path in source]
    if not paths:
        raise UnreadableError("an image needs at least one file, got none")
    if any(is_nifti(path) and not path.is_dir() for path in paths):
        if len(paths) > 1:
            raise UnreadableError(f"an image must be one NIfTI file, got {len(paths)} files", paths[0])
        return read_nifti(paths[0])
    if len(paths) == 1 and is_pack(paths[0]):
        raise UnreadableError("a pack holds prepared slices to train on; give the images it was made from", paths[0])
    for path in paths:
        if not path.exists():
            raise UnreadableError("an image file or folder was expected here, but there is none", path)
    return read_dicom_cine(paths[0] if len(paths) == 1 else paths, options=options, look=look)


def read_label(
    path: str | Path, *, scheme: str | Mapping[int, int], drawn_phases: Collection[int] | None = None
) -> Cine:
    """Read a label map and translate it into ours.

    Args:
        path: a .nii or .nii.gz file.
        scheme: the file's label scheme, see `core.labels.map_labels`.
        drawn_phases: 0-based phases in which somebody has drawn; `None`: in all. The others become unlabelled.

    Returns:
        A cine whose array is (T, X, Y, Z) uint8: LV 1, MYO 2, RV 3, 255 unlabelled.

    Raises:
        LabelError, ConfigError: what `core.labels.map_labels` refuses.
        InputError: what `nifti.read_nifti` refuses.
    """
    stored = read_nifti(path)
    return replace(stored, array=keep_drawn(map_labels(stored.array, scheme=scheme), drawn_phases))
