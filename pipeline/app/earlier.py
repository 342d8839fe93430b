"""What an earlier run has left of a case: it is done, in a reader's hands, or to be done again, and why.

Results are a function of the images, the bundle with its settings, the software, and the user's choices, all of which
the case's record states. A case is done if all are the same and its files are whole.

Whether the images are the same is decided like in make and git. If paths, sizes and times of change of the files are
those recorded, their contents are taken to be, so a cohort that is done costs no reading. Otherwise the contents are
compared by their SHA-256, so that copied and restored files cost a reading, not a segmentation. What this does not see
is a file whose content was changed while its size and its time, to the nanosecond, were not: `--again` is for that.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pydicom

from pipeline.app.folders import find_folder
from pipeline.app.identity import keyed
from pipeline.app.request import Request
from pipeline.app.results import MEASUREMENTS, SEGMENTATION, owner_of, read_record
from pipeline.app.review.draft import has_draft
from pipeline.core.case import InputFiles, Provenance
from pipeline.core.digests import file_digest, labels_digest
from pipeline.core.errors import PipelineError
from pipeline.core.quiet import quiet_dicom
from pipeline.read.acdc_info import INFO
from pipeline.read.archives import archive_of, opened
from pipeline.read.cine import read_label
from pipeline.read.discover import CaseFiles
from pipeline.read.sameness import identity_of_content

__all__ = ["Standing", "describe_input", "in_readers_hands", "own_record", "standing"]

_OWN = "cardiac-mr-pipeline"
_DECIDED = ("corrected", "accepted", "rejected")


@dataclass(frozen=True)
class Standing:
    """What an earlier run has left of a case.

    Attributes:
        state: "new": nothing; "done": all that is asked for; "kept": a reader's work, which is not overwritten; "redo".
        reason: why a case is skipped or done again; empty for a new one.
    """

    state: Literal["new", "done", "kept", "redo"]
    reason: str = ""

    @property
    def skips(self) -> bool:
        """Whether nothing is to be done."""
        return self.state in ("done", "kept")


def standing(case: CaseFiles, request: Request, made_by: Provenance) -> Standing:
    """Find out what an earlier run has left of a case.

    Args:
        case: the case, under the name that its results have.
        request: what is asked for.
        made_by: the bundle that would be run now.
    """
    try:
        folder = find_folder(request.out, case)
    except PipelineError:  # it cannot have a folder, which is told when it is processed
        return Standing("new")
    record = own_record(folder, case)
    if "bundle" not in record:
        return Standing("redo", "the last attempt failed") if "failed" in record else Standing("new")
    if request.choices.again:
        return Standing("redo", "--again")
    readers = in_readers_hands(folder, record)
    if readers:
        return Standing("kept", f"{readers}; --again would make it anew")
    try:
        why = next(_differences(folder, record, case, request, made_by), None)
    except (KeyError, TypeError, AttributeError):
        why = "its record is not complete"
    return Standing("done", "already done") if why is None else Standing("redo", why)


def own_record(folder: Path, case: CaseFiles) -> dict[str, Any]:
    """The case's record, empty where there is none, or where the folder is another study's."""
    return read_record(folder / MEASUREMENTS) if owner_of(folder) == case.identity else {}


def in_readers_hands(folder: Path, record: Mapping[str, Any]) -> str:
    """Why a case is not to be overwritten: a reader has decided on it, corrected it, or edited its files by hand.

    Args:
        folder: of the case.
        record: its record.

    Returns:
        A clause; empty where nobody has touched it.
    """
    if "labels_sha256" not in record:  # a folder that was only claimed
        return ""
    if has_draft(folder):
        return "a correction of it is being drawn"
    status = (record.get("review") or {}).get("status")
    if status in _DECIDED:
        return f"{status} by a reader"
    if record.get("corrected"):
        return "corrected by a reader"
    edited = [name for name in _changed_files(folder, record) if _is_edited(folder / name)]
    return f"{edited[0]} was edited" if edited else ""


def describe_input(case: CaseFiles, places: Sequence[Path], *, secret: str | None) -> InputFiles:
    """Describe the files of a case, so that a later run sees whether they are the same.

    Args:
        case: the case.
        places: where its files can be read, see `read.archives.opened`.
        secret: of a pseudonym, by which the digests are keyed, so that no known file or path can be tried on them.
    """
    content, state = _content(case, places), _state(case.files)
    if secret is not None:
        content, state = (keyed(digest, secret=secret) for digest in (content, state))
    return InputFiles(len(case.files), content, state)


def _content(case: CaseFiles, places: Sequence[Path]) -> str:
    """SHA-256 of the files' contents, which is at hand for a case that is told by its content."""
    is_told = case.identity.startswith("content ") and case.files[-1].name != INFO
    identity = case.identity if is_told else identity_of_content(places)
    return identity.split()[1]


