"""One phase a file: frames whose names state that they are of one patient's one cine make one case.

ACDC has `patient001_frame01.nii.gz` and `patient001_frame12.nii.gz`, Sunnybrook's cavities and M&Ms-2 `..._ED` and
`..._ES`. Apart, neither gives an ejection fraction. Other names tell nothing: `heart_t1` and `heart_t2` are weightings.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.core.errors import GridError, PipelineError
from pipeline.core.images import Cine
from pipeline.read.acdc_info import INFO, PatientInfo, patient_info
from pipeline.read.formats import name_of, read_volume
from pipeline.read.nifti import nifti_shape, read_nifti_grid

__all__ = ["Frames", "are_frames", "find_frames", "info_of", "read_image"]

_FRAME = re.compile(r"(?P<patient>.+?)[_-](?:frame[_-]?(?P<number>\d+)|(?P<phase>ED|ES))", re.IGNORECASE)
_WHOLE = ("{}_4d", "{}_cine", "{}")
"""What the file of all phases is called beside a patient's frames."""
_TOLERANCE_MM = 0.1


@dataclass(frozen=True)
class Frames:
    """A patient's frames in one folder.

    Attributes:
        patient: as the files' names state it.
        files: in the order of the beat.
        whole: the file that has all phases, of which the frames are parts; `None` where there is none.
    """

    patient: str
    files: tuple[Path, ...]
    whole: Path | None = None


@dataclass(frozen=True)
class _Frame:
    patient: str
    number: int
    """From 1; ED is 0 and ES 1 where names say these instead."""
    is_named: bool


def find_frames(images: Iterable[Path]) -> list[Frames]:
    """Find which images are frames of one cine.

    Args:
        images: NIfTI files, no label maps.

    Returns:
        Those of a patient in one folder whose names number them, or call them ED and ES, and which are of one phase
        each on one grid. A single frame is an image like others, unless there is the whole cine as well.
    """
    groups: dict[tuple[Path, str, bool], dict[int, Path]] = defaultdict(dict)
    beside: dict[tuple[Path, str], Path] = {}
    for path in images:
        beside[path.parent, name_of(path).casefold()] = path
        if (frame := _frame_of(path)) is not None:
            groups[path.parent, frame.patient, frame.is_named].setdefault(frame.number, path)
    found = []
    for (folder, patient, _), numbered in groups.items():
        files = tuple(numbered[number] for number in sorted(numbered))
        whole = _whole_cine(beside, folder, patient)
        if whole is not None or (len(files) > 1 and _share_a_grid(files)):
            found.append(Frames(patient, files, whole))
    return found


def info_of(image: Path) -> Path | None:
    """ACDC's `Info.cfg` beside an image that is called like its folder; `None` where there is none."""
    info = image.parent / INFO
    return info if name_of(image).casefold().startswith(image.parent.name.casefold()) and info.is_file() else None


def are_frames(paths: Sequence[Path]) -> bool:
    """Whether several image files are what `find_frames` puts together, whole."""
    return [set(found.files) for found in find_frames(paths) if found.whole is None] == [set(paths)]


def read_image(paths: Sequence[Path], *, info: Path | None = None) -> Cine:
    """Read an image file, or frames as one cine without times, in the order of the beat.

    Args:
        paths: the file, or the frames.
        info: ACDC's `Info.cfg` of the patient, for height and weight, and for ED and ES where these phases are read.

    Raises:
        GridError: frames that are not on one grid.
        InputError: what `formats.read_volume` refuses.
    """
    paths = [paths[0]] if len(paths) == 1 else list(find_frames(paths)[0].files)
    cine = read_volume(paths[0]) if len(paths) == 1 else _read_frames(paths)
    told = PatientInfo() if info is None else patient_info(info)
    ed, es = _stated_phases(cine, paths, told)
    body = {key: value for key in ("height_m", "weight_kg") if (value := getattr(told, key)) is not None}
    used = [*(key.split("_")[0] for key in body), *(["end-diastole and end-systole"] if ed is not None else [])]
    note = (f"from {INFO if info is not None else 'the names of the files'}: {', '.join(used)}",) if used else ()
    facts = replace(cine.facts, **body, ed_phase=ed, es_phase=es)
    return replace(cine, facts=facts, notes=(*cine.notes, *note, *told.notes))


def _read_frames(paths: Sequence[Path]) -> Cine:
    cines = [read_volume(path) for path in paths]
    first = cines[0]
    if not all(cine.n_phases == 1 and cine.grid.matches(first.grid, tolerance_mm=_TOLERANCE_MM) for cine in cines):
        raise GridError(f"frames of one cine must be of one phase each on one grid, these are not [{paths[0]}]")
    named = ", ".join(path.name for path in paths)
    notes = dict.fromkeys(
        (f"the phases are files of one each: {named}", *(note for one in cines for note in one.notes))
    )
    array = np.concatenate([cine.array for cine in cines])
    return replace(first, array=array, times_ms=None, notes=tuple(notes), stored_axes=None)


def _stated_phases(cine: Cine, images: Sequence[Path], told: PatientInfo) -> tuple[int | None, int | None]:
    frames = [frame for path in images if (frame := _frame_of(path)) is not None]
    if [frame.number for frame in frames if frame.is_named] == [0, 1]:
        return 0, 1
    numbers = [frame.number for frame in frames] or list(range(1, cine.n_phases + 1))
    if len(numbers) != cine.n_phases or told.ed_frame not in numbers or told.es_frame not in numbers:
        return None, None
    return numbers.index(told.ed_frame), numbers.index(told.es_frame)


def _frame_of(path: Path) -> _Frame | None:
    match = _FRAME.fullmatch(name_of(path))
    if match is None:
        return None
    if match["number"]:
        return _Frame(match["patient"], int(match["number"]), False)
    return _Frame(match["patient"], int(match["phase"].upper() == "ES"), True)


def _whole_cine(beside: Mapping[tuple[Path, str], Path], folder: Path, patient: str) -> Path | None:
    named = (beside.get((folder, pattern.format(patient).casefold())) for pattern in _WHOLE)
    return next((path for path in named if path is not None and _has_phases(path)), None)


def _has_phases(path: Path) -> bool:
    try:
        shape = nifti_shape(path)
    except PipelineError:
        return False
    return len(shape) == 4 and shape[3] > 1


def _share_a_grid(files: Sequence[Path]) -> bool:
    try:
        grids = [read_nifti_grid(path) for path in files]
        one_phase = all(len(shape) == 3 or shape[3] == 1 for shape in map(nifti_shape, files))
    except PipelineError:
        return False
    return one_phase and all(grid.matches(grids[0], tolerance_mm=_TOLERANCE_MM) for grid in grids)
