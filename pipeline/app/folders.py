"""A case's folder among the results, bound to its study: another study of that name gets a folder of its own.

Archives unpack to folders called alike, as `Unknown Study`, so a name alone tells no patient from another. Which study
a folder is of stands in its `measurements.json`, and is there from the moment that the folder is.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from pipeline.app.results import WORKLIST, is_result, owner_of, write_record
from pipeline.core.case import Source
from pipeline.core.errors import InputError
from pipeline.core.files import bring
from pipeline.read.discover import CaseFiles

__all__ = ["claim_folder", "claimed", "find_folder", "rewrite", "write_whole"]

T = TypeVar("T")

_log = logging.getLogger(__name__)
_DIGITS = (6, 16, 64)
"""Digits of the identity's digest appended to the name. More are used if the shorter name is taken, too."""
_NO_FOLDERS = frozenset({"", ".", "..", WORKLIST})


def claim_folder(out: Path, case: CaseFiles) -> Path:
    """Make a case's folder and bind it to the case's study, before anything is written there.

    That is `OUT/<name>`, or `OUT/<name>-<digits>` if the former is of another study or not ours. The same study always
    gets the same folder. If several studies claim one name at once, even in different processes, each gets its own.

    Args:
        out: folder of the cases' folders, created if missing.
        case: the case, under the name that its results are to have.

    Raises:
        InputError: every folder that the case could have is taken.
    """
    out.mkdir(parents=True, exist_ok=True)
    while not _take(folder := find_folder(out, case), case.identity):
        pass  # another process was faster, and now the folder is seen to be taken
    if folder.name != case.name:
        _log.warning("%s belongs to another study or is in use; this study's folder is %s", out / case.name, folder)
    return folder


def find_folder(out: Path, case: CaseFiles) -> Path:
    """The folder that a case has, or would get if it were claimed now. Nothing is created.

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
        raise InputError("a study must have a folder of its own, but all its names are taken; use another OUT", out)
    return folder


def write_whole(out: Path, case: CaseFiles, fill: Callable[[Path], T]) -> T:
    """Write all files of a case into a new folder, and put that in the old one's place.

    So the files of a case are consistent, even if rewriting them fails halfway. Files that are not ours are kept.

    Args:
        out: folder of the cases' folders, created if missing.
        case: whose folder it is, claimed first, see `claim_folder`.
        fill: writes the files into the folder it is given, which has the name of the case's. What is not ours is
            brought there afterwards, unless `fill` has put something in its place.

    Returns:
        The result of `fill`.
    """
    return rewrite(claim_folder(out, case), fill)


def rewrite(folder: Path, fill: Callable[[Path], T]) -> T:
    """Rewrite all files of a case, see `write_whole`. `folder` is the case's own."""
    folder = folder.resolve()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as beside:
        new = Path(beside) / folder.name  # a folder within, for the outer one's permissions are the user's alone
        new.mkdir()
        if (owner := owner_of(folder)) is not None:
            _bind(new, owner)
        filled = fill(new)
        for path in (path for path in folder.iterdir() if not is_result(path.name)):
            if not os.path.lexists(new / path.name):
                bring(path, new / path.name)
        folder.rename(Path(beside) / ".old")
        new.rename(folder)
    return filled


def claimed(cases: Iterable[CaseFiles], output_dir: str | Path) -> list[CaseFiles]:
    """Claim a folder for each case and give the cases its name, for configurations whose transforms write by name."""
    return [replace(case, name=claim_folder(Path(output_dir), case).name) for case in cases]


def _bind(folder: Path, identity: str) -> None:
    write_record(folder, {"source": asdict(Source(identity))})


def _is_free(folder: Path) -> bool:
    """Whether nothing is there, or an empty folder."""
    try:
        return not os.path.lexists(folder) or (not folder.is_symlink() and not any(folder.iterdir()))
    except OSError:  # a file, or a folder that may not be looked into
        return False


def _take(folder: Path, identity: str) -> bool:
    """Bind a free folder atomically: it is created elsewhere and renamed, which fails if one with files exists."""
    if owner_of(folder) == identity:
        return True
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".claim-") as beside:
        made = Path(beside) / "case"  # a folder within, for the outer one's permissions are the user's alone
        made.mkdir()
        _bind(made, identity)
        try:
            made.rename(folder)
        except OSError:
            if _is_free(folder):
                raise
            return owner_of(folder) == identity
    return True
