"""A path to cases: one an image file, one a DICOM study; on the disk or in an archive."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pipeline.core.errors import UnreadableError
from pipeline.core.subject import StatedSubject
from pipeline.read.archives import archive_of, name_of_archive, opened
from pipeline.read.dicom.files import name_files
from pipeline.read.formats import FORMATS, VolumeKind, image_files, name_of, volume_kind
from pipeline.read.image_frames import find_frames, info_of
from pipeline.read.label_maps import is_label_map
from pipeline.read.names import case_name, distinct_names
from pipeline.read.own_results import without_results
from pipeline.read.sameness import identity_of_content
from pipeline.read.search import files_under
from pipeline.read.studies import find_studies, is_dicomdir
from pipeline.read.unpack import Allowance, is_archive, unpack

__all__ = ["CaseFiles", "find_cases"]

_LOGGER = logging.getLogger(__name__)

MAX_DEPTH = 3
"""Archives within archives that are opened."""


@dataclass(frozen=True)
class CaseFiles:
    """One thing to process.

    Attributes:
        name: from the path below what was asked for, see `read.names`; unique among the cases found.
        path: the image file, or the folder of its frames; for DICOM the folder around all of the study's images, or the
            one file asked for.
        kind: how to read it; an archive is one that cannot be unpacked.
        files: the files, sorted; for DICOM those of this study, and any beside them that do not parse; frames in the
            order of the beat, and ACDC's `Info.cfg` behind an image. Those in an archive are named by paths through it,
            see `read.archives.opened`.
        identity: what is the same for one study, wherever it lies and whatever it is called, and differs for any other;
            see `read.sameness`.
        subject: what the user states of whoever was scanned, see `read.subjects`; `None` where nothing is.
    """

    name: str
    path: Path
    kind: Literal["dicom", "archive"] | VolumeKind
    files: tuple[Path, ...]
    identity: str
    subject: StatedSubject | None = None


def find_cases(path: str | Path | Sequence[str | Path]) -> list[CaseFiles]:
    """Find what can be processed at a path: an image file, DICOM files, archives of either, or a folder searched below.

    Reads DICOM headers, image files whole for their digest, and unpacks archives for as long as it looks into them.
    Files of other kinds are passed over, and so are label maps (`read.label_maps`) and results of ours
    (`read.own_results`) in a folder; those that are named themselves are taken. A DICOMDIR alone stands for its folder.
    A DICOM file that does not parse stays with the studies of its folder (or makes a case of its own), and an archive
    that does not unpack is a case, so that reading that case says what is wrong and the others go on. Images of two
    patients are two cases, though they state one study.

    Args:
        path: file or folder, or several; also such in an archive, as `study.zip/DICOM`.

    Returns:
        Cases sorted by path, then study. One that is there twice and would have one name both times is one case.

    Raises:
        UnreadableError: a path does not exist, or there is no image.
    """
    roots = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    if len(roots) == 1 and is_dicomdir(roots[0]):
        roots = [roots[0].parent]
    inside = [root for root in roots if not root.exists() and archive_of(root) is not None]
    search = _Search(asked={root.resolve() for root in roots if root.is_file()})
    on_disk = {
        file.resolve(): file
        for root in roots
        if root not in inside
        for file in without_results(files_under(root), root=root)
    }
    found = _without_copies(search.among(on_disk.values()))
    with opened(inside) as places:
        there = search.among({file for place in places for file in files_under(place)})
        found += [_move(one, dict(zip(places, inside, strict=True))) for one in there]
    if not found:
        place = roots[0] if len(roots) == 1 else None
        message = f"an image must be found, got none in {search.n_files} file(s); formats read are {FORMATS}"
        raise UnreadableError(message, place)
    above = [root.parent for root in roots] if len(roots) > 1 else roots  # then what each is called tells them apart
    cases = [_case(one, above) for one in found]
    return _with_distinct_names(sorted(cases, key=lambda case: (case.path, case.files)))


@dataclass(frozen=True)
class _Found:
    kind: Literal["dicom", "archive"] | VolumeKind
    files: tuple[Path, ...]
    identity: str
    place: Path
    """The image's file, the archive, or the folder of a study's images; of frames, their folder and what they share."""


class _Search:
    """Looks through files, and through archives among them, one archive at a time; counts what it has seen."""

    def __init__(self, *, asked: Collection[Path] = ()) -> None:
        self.n_files = 0
        self.asked = asked

    def among(self, files: Iterable[Path], *, allowance: Allowance | None = None, depth: int = 0) -> list[_Found]:
        """What some files are, archives among them looked into; `allowance` is of the archive that the files are in."""
        files = sorted(files)
        self.n_files += len(files)
        kinds = {image_files(file): kind for file in files if (kind := volume_kind(file))}
        of_images = {file for image in kinds for file in image}
        archives = [file for file in files if file not in of_images and is_archive(file)]
        rest = [file for file in files if file not in of_images.union(archives)]
        masks = {image for image in kinds if image[0].resolve() not in self.asked and is_label_map(image[0])}
        if masks:
            named = name_files(sorted(image[0] for image in masks))
            _LOGGER.warning("passed over %d label map(s), which are no images: %s", len(masks), named)
        found = _images({image: kind for image, kind in kinds.items() if image not in masks})
        found += [_Found("dicom", study.files, study.identity, study.folder) for study in find_studies(rest)]
        for archive in archives:
            found += self._within(archive, allowance or Allowance.for_archive(archive), depth)
        return found

    def _within(self, archive: Path, allowance: Allowance, depth: int) -> list[_Found]:
        if depth == MAX_DEPTH:
            _LOGGER.warning("passed over %s: archives within archives are opened %d deep", archive.name, MAX_DEPTH)
            return []
        with tempfile.TemporaryDirectory(prefix="cmr-") as temporary:
            folder = Path(temporary)
            try:
                unpack(archive, folder, allowance=allowance)
            except UnreadableError as error:
                _LOGGER.warning("%s", error)
                return [_Found("archive", (archive,), identity_of_content([archive]), archive)]
            found = self.among(files_under(folder), allowance=allowance, depth=depth + 1)
        return [_move(one, {folder: archive}) for one in found]


def _images(kinds: Mapping[tuple[Path, ...], VolumeKind]) -> list[_Found]:
    """Images of one file, or of frames that are one cine's; frames of a cine that is there whole are passed over."""
    frames = find_frames(image[0] for image, kind in kinds.items() if kind == "nifti" and len(image) == 1)
    parts = [file for of_patient in frames if of_patient.whole is not None for file in of_patient.files]
    if parts:
        _LOGGER.warning("passed over %d frame(s) of cines that are there whole: %s", len(parts), name_files(parts))
    groups = [(of_patient.files, of_patient.patient) for of_patient in frames if of_patient.whole is None]
    taken = {file for files, _ in groups for file in files}.union(parts)
    alone = [(image, kind, image[0]) for image, kind in kinds.items() if image[0] not in taken]
    grouped: list[tuple[tuple[Path, ...], VolumeKind, Path]]
    grouped = [(files, "nifti", files[0].parent / patient) for files, patient in groups]
    return [
        _Found(kind, (*image, *_info(image[0])), identity_of_content(image), place)
        for image, kind, place in (*alone, *grouped)
    ]


