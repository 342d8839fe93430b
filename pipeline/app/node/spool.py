"""The node's folder: objects that came, by study, and results. What is there was written through to the disk."""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Spool"]

_DIGITS = 24
"""Hexadecimal digits of names: the chance that two of a thousand million are the same is below one in 10^10."""


class Spool:
    """Files of one node.

    Args:
        folder: made if missing, and then for its user alone, since it holds images of patients.
        secret: of the node, by which keys of studies are made, so that they can be told in logs.
    """

    def __init__(self, folder: Path, secret: str) -> None:
        self.folder, self._secret = folder, secret
        self.studies, self.results, self._incoming = folder / "studies", folder / "results", folder / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)  # of objects that were being written when the node ended
        for place in (self.studies, self.results, self._incoming):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)

    def key(self, study_uid: str, patient_id: str) -> str:
        """Name of a study that tells nothing of it. Careless anonymisers give several patients one UID."""
        plain = f"{study_uid}\0{patient_id}".encode("utf-8", "surrogateescape")
        return "s" + hmac.new(self._secret.encode(), plain, hashlib.sha256).hexdigest()[:_DIGITS]

    def images(self, study: str) -> Path:
        """Folder of a study's objects."""
        return self.studies / study

    def put(self, study: str, content: bytes) -> str:
        """Write an object, whole and through to the disk, and give its file's name, which is of its content.

        Raises:
            OSError: it cannot be written; then nothing of it is left.
        """
        name = f"{hashlib.sha256(content).hexdigest()[:_DIGITS]}.dcm"
        folder = self.images(study)
        place = folder / name
        if place.exists():
            _sync_folder(folder)
            return name
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync_folder(self.studies)
        descriptor, partial = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(partial).replace(place)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
        _sync_folder(folder)
        return name

    def remove(self, study: str, name: str) -> None:
        """Remove an object's file."""
        (self.images(study) / name).unlink(missing_ok=True)

    def forget(self, study: str) -> None:
        """Remove all files of a study's objects."""
        shutil.rmtree(self.images(study), ignore_errors=True)

    def found(self) -> Iterator[tuple[str, Path]]:
        """Study and file of all objects that are there."""
        for folder in sorted(self.studies.iterdir()):
            yield from ((folder.name, file) for file in sorted(folder.glob("*.dcm")))

    def free_bytes(self) -> int:
        """Space that is left on the disk."""
        return shutil.disk_usage(self.folder).free


def _sync_folder(folder: Path) -> None:
    """Let a file's name be on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
