"""A path to cases: one a NIfTI file, one a DICOM study."""

from __future__ import annotations

import itertools
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pipeline.core.errors import UnreadableError
from pipeline.core.quiet import quiet_dicom
from pipeline.read.dicom.headers import CLASSIC_MR, ENHANCED_MR, read_header, sop_class, text, words
from pipeline.read.sameness import identity_of_content, identity_of_study
from pipeline.read.search import files_under

__all__ = ["CaseFiles", "find_cases"]

_LOGGER = logging.getLogger(__name__)
_NIFTI_SUFFIXES = (".nii.gz", ".nii")
_STUDY_TAGS = ("SOPClassUID", "StudyInstanceUID", "PatientID")


@dataclass(frozen=True)
class CaseFiles:
    """One thing to process.

    Attributes:
        name: file name without extensions for NIfTI, the study's folder name for DICOM; unique among the cases found.
        path: the NIfTI file; for DICOM the folder that holds all of the study's files, or the one file asked for.
        kind: how to read it.
        files: the files, sorted; for DICOM those of this study, and any beside them that do not parse.
        identity: what is the same for one study, wherever it lies and whatever it is called, and differs for any other;
            see `read.sameness`.
    """

    name: str
    path: Path
    kind: Literal["dicom", "nifti"]
    files: tuple[Path, ...]
    identity: str


@dataclass(frozen=True)
class _StudyFile:
    path: Path
    uid: str
    patient: str
    is_image: bool


def find_cases(path: str | Path | Sequence[str | Path]) -> list[CaseFiles]:
    """Find what can be processed at a path: a DICOM file, a NIfTI file, or a folder of either, searched below.

    Reads DICOM headers, and NIfTI files whole for their digest. Files of other kinds are passed over. A DICOM file that
    does not parse stays with the studies of its folder (or makes a case of its own), so that reading that case says
    what is wrong and the others go on. Images of two patients are two cases, though they state one study.

    Args:
        path: file or folder, or several.

    Returns:
        Cases sorted by path, then study; names made unique by `_1`, `_2` ... where they would be the same.

    Raises:
        UnreadableError: a path does not exist, or there is neither an MR image nor a NIfTI file.
    """
    roots = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    files = sorted({file for root in roots for file in files_under(root)})
    nifti = [_nifti_case(file) for file in files if _is_nifti(file)]
    dicom = _dicom_cases([file for file in files if not _is_nifti(file)])
    if not nifti and not dicom:
        place = roots[0] if len(roots) == 1 else None
        raise UnreadableError(f"an MR image or a NIfTI file must be found, got none in {len(files)} file(s)", place)
    return _with_distinct_names(sorted([*nifti, *dicom], key=lambda case: (case.path, case.files)))


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith(_NIFTI_SUFFIXES)


def _stem(path: Path) -> str:
    suffix = next(suffix for suffix in _NIFTI_SUFFIXES if path.name.lower().endswith(suffix))
    return path.name[: -len(suffix)] or path.name


def _nifti_case(file: Path) -> CaseFiles:
    return CaseFiles(_stem(file), file, "nifti", (file,), identity_of_content([file]))


def _dicom_cases(files: Iterable[Path]) -> list[CaseFiles]:
    studies: dict[str, list[_StudyFile]] = defaultdict(list)
    damaged: list[Path] = []
    with quiet_dicom():
        for path in files:
            try:
                file = _study_file(path)
            except UnreadableError as error:
                _LOGGER.warning("%s", error)
                damaged.append(path)
                continue
            if file is not None:
                studies[file.uid].append(file)
    groups = {identity: group for uid in sorted(studies) for identity, group in _by_patient(uid, studies[uid])}
    alone = _placed(damaged, list(groups.values()))
    cases = [_case(sorted(group), identity) for identity, group in groups.items()]
    return cases + [_case(sorted(group), identity_of_content(group)) for group in alone]


def _study_file(path: Path) -> _StudyFile | None:
    """What a file says of study and patient; `None` for what belongs to no study."""
    header = read_header(path, tags=_STUDY_TAGS)
    if header is None:
        return None
    kind = sop_class(header.elements)
    is_image = kind in CLASSIC_MR | ENHANCED_MR
    uid = text(header.elements, "StudyInstanceUID")
    if not kind or (is_image and uid is None):
        raise UnreadableError("a DICOM file must state its SOP class and study, got neither: is it cut short?", path)
    return None if uid is None else _StudyFile(path, uid, "\\".join(words(header.elements, "PatientID")), is_image)


def _by_patient(uid: str, files: Iterable[_StudyFile]) -> Iterator[tuple[str, list[Path]]]:
    """Identity and files of each patient with images: careless anonymisers give several patients one study's UID.

    Files that name nobody are of the only patient who is named; where there are several, they stand by themselves.
    """
    files = list(files)
    named = {file.patient for file in files if file.is_image and file.patient}
    only = named.pop() if len(named) == 1 else ""
    groups: dict[str, list[_StudyFile]] = defaultdict(list)
    for file in files:
        groups[file.patient or only].append(file)
    for patient, group in sorted(groups.items()):
        if any(file.is_image for file in group):
            yield identity_of_study(uid, patient=patient), [file.path for file in group]


def _placed(damaged: Iterable[Path], groups: Sequence[list[Path]]) -> list[list[Path]]:
    """Add each damaged file to the studies that have files in its folder; give back those without any, by folder."""
    homes = [{file.parent for file in group} for group in groups]
    alone: dict[Path, list[Path]] = defaultdict(list)
    for path in damaged:
        found = [group for group, home in zip(groups, homes, strict=True) if path.parent in home]
        for group in found or [alone[path.parent]]:
            group.append(path)
    return list(alone.values())


def _case(files: Sequence[Path], identity: str) -> CaseFiles:
    folder = Path(os.path.commonpath([file.parent for file in files]))
    path = folder if len(files) > 1 else files[0]
    return CaseFiles(folder.resolve().name or "study", path, "dicom", tuple(files), identity)


def _with_distinct_names(cases: Sequence[CaseFiles]) -> list[CaseFiles]:
    counts = Counter(case.name for case in cases)
    taken = {name for name, count in counts.items() if count == 1}
    named: list[CaseFiles] = []
    for case in cases:
        name = case.name
        if counts[name] > 1:
            name = next(numbered for n in itertools.count(1) if (numbered := f"{case.name}_{n}") not in taken)
        taken.add(name)
        named.append(replace(case, name=name))
    return named