def _info(image: Path) -> tuple[Path, ...]:
    info = info_of(image)
    return () if info is None else (info,)


def _without_copies(found: Sequence[_Found]) -> list[_Found]:
    """Pass over what an archive has of what lies beside it: a study that was unpacked, its archive kept."""
    keys = [(one.identity, tuple(sorted(file.name for file in one.files))) for one in found]
    packed = [one.kind != "archive" and archive_of(one.files[0]) is not None for one in found]
    beside = {key for key, is_packed in zip(keys, packed, strict=True) if not is_packed}
    copies = [one for one, key, is_packed in zip(found, keys, packed, strict=True) if is_packed and key in beside]
    for one in copies:
        _LOGGER.info("passed over %s: the same lies beside its archive", one.files[0].parent)
    return [one for one in found if one not in copies]


def _move(found: _Found, places: Mapping[Path, Path]) -> _Found:
    """What was found where it was unpacked, by the name that it has in its archive."""
    *files, place = (
        next((name / path.relative_to(place) for place, name in places.items() if _lies_in(path, place)), None)
        for path in (*found.files, found.place)
    )
    moved = tuple(file for file in files if file is not None)
    return replace(found, files=moved, place=place or _folder_around(moved))  # single files of an archive were named


def _folder_around(files: Iterable[Path]) -> Path:
    return Path(os.path.commonpath([file.parent for file in files]))


def _lies_in(file: Path, place: Path) -> bool:
    return file == place or place in file.parents


def _case(found: _Found, roots: Iterable[Path]) -> CaseFiles:
    name = _name(found.place, roots, is_file=found.kind != "dicom")
    return CaseFiles(name, _path(found), found.kind, found.files, found.identity)


def _path(found: _Found) -> Path:
    if found.kind == "dicom":
        return found.place if len(found.files) > 1 else found.files[0]
    return found.files[0] if found.place == found.files[0] else found.place.parent


def _name(place: Path, roots: Iterable[Path], *, is_file: bool) -> str:
    """By the path below the outermost of what was asked for, without what says a format."""
    place = Path(os.path.abspath(place))  # noqa: PTH100, as it is asked for, links not followed
    around = [root for one in roots if _lies_in(place, root := Path(os.path.abspath(one)))]  # noqa: PTH100, likewise
    root = min(around, key=lambda one: len(one.parts), default=place)
    parts = [name_of_archive(Path(part)) for part in place.parts[1:]]
    if is_file:
        parts[-1] = name_of(Path(parts[-1]))
    return case_name(parts, n_below=len(place.relative_to(root).parts), is_file=is_file)


def _with_distinct_names(cases: Sequence[CaseFiles]) -> list[CaseFiles]:
    """Tell cases of one name apart; of one study that is there twice under one name, take the place of most files."""
    names = distinct_names((case.name, case.identity) for case in cases)
    named: dict[tuple[str, str], CaseFiles] = {}
    for name, case in zip(names, cases, strict=True):
        kept = named.setdefault((name, case.identity), replace(case, name=name))
        if kept.files == case.files:
            continue
        more, fewer = (case, kept) if len(case.files) > len(kept.files) else (kept, case)
        named[name, case.identity] = replace(more, name=name)
        _LOGGER.warning("passed over %s: it is of the same study as %s, and called alike", fewer.path, more.path)
    return list(named.values())
