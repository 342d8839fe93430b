"""A path to cases: one a NIfTI file, one a DICOM study."""

from __future__ import annotations

import itertools
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pipeline.core.errors import UnreadableError
from pipeline.core.quiet import quiet_dicom
from pipeline.read.dicom import files_under
from pipeline.read.headers import CLASSIC_MR, ENHANCED_MR, read_header, sop_class, text

__all__ = ["Case", "find_cases"]

_LOGGER = logging.getLogger(__name__)
_NIFTI_SUFFIXES = (".nii.gz", ".nii")
_STUDY_TAGS = ("SOPClassUID", "StudyInstanceUID")


@dataclass(frozen=True)
class Case:
    """One thing to process.

    Attributes:
        name: file name without extensions for NIfTI, the study's folder name for DICOM; unique among the cases found.
        path: the NIfTI file; for DICOM the folder that holds all of the study's files, or the one file asked for.
        kind: how to read it.
        files: the files, sorted; for DICOM those of this study, and any beside them that do not parse.
    """

    name: str
    path: Path
    kind: Literal["dicom", "nifti"]
    files: tuple[Path, ...] = ()


def find_cases(path: str | Path) -> list[Case]:
    """Find what can be processed at a path: a DICOM file, a NIfTI file, or a folder of either, searched below.

    Reads headers only. Files of other kinds are passed over. A DICOM file that does not parse stays with the studies
    of its folder (or makes a case of its own), so that reading that case says what is wrong and the others go on.

    Args:
        path: file or folder.

    Returns:
        Cases sorted by path, then study; names made unique by `_1`, `_2` ... where they would be the same.

    Raises:
        UnreadableError: the path does not exist, or holds neither an MR image nor a NIfTI file.
    """
    root = Path(path)
    files = files_under(root)
    nifti = [Case(_stem(file), file, "nifti", (file,)) for file in files if _is_nifti(file)]
    dicom = _dicom_cases([file for file in files if not _is_nifti(file)])
    if not nifti and not dicom:
        raise UnreadableError(f"an MR image or a NIfTI file must be found, got none in {len(files)} file(s)", root)
    return _with_distinct_names(sorted([*nifti, *dicom], key=lambda case: (case.path, case.files)))


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith(_NIFTI_SUFFIXES)


def _stem(path: Path) -> str:
    suffix = next(suffix for suffix in _NIFTI_SUFFIXES if path.name.lower().endswith(suffix))
    return path.name[: -len(suffix)] or path.name


def _dicom_cases(files: Iterable[Path]) -> list[Case]:
    studies: dict[str, list[Path]] = defaultdict(list)
    with_images: set[str] = set()
    damaged: list[Path] = []
    with quiet_dicom():
        for path in files:
            try:
                uid, is_image = _study_of(path)
            except UnreadableError as error:
                _LOGGER.warning("%s", error)
                damaged.append(path)
                continue
            if uid is not None:
                studies[uid].append(path)
                with_images |= {uid} if is_image else set()
    groups = [studies[uid] for uid in sorted(with_images)]
    groups += _placed(damaged, groups)
    return [_case(tuple(sorted(group))) for group in groups]


def _study_of(path: Path) -> tuple[str | None, bool]:
    """StudyInstanceUID and whether the file is an MR image; `(None, False)` for what belongs to no study."""
    header = read_header(path, tags=_STUDY_TAGS)
    if header is None:
        return None, False
    kind = sop_class(header.elements)
    is_image = kind in CLASSIC_MR | ENHANCED_MR
    uid = text(header.elements, "StudyInstanceUID")
    if not kind or (is_image and uid is None):
        raise UnreadableError("a DICOM file must state its SOP class and study, got neither: is it cut short?", path)
    return uid, is_image


def _placed(damaged: Iterable[Path], groups: Sequence[list[Path]]) -> list[list[Path]]:
    """Add each damaged file to the studies that have files in its folder; give back those without any, by folder."""
    homes = [{file.parent for file in group} for group in groups]
    alone: dict[Path, list[Path]] = defaultdict(list)
    for path in damaged:
        found = [group for group, home in zip(groups, homes, strict=True) if path.parent in home]
        for group in found or [alone[path.parent]]:
            group.append(path)
    return list(alone.values())


def _case(files: tuple[Path, ...]) -> Case:
    folder = Path(os.path.commonpath([file.parent for file in files]))
    return Case(folder.resolve().name or "study", folder if len(files) > 1 else files[0], "dicom", files)


def _with_distinct_names(cases: Sequence[Case]) -> list[Case]:
    counts = Counter(case.name for case in cases)
    taken = {name for name, count in counts.items() if count == 1}
    named: list[Case] = []
    for case in cases:
        name = case.name
        if counts[name] > 1:
            name = next(numbered for n in itertools.count(1) if (numbered := f"{case.name}_{n}") not in taken)
        taken.add(name)
        named.append(replace(case, name=name))
    return named
