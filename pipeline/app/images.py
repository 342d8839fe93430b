"""Find a case's images again. One patient's labels are never measured on another's images."""

from __future__ import annotations

from pathlib import Path

from pipeline.app.identity import conceal_notes
from pipeline.core.case import Source
from pipeline.core.digests import voxels_digest
from pipeline.core.errors import InputError
from pipeline.core.images import Cine
from pipeline.core.quiet import quiet_dicom
from pipeline.read.cine import SeriesOptions, read_cine
from pipeline.read.clock import with_heart_rate
from pipeline.read.dicom.headers import read_header, text
from pipeline.read.discover import CaseFiles, find_cases
from pipeline.read.sameness import states_study

__all__ = ["read_own_images"]

_OBJECTS = ("sr.dcm", "seg_ed.dcm", "seg_es.dcm", "seg.dcm")


def read_own_images(
    folder: Path, source: Source, images: Path | None, *, keyed: bool, series_uid: str | None = None
) -> Cine:
    """Read a case's images, and no others: they must be of its study, and voxel by voxel those that were segmented.

    Under a pseudonym the identity is keyed by a secret that is not at hand here. The study then is that of the case's
    DICOM objects, which state it; where none were written (`--no-objects`), only one study may be there.

    Args:
        folder: of the case.
        source: as its record states it.
        images: where they lie now, be it among others; `None`: where they lay.
        keyed: whether the case is under a pseudonym.
        series_uid: the series; `None` takes the one that the source names, or finds the short-axis stack.

    Raises:
        InputError: no images of this study are there, or others of it, or they cannot be read, or no place is known.
    """
    place = images or source.path
    if place is None:
        raise InputError("a case must know its images, this one does not; name them (`--images`)", folder)
    found = find_cases(place)
    own = _by_objects(found, folder) if keyed else [case for case in found if case.identity == source.identity]
    if not own:
        raise InputError(
            f"images must be of the study that was segmented here, got {len(found)} of other content; name its own "
            "(`--images`), or segment anew",
            folder,
        )
    if keyed and len(own) > 1:
        raise InputError(f"images of one study must be named for a case under a pseudonym, got {len(own)}", images)
    options = SeriesOptions(series_uid or source.series_uid, source.prefer, source.drop_incomplete)
    cine = with_heart_rate(read_cine(own[0].files, options=options), source.heart_rate_bpm)
    if voxels_digest(cine.array) != source.voxels_sha256:
        raise InputError(
            "images must be the very ones that were segmented, these differ; name their series (`--series`), or "
            "segment anew",
            own[0].path,
        )
    return conceal_notes(cine, own[0].files) if keyed else cine


def _by_objects(cases: list[CaseFiles], folder: Path) -> list[CaseFiles]:
    """Cases of the study stated in the case's DICOM objects, or all DICOM cases if there are no objects."""
    stated = next((uid for name in _OBJECTS if (uid := _study_uid(folder / name))), None)
    return [case for case in cases if case.kind == "dicom" and (stated is None or states_study(case.identity, stated))]


def _study_uid(path: Path) -> str | None:
    if not path.is_file():
        return None
    with quiet_dicom():
        header = read_header(path, tags=("StudyInstanceUID",))
        return None if header is None else text(header.elements, "StudyInstanceUID")
