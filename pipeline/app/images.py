"""A case's images, found again: one patient's labels are never measured on another's pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.app.results import SOURCE
from pipeline.core.errors import InputError
from pipeline.core.images import Cine
from pipeline.core.quiet import quiet_dicom
from pipeline.read.cine import read_cine
from pipeline.read.clock import with_heart_rate
from pipeline.read.dicom.headers import read_header, text
from pipeline.read.discover import CaseFiles, find_cases
from pipeline.read.sameness import states_study

__all__ = ["read_own_images"]

_OBJECTS = ("sr.dcm", "seg_ed.dcm", "seg_es.dcm", "seg.dcm")


def read_own_images(folder: Path, source: Mapping[str, Any], images: Path | None) -> Cine:
    """Read a case's images, and no others.

    Under a pseudonym the identity is keyed by a secret that is not at hand here, and nothing else to compare is stored,
    for lists of UIDs could be tried on it. The study then is that of the case's DICOM objects, which state it; where
    none were written (`--no-objects`), only one study may be there, and the labels' grid has to do.

    Args:
        folder: of the case.
        source: the content of its `source.json`.
        images: where they lie now, be it among others; `None`: where they lay.

    Raises:
        InputError: no images of this study are there, or they cannot be read.
    """
    found = find_cases(source["files"] if images is None else images)
    keyed = source["pseudonym"] is not None
    own = _by_objects(found, folder) if keyed else [case for case in found if case.identity == source.get("identity")]
    if not own:
        raise InputError(
            f"images must be of the study that was segmented here, got {len(found)} of other content; name its own "
            "(`--images`), or segment anew",
            folder / SOURCE,
        )
    if keyed and len(own) > 1:
        raise InputError(f"images of one study must be named for a case under a pseudonym, got {len(own)}", images)
    cine = read_cine(own[0].files, series_uid=source["series_uid"])
    return with_heart_rate(cine, source.get("heart_rate_bpm"))


def _by_objects(cases: list[CaseFiles], folder: Path) -> list[CaseFiles]:
    """Those of the study that the case's DICOM objects state; all DICOM cases where there are no objects."""
    stated = next((uid for name in _OBJECTS if (uid := _study_uid(folder / name))), None)
    return [case for case in cases if case.kind == "dicom" and (stated is None or states_study(case.identity, stated))]


def _study_uid(path: Path) -> str | None:
    if not path.is_file():
        return None
    with quiet_dicom():
        header = read_header(path, tags=("StudyInstanceUID",))
        return None if header is None else text(header.elements, "StudyInstanceUID")