def _state(files: Sequence[Path]) -> str:
    """Digest of the files' paths, sizes and times of change; of those in an archive, the archive's."""
    digest = hashlib.sha256()
    for file in files:
        there = file if os.path.lexists(file) else archive_of(file) or file
        stated = there.stat()
        digest.update(os.fsencode(f"{file.absolute()}\0{stated.st_size}\0{stated.st_mtime_ns}\0"))
    return digest.hexdigest()


def _differences(
    folder: Path, record: Mapping[str, Any], case: CaseFiles, request: Request, made_by: Provenance
) -> Iterator[str]:
    """Reasons to do a case again, those that cost least to find first."""
    if "failed" in record:
        yield "the last attempt failed"
    yield from (f"{name} is missing or not whole" for name in _changed_files(folder, record))
    yield from _other_bundle(record, made_by)
    yield from _other_choices(record, case, request)
    yield from _other_subject(record, case, request)
    if _has_changed(record.get("input"), case, request.secret):
        yield "its files have changed"


def _other_bundle(record: Mapping[str, Any], made_by: Provenance) -> Iterator[str]:
    now = json.loads(json.dumps(made_by.to_json()))
    before, bundle = record["bundle"], now["bundle"]
    if before["name"] != bundle["name"]:
        yield f"it was made by {before['name']}, this is {bundle['name']}"
    differs = any(before.get(key) != bundle[key] for key in ("version", "weights_sha256"))
    if differs or bundle["weights_sha256"] is None:
        yield "the bundle has other weights or another version"
    if record["software"].get(_OWN) != now["software"][_OWN]:
        yield f"it was made by version {record['software'].get(_OWN)} of this software"
    settings = record["settings"]
    other = [key for key in sorted({*settings, *now["settings"]}) if settings.get(key) != now["settings"].get(key)]
    if other:
        yield f"the bundle has other settings ({', '.join(other[:3])})"


def _other_choices(record: Mapping[str, Any], case: CaseFiles, request: Request) -> Iterator[str]:
    asked = asdict(request.stated_series()) | {"heart_rate_bpm": request.heart_rate_bpm(case)}
    yield from (f"{key} is another" for key, value in asked.items() if record["source"].get(key) != value)
    before, now = record.get("choices"), request.choices.over(record.get("choices")).to_json()
    if before is None:
        yield "its record does not state the choices"
        return
    had = before | {"objects": before["objects"] and now["objects"]}  # having more than is asked for does no harm
    yield from (f"{key} is another" for key, value in now.items() if had[key] != value)


def _other_subject(record: Mapping[str, Any], case: CaseFiles, request: Request) -> Iterator[str]:
    """Whether a table of subjects states other facts now; without one those stated before hold."""
    subject = request.subject(case)
    if request.subjects is not None and record["source"].get("subject") != (subject and asdict(subject)):
        yield "the table of subjects states other values"


def _has_changed(before: Mapping[str, Any] | None, case: CaseFiles, secret: str | None) -> bool:
    try:
        if before is None or before["n_files"] != len(case.files):
            return True
        state = _state(case.files)
        if before["state"] == (state if secret is None else keyed(state, secret=secret)):
            return False
        with opened(case.files) as places:
            return before["sha256"] != describe_input(case, places, secret=secret).sha256
    except (OSError, PipelineError):
        return True


def _changed_files(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """Files of the case that are not as they were written, the label map first."""
    stated = {SEGMENTATION: None} | dict(record.get("files", {}))
    changed = [name for name, digest in stated.items() if not _is_as_written(folder / name, digest)]
    if SEGMENTATION in changed and _labels_in(folder / SEGMENTATION) == record["labels_sha256"]:
        changed.remove(SEGMENTATION)  # stored anew, as an editor does that was left without a stroke
    return changed


def _is_as_written(path: Path, digest: str | None) -> bool:
    try:
        return file_digest(path) == digest
    except OSError:
        return False


def _is_edited(path: Path) -> bool:
    """Whether a label map or segmentation that is not as written was edited, rather than lost or damaged."""
    if path.name == SEGMENTATION:
        return _labels_in(path) is not None
    if not path.name.startswith("seg"):
        return False
    try:
        with quiet_dicom():
            return bool(pydicom.dcmread(path).pixel_array.size)
    except Exception:  # noqa: BLE001 damaged files raise whatever their libraries raise
        return False


def _labels_in(path: Path) -> str | None:
    """Digest of a label map's labels; `None` where it cannot be read."""
    try:
        return labels_digest(read_label(path, scheme="cmr").array)
    except Exception:  # noqa: BLE001 damaged files raise whatever their libraries raise
        return None
