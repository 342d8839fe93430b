"""One door for images of every format: DICOM, NIfTI, MetaImage or NRRD, in archives or not, to `Cine`."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pipeline.core.errors import LatticeError, UnreadableError
from pipeline.core.images import Cine
from pipeline.core.labels import keep_drawn, map_labels
from pipeline.core.quiet import quiet_dicom
from pipeline.read.acdc_info import INFO
from pipeline.read.archives import archive_of, opened
from pipeline.read.dicom.choice import Look
from pipeline.read.dicom.headers import read_header
from pipeline.read.dicom.series import SeriesOptions, read_dicom_cine
from pipeline.read.dicom.stacks import MIN_SLICES
from pipeline.read.formats import FORMATS, image_files, read_volume, volume_kind
from pipeline.read.image_frames import are_frames, find_frames, info_of, read_image
from pipeline.read.label_maps import is_label_map
from pipeline.read.packs import is_pack
from pipeline.read.plausible import doubts_about
from pipeline.read.search import files_under
from pipeline.read.studies import is_dicomdir
from pipeline.read.voxels import fill_voxels

__all__ = ["SeriesOptions", "Source", "read_cine", "read_label", "require_stack"]

Source = str | Path | Sequence[str | Path]
"""An image file, a DICOM file or folder, the DICOM files of one study; an archive of one of these, or paths into it."""


def read_cine(source: Source, *, options: SeriesOptions | None = None, look: Look | None = None) -> Cine:
    """Read a cine or a static volume of any format.

    What is in an archive is unpacked; where DICOM objects may yet be made from it, it stays so until the cine is gone.

    Args:
        source: an image file (see `formats.FORMATS`), or files of one phase each, see `image_frames`; a DICOM file, a
            folder, or a list of DICOM files; an archive with one study, or files in it, as `study.zip/IM1`.
        options: what the user decides about DICOM series; other formats have none.
        look: judges pictures of stacks that headers do not tell apart, see `choice.choose_stack`.

    Returns:
        A cine (T, X, Y, Z); T = 1 for a static volume. All values are finite, see `voxels.fill_voxels`.

    Raises:
        UnreadableError: nothing there, no format that is read, or several images at once.
        InputError: what `nifti.read_nifti`, `itk.read_itk` or `series.read_dicom_cine` refuse.
    """
    paths = [Path(source)] if isinstance(source, str | Path) else [Path(path) for path in source]
    if not paths:
        raise UnreadableError("an image needs at least one file, got none")
    if len(paths) == 1 and is_pack(paths[0]):
        raise UnreadableError("a pack holds prepared slices to train on; give the images it was made from", paths[0])
    if any(archive_of(path) is not None for path in paths):
        return _read_unpacked(paths, options, look)
    return _read(paths, options, look)


def read_label(
    path: str | Path, *, scheme: str | Mapping[int, int], drawn_phases: Collection[int] | None = None
) -> Cine:
    """Read a label map and translate it into ours.

    Args:
        path: a file of any format with one image a file, as NIfTI.
        scheme: the file's label scheme, see `core.labels.map_labels`.
        drawn_phases: 0-based phases in which somebody has drawn; `None`: in all. The others become unlabelled.

    Returns:
        A cine whose array is (T, X, Y, Z) uint8: LV 1, MYO 2, RV 3, 255 unlabelled.

    Raises:
        LabelError, ConfigError: what `core.labels.map_labels` refuses.
        InputError: what `formats.read_volume` refuses.
    """
    stored = read_volume(path)
    return replace(stored, array=keep_drawn(map_labels(stored.array, scheme=scheme), drawn_phases))


def require_stack(cine: Cine, *, path: str) -> None:
    """Refuse what cannot be a short-axis stack: a file with one slice is a long-axis view, or a part of a stack.

    DICOM studies pass: which of their stacks is the short axis, and whether it is one, is decided when they are read.

    Raises:
        LatticeError: fewer than `MIN_SLICES` slices.
    """
    if cine.sources is None and cine.n_slices < MIN_SLICES:
        raise LatticeError(
            f"a short-axis stack must have at least {MIN_SLICES} slices, got {cine.n_slices}, as a long-axis view has; "
            "to label it all the same, give `Segmenter.segment` in Python what `read_cine` reads",
            path,
        )


def _read(paths: Sequence[Path], options: SeriesOptions | None, look: Look | None) -> Cine:
    info = next((path for path in paths if path.name == INFO), None)
    paths = [path for path in paths if path != info] or paths
    files = _files(paths[0]) if len(paths) == 1 else list(paths)
    images = sorted({image_files(file) for file in files if volume_kind(file)})
    image = files if are_frames(files) else next(iter(images), ())
    if images and paths[0].is_dir():
        info = info_of(image[0])
    if images and (len(files) > len(image) or not set(files) <= set(image)):
        kind = "NIfTI" if volume_kind(image[0]) == "nifti" else "MetaImage or NRRD"
        raise UnreadableError(f"an image must be one {kind} file, got {len(files)} files", paths[0])
    if images:
        cine = read_image(image if are_frames(image) else image[:1], info=info)
    else:
        cine = read_dicom_cine(files, options=options, look=look)
    array, notes = fill_voxels(cine.array, path=str(paths[0]))
    return replace(cine, array=array, notes=(*cine.notes, *notes, *doubts_about(array, cine.grid)))


def _files(path: Path) -> list[Path]:
    """Of a folder the DICOM files, where there are any, else the images of other formats."""
    if not path.exists() and volume_kind(path) is None:
        raise UnreadableError("an image file or folder was expected here, but there is none", path)
    if is_dicomdir(path):
        path = path.parent
    if not path.is_dir():
        if volume_kind(path) is None and not _is_dicom(path):
            raise UnreadableError(f"an image must be of a format that is read ({FORMATS}), this file is not", path)
        return [path]
    volumes = [file for file in files_under(path) if volume_kind(file)]
    others = [file for file in files_under(path) if file not in volumes]
    return others if not volumes or any(map(_is_dicom, others)) else _one_cine(volumes)


def _one_cine(volumes: list[Path]) -> list[Path]:
    """Of several image files the frames of one cine, or the cine that is there whole; else all as they are."""
    images = {file for file in volumes if len(volumes) > 1 and not is_label_map(file)}
    frames = find_frames(sorted(images))
    if len(frames) != 1:
        return volumes
    (cine,) = frames
    if cine.whole is not None:
        return [cine.whole] if images == {cine.whole, *cine.files} else volumes
    return list(cine.files) if images == set(cine.files) else volumes


def _is_dicom(path: Path) -> bool:
    """Whether a file says it is DICOM, be it damaged: its reader tells what is wrong with it."""
    try:
        with quiet_dicom():
            return read_header(path, tags=()) is not None
    except UnreadableError:
        return True


def _read_unpacked(paths: Sequence[Path], options: SeriesOptions | None, look: Look | None) -> Cine:
    with ExitStack() as stack:
        cine = _read(list(stack.enter_context(opened(paths))), options, look)
        if cine.sources is not None:  # all cines made of this one have these very frames
            weakref.finalize(cine.sources[0][0], stack.pop_all().close)
        return cine
