"""What the queue holds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STATES", "Instance", "Job", "Made", "Pending", "StudyRow"]

STATES = ("received", "queued", "running", "segmented", "sent", "failed", "ignored")
"""Of a study, see `app.node.queue`."""


@dataclass(frozen=True)
class Instance:
    """An object that came: the key of its study, its SOPInstanceUID, and its file, which is named by its content."""

    study: str
    uid: str
    file: str


@dataclass(frozen=True)
class Job:
    """A study to be segmented.

    Attributes:
        study: its key.
        round: counts how often images were added, so that late ones are noticed.
        attempts: how often it was begun since it was queued, this time among them.
        caller: who sent it.
    """

    study: str
    round: int
    attempts: int
    caller: str


@dataclass(frozen=True)
class Made:
    """An object that was made: SOPInstanceUID, SOPClassUID, and its file within the results."""

    uid: str
    class_uid: str
    file: str


@dataclass(frozen=True)
class Pending(Made):
    """An object that waits to be sent, and the key of its study."""

    study: str


@dataclass(frozen=True)
class StudyRow:
    """A study as it is listed."""

    key: str
    state: str
    reason: str
    rule: str
    caller: str
    n_instances: int
    n_sent: int
    n_made: int
    changed_at: float
