"""The audit trail of a case: who decided what and when, what changed, and the numbers before and after.

`CASE/review/audit.jsonl` has a line for each saved decision. Each states the digest of the line before it, so that no
line can be changed, removed or put between others unseen, and the case's record states the last decision, so that the
last line cannot be removed either. Whoever can write the whole folder can still rewrite all of it: keep the digest
that `cmr review --verify` prints elsewhere, and compare.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.app.recorded import read_result
from pipeline.app.review.draft import PLACE
from pipeline.core.errors import PipelineError, UnreadableError
from pipeline.core.files import write_text

__all__ = ["ChainFinding", "append_entry", "read_entries", "verify_chain"]

_AUDIT = Path(PLACE) / "audit.jsonl"
_FIRST = "0" * 64


@dataclass(frozen=True)
class ChainFinding:
    """What was found of a case's trail.

    Attributes:
        case: its name.
        n_entries: lines of the trail.
        head: digest of the last line; zeros without any.
        fault: one sentence on what is wrong; `None` where all is as it was written.
    """

    case: str
    n_entries: int
    head: str
    fault: str | None = None


def append_entry(old: Path, new: Path, entry: Mapping[str, Any]) -> None:
    """Write the trail of a case with one more entry into the folder that will take its folder's place.

    Args:
        old: the case's folder.
        new: see `app.folders.rewrite`; or `old` itself, whose trail is then replaced whole.
        entry: of the decision, ready for JSON.
    """
    lines = _lines(old)
    previous = _digest_in(lines[-1]) if lines else _FIRST
    chained = {**entry, "previous": previous}
    text = "".join(f"{line}\n" for line in (*lines, json.dumps(chained | {"sha256": _digest(chained)})))
    write_text(new / _AUDIT, text)


def read_entries(folder: Path) -> list[dict[str, Any]]:
    """The entries of a case's trail, oldest first.

    Raises:
        UnreadableError: a line is no JSON object.
    """
    return [_parse(line, folder / _AUDIT) for line in _lines(folder)]


def verify_chain(folder: Path) -> ChainFinding:
    """Check that a case's trail is as it was written, and that it ends in the decision that the record states."""
    n_entries, head = 0, _FIRST
    try:
        entries = read_entries(folder)
        for n_entries, entry in enumerate(entries, start=1):
            stated = entry.pop("sha256", None)
            if entry.get("previous") != head:
                return ChainFinding(folder.name, n_entries, head, f"entry {n_entries} does not follow the one before")
            if _digest(entry) != stated:
                return ChainFinding(folder.name, n_entries, head, f"entry {n_entries} was changed")
            head = stated
        fault = _against_record(folder, entries)
    except PipelineError as error:
        fault = str(error)
    return ChainFinding(folder.name, n_entries, head, fault)


def _against_record(folder: Path, entries: list[dict[str, Any]]) -> str | None:
    review = read_result(folder).review
    decided = [entry for entry in entries if entry.get("what") != "discarded"]
    last = decided[-1] if decided else {}
    if review.time is None or (last.get("what"), last.get("reader"), last.get("time")) == (
        review.status,
        review.reader,
        review.time,
    ):
        return None
    return f"the record's last decision ({review.status}, {review.time}) is not the trail's"


def _lines(folder: Path) -> list[str]:
    path = folder / _AUDIT
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _parse(line: str, path: Path) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise UnreadableError("an audit trail must have a JSON object in each line, this one has not", path) from error
    if not isinstance(entry, dict):
        raise UnreadableError("an audit trail must have a JSON object in each line, this one has not", path)
    return entry


def _digest_in(line: str) -> str:
    try:
        return str(json.loads(line)["sha256"])
    except (ValueError, KeyError, TypeError):  # `cmr review --verify` tells that the line is damaged
        return hashlib.sha256(line.encode()).hexdigest()


def _digest(entry: Mapping[str, Any]) -> str:
    """SHA-256 of an entry without its own digest, its keys in order."""
    return hashlib.sha256(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
