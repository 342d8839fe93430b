"""Run a node until it is ended, and look at its queue meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone

from pipeline.app.cohort import threads_a_job
from pipeline.app.node.database import Database
from pipeline.app.node.output import only_json
from pipeline.app.node.queue import Queue
from pipeline.app.node.service import QUEUE, Node
from pipeline.app.node.settings import NodeSettings
from pipeline.app.node.work import LoadForNode
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.processes import Terminated, terminated_by_exception, undisturbed

__all__ = ["let_run_again", "list_queue", "run_node"]


def run_node(settings: NodeSettings) -> None:
    """Run a node until Ctrl-C or SIGTERM.

    Raises:
        PipelineError, OSError: it could not begin, or not go on.
    """
    work = settings.work
    node = Node(settings, LoadForNode(work.bundle, work.device, threads_a_job(work.jobs)))
    try:
        with only_json(), terminated_by_exception(), node:
            try:
                node.wait()
            finally:
                with undisturbed():
                    node.ends.set()
    except (KeyboardInterrupt, Terminated):
        return


def list_queue(settings: NodeSettings) -> Iterator[str]:
    """A line a study: key, state, when the last object came, numbers of objects, rule, and reason of a failure."""
    with closing(_open(settings)) as base:
        for row in Queue(base).studies():
            when = datetime.fromtimestamp(row.changed_at, timezone.utc).isoformat(timespec="seconds")
            counts = f"{row.n_instances} received, {row.n_sent} of {row.n_made} sent"
            told = [row.key, row.state, when, counts, row.rule, row.reason]
            yield "  ".join(part for part in told if part)


def let_run_again(settings: NodeSettings, wanted: str) -> str:
    """Let one study, or all that failed, run and be sent again; says how many.

    Raises:
        ConfigError: there is no such study, or it is running.
    """
    with closing(_open(settings)) as base:
        queue = Queue(base)
        keys = [row.key for row in queue.studies() if row.state == "failed"] if wanted == "failed" else [wanted]
        n_again = sum(queue.again(key) for key in keys)
    if wanted != "failed" and not n_again:
        raise ConfigError(f"there is no study {wanted} in the queue that is not running; see --list")
    return f"{n_again} {'study' if n_again == 1 else 'studies'}"


def _open(settings: NodeSettings) -> Database:
    path = settings.folder / QUEUE
    if not path.is_file():
        raise InputError("a node must have run here before its queue can be looked at, this one has none", path)
    return Database(path)
