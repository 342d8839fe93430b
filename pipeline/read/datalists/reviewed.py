"""Results that readers have accepted (`cmr review`) as a data set: the images that were segmented, their label maps.

Only what a reader vouches for is a label: ED and ES, and other phases that they have marked as checked. All others are
unlabelled, and so are slices that were excluded. Digests tell whether image or label has changed since.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError, InputError
from pipeline.core.quiet import quiet_dicom
from pipeline.core.review import Review
from pipeline.read.archives import opened
from pipeline.read.datalists.cases import Adapter, DatalistEntry, Scheme, is_hidden, patient_and_phase
from pipeline.read.dicom.headers import read_header, text
from pipeline.read.formats import volume_kind
from pipeline.read.search import files_under

__all__ = ["ADAPTERS", "LAYOUT", "accepted_cases", "looks_like_results"]

LAYOUT = "accepted"
_RECORD, _LABELS = "measurements.json", "segmentation.nii.gz"
_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")
"""How BIDS names a patient, in folders and files alike."""


def looks_like_results(folder: Path) -> bool:
    """Whether the folder holds a case that a reader has decided on."""
    return any(review.status != "unreviewed" for _, _, review in _reviewed(folder))


def accepted_cases(folder: Path, *, scheme: Scheme | None = None) -> list[DatalistEntry]:
    """List the cases that were accepted.

    Args:
        folder: of the cases' folders, as `cmr segment --out`.
        scheme: of the labels; `None`: "cmr".

    Returns:
        A case each, `drawn_phases` those that the reader vouches for. Studies of one patient have one `patient`: by
        their PatientID, their pseudonym, or the `sub-` of their path.

    Raises:
        DatasetError: no case was accepted, or one does not say where its images lie.
    """
    accepted = [(path, record) for path, record, review in _reviewed(folder) if review.status == "accepted"]
    names: dict[str, str] = {}
    return [_case(path, record, names, scheme) for path, record in accepted]


def _case(folder: Path, record: dict[str, Any], names: dict[str, str], scheme: Scheme | None) -> DatalistEntry:
    source, review = record["source"], Review.from_json(record["review"])
    if source["path"] is None:
        raise DatasetError(
            "an accepted case must say where its images lie, one under a pseudonym does not; name them in a data list",
            folder,
        )
    patient = names.setdefault(_patient_key(folder.name, record), folder.name)
    return {
        "image": source["path"],
        "label": str(folder / _LABELS),
        "patient": patient,
        "phase": "",
        "scheme": scheme or "cmr",
        "drawn_phases": list(review.checked_phases),
        "undrawn_slices": list(review.excluded_slices),
        "image_sha256": source["voxels_sha256"],
        "label_sha256": review.labels_sha256,
    }


def _patient_key(name: str, record: dict[str, Any]) -> str:
    """What studies of one patient share. It stays here: what is listed is the name of a case."""
    if record["pseudonym"]:
        return f"pseudonym {record['pseudonym']}"
    path = Path(record["source"]["path"])
    if not volume_kind(path) and (patient_id := _patient_id(path)):
        return f"id {patient_id}"
    subject = _SUBJECT.search(name) or _SUBJECT.search(str(path))
    return f"name {subject[0] if subject else patient_and_phase(name)[0]}"


def _patient_id(path: Path) -> str | None:
    """PatientID of the first DICOM file that states one; what cannot be read, the gate tells."""
    try:
        with opened([path]) as (place,), quiet_dicom():
            headers = (read_header(file, tags=("PatientID",)) for file in files_under(place))
            return next((found for header in headers if header and (found := text(header.elements, "PatientID"))), None)
    except InputError:
        return None


def _reviewed(folder: Path) -> Iterator[tuple[Path, dict[str, Any], Review]]:
    """Cases that have a record of a review."""
    for path in sorted(folder.glob(f"*/{_RECORD}")):
        if is_hidden(path.parent):
            continue
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            yield path.parent, record, Review.from_json(record["review"])
        except (OSError, ValueError, KeyError, TypeError):  # only claimed, or no record of ours
            continue


ADAPTERS = (
    Adapter(
        LAYOUT,
        "a folder of results with cases accepted in `cmr review`",
        lambda source: source.is_dir() and looks_like_results(source),
        lambda source, *, scheme, **_: accepted_cases(source, scheme=scheme),
    ),
)
