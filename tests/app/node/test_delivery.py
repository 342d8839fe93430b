"""Delivery: what an archive refuses, what passes, and what is asked of it afterwards."""

from __future__ import annotations

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
        self.is_there = True

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
        return True


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
        return self.deliverer.deliver(self.outbox.pending("x"))

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


def test_an_archive_that_is_away_or_full_gets_the_rest_later(setting: Setting) -> None:
    setting.archive.is_there = False
    assert not setting.deliver()
    setting.archive.is_there = True
    setting.archive.answers = [NotReachedError("no room")]
    assert not setting.deliver()
    assert setting.row()[0] == "segmented"
    assert setting.deliver()
    assert setting.archive.stored == setting.uids


def test_what_is_refused_for_good_is_told_by_its_reason(setting: Setting) -> None:
    for _ in range(5):
        setting.archive.answers = [RefusedError("it answered with status 0xA900")]
        assert not setting.deliver()
    assert setting.row() == ("failed", "x does not take 0.dcm: it answered with status 0xA900")
    assert setting.archive.stored == [setting.uids[1]]
    assert setting.outbox.pending("x") == []


def test_a_result_that_was_made_anew_meanwhile_is_not_sent_under_the_old_uid(setting: Setting) -> None:
    made_object("1.2.3", 0, 7).save_as(setting.results / "0.dcm", enforce_file_format=True)
    assert setting.deliver()
    assert setting.archive.stored == [setting.uids[1]]


def test_a_result_that_is_gone_is_said(setting: Setting) -> None:
    (setting.results / "0.dcm").unlink()
    setting.deliver()
    assert setting.row()[0] == "failed"
    assert "no longer on the disk" in setting.row()[1]
