"""What comes in is checked and kept, whoever brings it. Only what is on the disk is confirmed."""

from __future__ import annotations

import io
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import pydicom
from pydicom.dataset import Dataset

from pipeline.app.node.journal import Journal
from pipeline.app.node.queue import Queue
from pipeline.app.node.records import Instance
from pipeline.app.node.settings import Limits
from pipeline.app.node.spool import Spool
from pipeline.read.dicom.headers import CLASSIC_MR, ENHANCED_MR

__all__ = ["ACCEPTED", "Answer", "Intake", "Pace"]

ACCEPTED = tuple(sorted(CLASSIC_MR | ENHANCED_MR))
"""SOP classes that are taken: MR images. So nothing that the node sends comes back to it."""

_NAMED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID")
_LONGEST_UID = 128
_N_LOCKS = 64


def _make_locks() -> tuple[threading.Lock, ...]:
    return tuple(threading.Lock() for _ in range(_N_LOCKS))


class Answer(Enum):
    """What is said of an object, with the status of C-STORE (PS3.4 B.2.3)."""

    KEPT = 0x0000
    NOT_ALLOWED = 0x0124
    NO_SPACE = 0xA700
    TOO_FAST = 0xA701
    NOT_OF_ITS_KIND = 0xA900
    NOT_UNDERSTOOD = 0xC000
    TOO_LARGE = 0xC001
    TOO_MANY = 0xC002


@dataclass
class Intake:
    """Keeps objects that come.

    Attributes:
        queue: told of them.
        spool: holds their files.
        limits: on them.
        journal: told of them, without identity.
        ends: set when the node ends.
    """

    queue: Queue
    spool: Spool
    limits: Limits
    journal: Journal
    ends: threading.Event
    _locks: tuple[threading.Lock, ...] = field(init=False, default_factory=_make_locks)

    def take(self, content: bytes, *, caller: str, class_uid: str = "", uid: str = "") -> Answer:
        """Keep an object.

        Args:
            content: of a DICOM file.
            caller: who brings it.
            class_uid: SOPClassUID that it was announced by; empty where it was not.
            uid: SOPInstanceUID, likewise.

        Returns:
            `KEPT` only once it is on the disk and in the queue.
        """
        answer, study = self._take(content, caller, class_uid, uid)
        self.journal.took(answer.name.lower(), len(content), study)
        return answer

    def _take(self, content: bytes, caller: str, class_uid: str, uid: str) -> tuple[Answer, str]:
        if len(content) > self.limits.instance_mb * 1e6:
            return Answer.TOO_LARGE, ""
        if self.spool.free_bytes() - len(content) < self.limits.free_disk_mb * 1e6:
            return Answer.NO_SPACE, ""
        header = _header(content)
        if header is None:
            return Answer.NOT_UNDERSTOOD, ""
        stated = {name: str(header.get(name) or "") for name in _NAMED}
        if (uid and stated["SOPInstanceUID"] != uid) or (class_uid and stated["SOPClassUID"] != class_uid):
            return Answer.NOT_OF_ITS_KIND, ""
        if stated["SOPClassUID"] not in ACCEPTED:
            return Answer.NOT_OF_ITS_KIND, ""
        study = self.spool.key(stated["StudyInstanceUID"], stated["PatientID"])
        return self._keep(content, study, stated["SOPInstanceUID"], caller), study

    def _keep(self, content: bytes, study: str, uid: str, caller: str) -> Answer:
        with self.holding(study):
            try:
                if self.queue.n_instances(study) >= self.limits.study_instances and not self.queue.has(study, uid):
                    return Answer.TOO_MANY
                name = self.spool.put(study, content)
                before = self.queue.record(Instance(study, uid, name), caller=caller, now=time.time())
            except (OSError, sqlite3.OperationalError):  # a full disk, most likely; the sender keeps it and retries
                return Answer.NO_SPACE
            if before not in (None, name):
                self.spool.remove(study, str(before))
            return Answer.KEPT

    def holding(self, study: str) -> threading.Lock:
        """A lock: within it a study's files and their rows change together, and by one thread alone."""
        return self._locks[hash(study) % len(self._locks)]

    def recover(self) -> int:
        """Remove objects that were written and not recorded, since the node ended in between; counts them.

        They were not confirmed, so their senders send them again. Who these are cannot be told from the files.
        """
        known: dict[str, set[str]] = {}
        left = [
            (study, file)
            for study, file in self.spool.found()
            if file.name not in known.setdefault(study, self.queue.files(study))
        ]
        for study, file in left:
            self.spool.remove(study, file.name)
        return len(left)


class Pace:
    """Lets each caller have so many objects a second; who is faster waits, and is refused after a while.

    Args:
        per_s: objects a second.
        longest_s: longest wait.
        clock: gives seconds.
    """

    def __init__(self, per_s: float, *, longest_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap_s, self._longest_s, self._clock = 1.0 / per_s, longest_s, clock
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait_s(self, caller: str) -> float | None:
        """Seconds that a caller must wait before its object is taken; `None` where that is too long.

        >>> pace = Pace(2, longest_s=0.6, clock=lambda: 100.0)
        >>> [pace.wait_s("A") for _ in range(4)], pace.wait_s("B")
        ([0.0, 0.5, None, None], 0.0)
        """
        with self._lock:
            now = self._clock()
            at = max(now, self._next.get(caller, now))
            if at - now > self._longest_s:
                return None
            self._next[caller] = at + self._gap_s
            return at - now


def _header(content: bytes) -> Dataset | None:
    """What names an object; `None` where it cannot be read or does not name what is needed."""
    try:
        header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=list(_NAMED))
        stated = [str(header.get(name) or "") for name in _NAMED[:4]]
    except Exception:  # noqa: BLE001 what is no DICOM raises whatever pydicom meets in it
        return None
    return header if all(text and len(text) <= _LONGEST_UID and text.isprintable() for text in stated) else None
