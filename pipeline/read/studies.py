"""DICOM files to studies: which belong to one patient's one study, and whose is a file that does not parse."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.core.quiet import quiet_dicom
from pipeline.read.dicom.files import UNKNOWN_KIND, examine_file
from pipeline.read.dicom.headers import read_header, sop_class
from pipeline.read.sameness import identity_of_content, identity_of_study

__all__ = ["Study", "find_studies", "is_dicomdir"]

_LOGGER = logging.getLogger(__name__)
_DICOMDIR = "1.2.840.10008.1.3.10"  # Media Storage Directory Storage


@dataclass(frozen=True)
class Study:
    """One patient's one study.

    Attributes:
        files: sorted, any beside them that do not parse included.
        identity: see `read.sameness`.
        folder: the one around all of its images; reports and segmentations of it may lie elsewhere.
    """

    files: tuple[Path, ...]
    identity: str
    folder: Path


@dataclass(frozen=True)
class _StudyFile:
    path: Path
    patient: str
    is_image: bool
    is_unknown: bool = False


def find_studies(files: Iterable[Path]) -> list[Study]:
    """Group DICOM files by study and patient; files of other kinds, and studies without MR images, are passed over.

    A file that does not parse stays with the studies of its folder, or makes one of its own.
    """
    studies: dict[str, list[_StudyFile]] = defaultdict(list)
    damaged: list[Path] = []
    for path in files:
        facts = examine_file(path)
        if facts is None:
            continue
        unknown = facts.other == UNKNOWN_KIND
        if facts.study_uid is not None:
            studies[facts.study_uid].append(_StudyFile(path, facts.patient, facts.is_image, unknown))
        elif facts.fault is not None or facts.is_image or unknown:
            reason = (
                facts.fault.reason if facts.fault else "a DICOM file must state its study, got none: is it cut short?"
            )
            _LOGGER.warning("%s [%s]", reason, path)
            damaged.append(path)
    groups = {identity: group for uid in sorted(studies) for identity, group in _by_patient(uid, studies[uid])}
    of_study = {identity: [file.path for file in group] for identity, group in groups.items()}
    alone = _place(damaged, list(of_study.values()))
    found = [Study(tuple(sorted(of_study[one])), one, _folder_of_images(group)) for one, group in groups.items()]
    return found + [Study(tuple(sorted(group)), identity_of_content(group), group[0].parent) for group in alone]


def is_dicomdir(path: Path) -> bool:
    """Whether a file is the index of the DICOM files around it, by its name or by what it says it is."""
    if not path.is_file():
        return False
    if path.name.upper() == "DICOMDIR":
        return True
    try:
        with quiet_dicom():
            header = read_header(path, tags=("SOPClassUID",))
        return header is not None and sop_class(header.elements) == _DICOMDIR
    except (UnreadableError, HeaderError):
        return False


def _by_patient(uid: str, files: Iterable[_StudyFile]) -> Iterator[tuple[str, list[_StudyFile]]]:
    """Identity and files of each patient with images: careless anonymisers give several patients one study's UID.

    Files that name nobody are of the only patient who has images; where there are several, they stand by themselves. So
    are files that nobody knows what they are: with damaged headers, they may be images.
    """
    files = list(files)
    named = {file.patient for file in files if file.is_image and file.patient}
    only = named.pop() if len(named) == 1 else ""
    groups: dict[str, list[_StudyFile]] = defaultdict(list)
    for file in files:
        is_his = not file.patient or (only and file.is_unknown)
        groups[only if is_his else file.patient].append(file)
    for patient, group in sorted(groups.items()):
        if any(file.is_image for file in group):
            yield identity_of_study(uid, patient=patient), group


def _folder_of_images(group: Iterable[_StudyFile]) -> Path:
    return Path(os.path.commonpath([file.path.parent for file in group if file.is_image]))


def _place(damaged: Iterable[Path], groups: Sequence[list[Path]]) -> list[list[Path]]:
    """Add each damaged file to the studies that have files in its folder; give back those without any, by folder."""
    homes = [{file.parent for file in group} for group in groups]
    alone: dict[Path, list[Path]] = defaultdict(list)
    for path in damaged:
        found = [group for group, home in zip(groups, homes, strict=True) if path.parent in home]
        for group in found or [alone[path.parent]]:
            group.append(path)
    return list(alone.values())
