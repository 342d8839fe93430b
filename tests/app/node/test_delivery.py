"""Delivery: what an archive refuses, what passes, and what is asked of it afterwards."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from pipeline.app.node.database import Database
from pipeline.app.node.delivery import Deliverer
from pipeline.app.node.journal import Journal
from pipeline.app.node.outbox import Outbox
from pipeline.app.node.queue import Queue
from pipeline.app.node.records import Instance, Made
from pipeline.app.node.sender import NotReachedError, RefusedError, note_commitment
from tests.app.node.stand_in import made_object


class Archive:
    """Takes objects until it is told otherwise; `answers` has what it raises, in order."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.answers: list[Exception] = []
        self.asked: list[tuple[str, list[str]]] = []
        self.is_there = self.commits = self.takes_questions = True

    @contextmanager
    def connected(self) -> Iterator[Archive]:
        if not self.is_there:
            raise NotReachedError("it cannot be reached")
        yield self

    def store(self, made: Dataset) -> None:
        if self.answers:
            raise self.answers.pop(0)
        self.stored.append(str(made.SOPInstanceUID))

    def commit(self, objects: Sequence[Made], transaction: str) -> bool:
        self.asked.append((transaction, [one.uid for one in objects]))
        return self.takes_questions


class Setting:
    """A study with two results that wait."""

    def __init__(self, folder: Path) -> None:
        base = Database(folder / "q")
        self.queue, self.outbox, self.archive = Queue(base), Outbox(base), Archive()
        self.results = folder
        made = []
        for number in range(2):
            one = made_object("1.2.3", number, 1)
            one.save_as(folder / f"{number}.dcm", enforce_file_format=True)
            made.append(Made(str(one.SOPInstanceUID), str(one.SOPClassUID), f"{number}.dcm"))
        self.uids = [one.uid for one in made]
        self.queue.record(Instance("s", "1", "a"), caller="A", now=1.0)
        self.queue.enqueue("s", rule="all")
        job = self.queue.take(now=2.0)
        assert job is not None
        self.outbox.put(job, made, ["x"])
        self.deliverer = Deliverer("x", self.archive, self.outbox, self.queue, folder, Journal())  # type: ignore[arg-type]

    def deliver(self) -> bool:
        return self.deliverer.deliver(self.outbox.pending("x"), threading.Event())

    def row(self) -> tuple[str, str]:
        (row,) = self.queue.studies()
        return row.state, row.reason


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def test_all_is_sent_once_and_commitment_asked_once(setting: Setting) -> None:
    assert setting.deliver()
    assert setting.archive.stored == setting.uids
    assert setting.row() == ("sent", "")
    assert setting.outbox.pending("x") == []
    ((transaction, asked),) = setting.archive.asked
    assert sorted(asked) == sorted(setting.uids)
    report = Dataset()
    report.TransactionUID, report.ReferencedSOPSequence, report.FailedSOPSequence = transaction, [], []
    for uid, sequence in zip(setting.uids, (report.ReferencedSOPSequence, report.FailedSOPSequence), strict=True):
        item = Dataset()
        item.ReferencedSOPInstanceUID = uid
        sequence.append(item)
    note_commitment(report, setting.outbox)
    assert setting.outbox.states("x") == dict(zip(setting.uids, ("committed", "pending"), strict=True))
    assert setting.deliver()
    assert setting.archive.stored == [*setting.uids, setting.uids[1]]


def test_an_archive_that_is_away_or_breaks_off_gets_the_rest_later(setting: Setting) -> None:
    setting.archive.is_there = False
    assert not setting.deliver()
    setting.archive.is_there = True
    setting.archive.answers = [NotReachedError("the association ended before an answer")]
    assert not setting.deliver()
    assert setting.row()[0] == "segmented"
    assert setting.deliver()
    assert setting.archive.stored == setting.uids[::-1]  # the one that may be the reason comes last


def test_what_is_refused_for_good_is_told_by_its_reason(setting: Setting) -> None:
    for _ in range(5):
        setting.archive.answers = [RefusedError("it answered with status 0xA900")]
        assert not setting.deliver()
    assert setting.row() == ("failed", "x does not take 0.dcm: it answered with status 0xA900")
    assert setting.archive.stored == [setting.uids[1]]
    assert setting.outbox.pending("x") == []


def test_what_was_listed_and_is_superseded_is_not_sent(setting: Setting) -> None:
    waits = setting.outbox.pending("x")
    setting.queue.record(Instance("s", "2", "b"), caller="A", now=3.0)
    assert setting.deliverer.deliver(waits, threading.Event())
    assert setting.archive.stored == []


@pytest.mark.parametrize("fault", ["corrected", "gone", "damaged"])
def test_results_that_are_not_as_they_were_made_are_made_anew(setting: Setting, fault: str) -> None:
    """Corrected by a reader, removed, or half of it lost: the study is looked at again, not sent as it was."""
    file = setting.results / "0.dcm"
    if fault == "corrected":
        made_object("1.2.3", 0, 7).save_as(file, enforce_file_format=True)
    elif fault == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:200])
    assert setting.deliver()
    assert setting.row() == ("received", "")
    assert setting.archive.stored == []
    setting.queue.enqueue("s", rule="all")
    job = setting.queue.take(now=9.0)
    assert job is not None
    new = made_object("1.2.3", 0, 7)
    new.save_as(file, enforce_file_format=True)
    setting.outbox.put(job, [Made(str(new.SOPInstanceUID), str(new.SOPClassUID), "0.dcm")], ["x"])
    assert setting.deliver()
    assert setting.archive.stored == [str(new.SOPInstanceUID)]


def test_a_delivery_that_cannot_be_written_down_is_not_made_again(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the node waits rather than send once more."""
    monkeypatch.setattr("pipeline.app.node.database.HELD_UP_S", 0.0)
    really, full = setting.outbox.delivered, [sqlite3.OperationalError("database or disk is full")] * 3

    def delivered(name: str, uid: str) -> None:
        if full:
            raise full.pop()
        really(name, uid)

    monkeypatch.setattr(setting.outbox, "delivered", delivered)
    assert setting.deliver()
    assert setting.archive.stored == setting.uids
    assert setting.row()[0] == "sent"


def test_commitment_is_not_asked_of_an_archive_that_has_not_taken_the_question(setting: Setting) -> None:
    setting.archive.takes_questions = False
    assert setting.deliver()
    assert setting.deliver()
    assert len(setting.archive.asked) == 1
    assert set(setting.outbox.states("x").values()) == {"sent"}
