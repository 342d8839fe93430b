"""The queue: each step of a study, late images, kills between any two steps."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.app.node.database import Database
from pipeline.app.node.outbox import MOST_REFUSALS, Outbox
from pipeline.app.node.queue import Queue
from pipeline.app.node.records import Instance, Job, Made
from pipeline.core.errors import InputError

MADE = [Made("2.25.1", "1.2", "c/seg_ed.dcm"), Made("2.25.2", "1.2", "c/sr.dcm")]


class Both:
    """Queue and outbox of one file."""

    def __init__(self, path: Path) -> None:
        self.base = Database(path)
        self.queue, self.outbox = Queue(self.base), Outbox(self.base)

    def came(self, uid: str = "1", file: str = "a.dcm", now: float = 100.0) -> str | None:
        return self.queue.record(Instance("s", uid, file), caller="A", now=now)

    def state(self) -> str:
        (row,) = self.queue.studies()
        return row.state

    def run(self) -> Job:
        self.queue.enqueue("s", rule="all")
        job = self.queue.take(now=200.0)
        assert job is not None
        return job


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(tmp_path / "q")


def test_a_study_goes_through_its_states(both: Both) -> None:
    assert both.came() is None
    assert both.state() == "received"
    assert both.queue.quiet_since(99.0, now=200.0) == []
    assert both.queue.quiet_since(100.0, now=200.0) == [("s", "A")]
    job = both.run()
    assert both.state() == "running"
    assert both.queue.take(now=200.0) is None
    both.outbox.put(job, MADE, ["x", "y"])
    assert both.state() == "segmented"
    for place in ("x", "y"):
        assert [one.uid for one in both.outbox.pending(place)] == ["2.25.1", "2.25.2"]
        both.outbox.delivered(place, "2.25.1")
    assert both.state() == "segmented"
    both.outbox.delivered("x", "2.25.2")
    assert both.state() == "segmented"
    both.outbox.delivered("y", "2.25.2")
    assert both.state() == "sent"
    assert both.queue.counts() == dict.fromkeys(both.queue.counts(), 0) | {"sent": 1}


def test_an_image_that_is_here_changes_nothing_and_another_content_replaces_it(both: Both) -> None:
    both.came()
    both.run()
    assert both.came() == "a.dcm"
    assert both.state() == "running"
    assert both.came(file="b.dcm") == "a.dcm"
    assert both.queue.files("s") == {"b.dcm"}
    assert both.queue.n_instances("s") == 1


@pytest.mark.parametrize("end", ["put", "fail"])
def test_images_that_come_during_a_run_let_the_study_run_again(both: Both, end: str) -> None:
    both.came()
    job = both.run()
    both.came("2", "b.dcm")
    assert both.state() == "running"
    both.outbox.put(job, MADE, ["x"]) if end == "put" else both.queue.fail(job, "no")
    assert both.state() == "received"
    assert both.outbox.pending("x") == []  # of half a study


def test_images_that_come_after_it_was_sent_let_it_run_again_and_only_new_objects_are_sent(both: Both) -> None:
    both.came()
    both.outbox.put(both.run(), MADE, ["x"])
    for one in MADE:
        both.outbox.delivered("x", one.uid)
    both.came("2", "b.dcm")
    assert both.state() == "received"
    both.outbox.put(both.run(), [MADE[0], Made("2.25.3", "1.2", "c/sr.dcm")], ["x"])
    assert [one.uid for one in both.outbox.pending("x")] == ["2.25.3"]


def test_the_same_objects_again_are_sent_already(both: Both) -> None:
    both.came()
    both.outbox.put(both.run(), MADE, ["x"])
    for one in MADE:
        both.outbox.delivered("x", one.uid)
    both.came("2", "b.dcm")
    both.outbox.put(both.run(), MADE, ["x"])
    assert both.state() == "sent"


def test_superseded_objects_are_not_sent(both: Both) -> None:
    both.came()
    both.outbox.put(both.run(), MADE, ["x"])
    both.came("2", "b.dcm")
    both.outbox.put(both.run(), [Made("2.25.9", "1.2", "c/sr.dcm")], ["x"])
    assert [one.uid for one in both.outbox.pending("x")] == ["2.25.9"]


def test_what_an_archive_lost_is_sent_again(both: Both) -> None:
    both.came()
    both.outbox.put(both.run(), MADE, ["x"])
    for one in MADE:
        both.outbox.delivered("x", one.uid)
    assert [one.uid for one in both.outbox.uncommitted("x")] == ["2.25.1", "2.25.2"]
    both.outbox.ask_commitment("x", ["2.25.1", "2.25.2"], "9.9")
    assert both.outbox.uncommitted("x") == []
    both.outbox.committed("8.8", stored=["2.25.1"], lost=["2.25.2"])  # of another transaction
    assert set(both.outbox.states("x").values()) == {"sent"}
    both.outbox.committed("9.9", stored=["2.25.1"], lost=["2.25.2"])
    assert both.outbox.states("x") == {"2.25.1": "committed", "2.25.2": "pending"}
    assert both.state() == "segmented"


def test_a_study_waits_for_better_times_and_fails_for_good(both: Both) -> None:
    both.came()
    job = both.run()
    both.queue.postpone(job, "the disk is full", until=300.0)
    assert both.queue.take(now=299.0) is None
    again = both.queue.take(now=300.0)
    assert again == job  # as if for the first time
    both.queue.fail(job, "no heart")
    (row,) = both.queue.studies()
    assert (row.state, row.reason) == ("failed", "no heart")
    assert both.queue.again("s")
    assert not both.queue.again("nobody")
    assert both.state() == "received"


def test_a_clock_that_was_set_back_stops_nothing(both: Both) -> None:
    both.came(now=10_000.0)
    assert both.queue.quiet_since(70.0, now=100.0) == [("s", "A")]


def test_a_study_is_forgotten_whole(both: Both) -> None:
    both.came()
    both.outbox.put(both.run(), MADE, ["x"])
    assert both.outbox.folders("s") == {"c"}
    both.outbox.delivered("x", "2.25.1")
    both.outbox.delivered("x", "2.25.2")
    assert not both.queue.forget("s", done_before=100.0)
    assert both.queue.forget("s", done_before=1e12)
    assert both.queue.studies() == []
    assert both.outbox.states("x") == {}


def test_keys_are_made_by_a_secret_that_stays(tmp_path: Path) -> None:
    secret = Both(tmp_path / "q").queue.secret()
    assert len(secret) == 64
    assert Both(tmp_path / "q").queue.secret() == secret != Both(tmp_path / "other").queue.secret()


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "q").write_bytes(b"no data base" * 100)
    with pytest.raises(InputError, match="must be a data base, this one is not"):
        Database(tmp_path / "q")
    for name, change in (("7", "PRAGMA user_version = 7"), ("another program", "CREATE TABLE study (a)")):
        with closing(sqlite3.connect(tmp_path / name)) as base, base:
            base.execute(change)
        before = (tmp_path / name).read_bytes()
        with pytest.raises(InputError, match=f"format 1, this one is of {name}"):
            Database(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    with pytest.raises(InputError, match="cannot be opened"):
        Database(tmp_path / "no folder" / "q")


def test_the_queue_is_its_users_alone(tmp_path: Path) -> None:
    Both(tmp_path / "q").came()
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_change_that_could_not_be_written_does_not_swallow_the_next(both: Both) -> None:
    """As on a full disk, where the end of a transaction fails."""
    cursor = both.base._base

    class Full:
        """A connection that cannot commit."""

        def __getattr__(self, name: str) -> Any:
            return getattr(cursor, name)

        def execute(self, question: str, *values: Any) -> Any:
            if question == "COMMIT":
                raise sqlite3.OperationalError("database or disk is full")
            return cursor.execute(question, *values)

    both.base._base = Full()  # type: ignore[assignment]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        both.came()
    both.base._base = cursor
    assert both.queue.studies() == []
    both.came("2", "b.dcm")
    assert not cursor.in_transaction
    assert both.queue.files("s") == {"b.dcm"}


def test_a_study_that_runs_is_not_let_run_again_and_keeps_what_was_sent(both: Both) -> None:
    both.came()
    both.outbox.put(both.run(), MADE, ["x"])
    for one in MADE:
        both.outbox.delivered("x", one.uid)
    both.came("2", "b.dcm")
    both.run()
    assert not both.queue.again("s")
    assert len(both.outbox.states("x")) == 2


def test_what_one_archive_refuses_another_gets_and_the_study_says_so(both: Both) -> None:
    both.came()
    both.outbox.put(both.run(), MADE, ["x", "y"])
    both.outbox.delivered("x", "2.25.2")
    for _ in range(MOST_REFUSALS):
        both.outbox.refused("x", "2.25.1", "status 0xA900")
    assert both.state() == "segmented"
    assert both.outbox.pending("x") == []
    assert both.outbox.n_waiting() == {"y": 2}
    for one in MADE:
        both.outbox.delivered("y", one.uid)
    (row,) = both.queue.studies()
    assert (row.state, row.reason) == ("failed", "x does not take seg_ed.dcm: status 0xA900")


def test_what_goes_wrong_lets_others_go_first(both: Both) -> None:
    both.came()
    both.outbox.put(both.run(), MADE, ["x"])
    both.outbox.missed("x", "2.25.1")
    assert [one.uid for one in both.outbox.pending("x")] == ["2.25.2", "2.25.1"]
    assert both.outbox.waits("x", "2.25.1")
    both.came("2", "b.dcm")
    assert not both.outbox.waits("x", "2.25.1")  # of half a study


def test_an_archive_that_never_has_what_it_took_is_not_sent_it_for_ever(both: Both) -> None:
    both.came()
    both.outbox.put(both.run(), MADE[:1], ["x"])
    for _ in range(MOST_REFUSALS):
        assert both.state() == "segmented"
        both.outbox.delivered("x", "2.25.1")
        both.outbox.ask_commitment("x", ["2.25.1"], "9.9")
        both.outbox.committed("9.9", stored=[], lost=["2.25.1"])
    (row,) = both.queue.studies()
    assert (row.state, row.reason) == (
        "failed",
        "x does not take seg_ed.dcm: it took the object, and then did not have it",
    )


def test_commitment_is_asked_again_only_where_nobody_knows_whether_it_was(both: Both) -> None:
    both.came()
    both.outbox.put(both.run(), MADE, ["x"])
    for one, transaction in zip(MADE, ("8.8", "9.9"), strict=True):
        both.outbox.delivered("x", one.uid)
        both.outbox.ask_commitment("x", [one.uid], transaction)
    both.outbox.commitment_asked("8.8", is_taken=True)
    both.outbox.recover()  # killed before the other was answered
    assert [one.uid for one in both.outbox.uncommitted("x")] == ["2.25.2"]
    both.outbox.ask_commitment("x", ["2.25.2"], "9.9")
    both.outbox.commitment_asked("9.9", is_taken=False)
    assert [one.uid for one in both.outbox.uncommitted("x")] == ["2.25.2"]


STEPS: list[tuple[str, Callable[[Both], object], str, str]] = [
    ("record", lambda both: both.came(), "", "received"),
    ("enqueue", lambda both: both.queue.enqueue("s", rule="all"), "received", "queued"),
    ("take", lambda both: both.queue.take(now=200.0), "queued", "running"),
    ("put", lambda both: both.outbox.put(Job("s", 1, 1, "A"), MADE[:1], ["x"]), "running", "segmented"),
    ("delivered", lambda both: both.outbox.delivered("x", "2.25.1"), "segmented", "sent"),
]


@pytest.mark.parametrize("number", range(len(STEPS)))
@pytest.mark.parametrize("amid", [True, False])
def test_a_kill_leaves_a_step_done_or_not_begun(tmp_path: Path, number: int, amid: bool) -> None:
    """Killed just before a step's transaction ends, it never was; just after, it is done."""
    _, step, before, after = STEPS[number]
    child = os.fork()
    if child == 0:
        try:
            both = Both(tmp_path / "q")
            for _, earlier, _, _ in STEPS[:number]:
                earlier(both)
            if amid:
                both.base._base.set_trace_callback(_die_at_commit)
            step(both)
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    both = Both(tmp_path / "q")
    rows = both.queue.studies()
    assert (rows[0].state if rows else "") == (before if amid else after)
    waits = [one.uid for one in both.outbox.pending("x")]
    assert waits == (["2.25.1"] if (after == "segmented" and not amid) or (after == "sent" and amid) else [])
    assert both.queue.recover() == ((rows[0].state if rows else "") == "running")
    if rows and rows[0].state == "running":
        assert both.state() == "queued"


def _die_at_commit(statement: str) -> None:
    if statement == "COMMIT":
        os.kill(os.getpid(), signal.SIGKILL)
