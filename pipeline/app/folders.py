"""A case's folder among the results, bound to its study: another study of that name gets a folder of its own.

Archives unpack to folders called alike, as `Unknown Study`, so a name alone tells no patient from another. Which study
a folder is of stands in its `source.json`, and is there from the moment that the folder is.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pipeline.app.results import SOURCE, WORKLIST, read_record, write_source
from pipeline.core.errors import InputError, PipelineError
from pipeline.read.discover import Case

__all__ = ["claim_folder", "claimed", "find_folder", "owner_of"]

_log = logging.getLogger(__name__)
_DIGITS = (6, 16, 64)
"""Of the identity's digest, behind the name; more where fewer are taken, too."""
_NO_FOLDERS = frozenset({"", ".", "..", WORKLIST})


def claim_folder(out: Path, case: Case) -> Path:
    """Make a case's folder and bind it to the case's study, before anything is written there.

    That is `OUT/<name>`, or, where this is of another study or not of ours at all, `OUT/<name>-<digits>`; the same
    again for the same study. Of several studies that claim one name at once, in whatever processes, each gets its own.

    Args:
        out: folder of the cases' folders; made where missing.
        case: the case, under the name that its results are to have.

    Raises:
        InputError: every folder that the case could have is taken.
    """
    out.mkdir(parents=True, exist_ok=True)
    while not _take(folder := find_folder(out, case), case.identity):
        pass  # another process was faster, and now the folder is seen to be taken
    if folder.name != case.name:
        _log.warning("%s is of another study, or in other use; this study's folder is %s", out / case.name, folder)
    return folder


def find_folder(out: Path, case: Case) -> Path:
    """The folder that a case has, or would get if it were claimed now; nothing is made.

    Raises:
        InputError: every folder that the case could have is taken.
    """
    digest = hashlib.sha256(case.identity.encode()).hexdigest()
    names = [case.name, *(f"{case.name}-{digest[:digits]}" for digits in _DIGITS)]
    folders = [out / name for name in names if name.casefold() not in _NO_FOLDERS]
    owned = (folder for folder in folders if owner_of(folder) == case.identity)
    free = (folder for folder in folders if _is_free(folder))
    folder = next(owned, None) or next(free, None)
    if folder is None:
        raise InputError("a study must have a folder of its own, all of its names are taken; name another OUT", out)
    return folder


def claimed(cases: Iterable[Case], output_dir: str | Path) -> list[Case]:
    """Cases under the names of their folders, each claimed: for configurations, whose transforms write by name."""
    return [replace(case, name=claim_folder(Path(output_dir), case).name) for case in cases]


def owner_of(folder: Path) -> str | None:
    """Identity of the study that a folder is bound to; `None` where it is bound to none, or cannot be read."""
    try:
        return str(read_record(folder / SOURCE)["identity"])
    except (PipelineError, OSError, KeyError):
        return None


def _is_free(folder: Path) -> bool:
    """Whether nothing is there, or an empty folder."""
    try:
        return not os.path.lexists(folder) or (not folder.is_symlink() and not any(folder.iterdir()))
    except OSError:  # a file, or a folder that may not be looked into
        return False


def _take(folder: Path, identity: str) -> bool:
    """Bind a free folder, whole or not at all: it is made beside and renamed, which fails where one with files is."""
    if owner_of(folder) == identity:
        return True
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".claim-") as beside:
        made = Path(beside) / "case"  # a folder within, for the outer one's permissions are the user's alone
        made.mkdir()
        write_source(made, {"identity": identity})
        try:
            made.rename(folder)
        except OSError:
            if _is_free(folder):
                raise
            return owner_of(folder) == identity
    return True
