"""Run a cohort from beginning to end, whatever ends it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from pipeline.app.case_table import CaseTable
from pipeline.app.cohort import Cohort
from pipeline.app.pacing import Seldom
from pipeline.app.progress import Progress
from pipeline.app.worklist import update_worklist
from pipeline.core.processes import Terminated, terminated_by_exception, undisturbed

__all__ = ["run_cohort"]

_CODES = {KeyboardInterrupt: (130, "Ctrl-C"), Terminated: (143, "SIGTERM")}
"""Exit code, as shells expect it of a process that a signal ended, and the signal as it is told."""


def run_cohort(cohort: Cohort, path: Path | Sequence[Path], progress: Progress, table: CaseTable) -> int:
    """Run a cohort from beginning to end, and tell of it.

    Whatever ends it, worklist and table have all that is done, and no process and no temporary file is left. A share of
    a cohort leaves both alone: many writing lists of all cases would do little else.

    Args:
        cohort: the run.
        path: where the cases are.
        progress: tells of it.
        table: of the output folder.

    Returns:
        Exit code: 0; 1 if a case failed; 130 if Ctrl-C ended it, 143 if SIGTERM did.

    Raises:
        PipelineError, OSError: the run could not begin or not go on.
    """
    try:
        with terminated_by_exception():
            try:
                with cohort:
                    _run(cohort, path, progress, table)
            finally:
                with undisturbed():
                    _list(cohort, progress, table)
    except (KeyboardInterrupt, Terminated) as ended:
        code, signal = _CODES[type(ended)]
        typer.echo(f"cmr: ended by {signal}: {progress.how_far()}", err=True)
        return code
    progress.tell_end()
    return int(progress.n_failed > 0)


def _run(cohort: Cohort, path: Path | Sequence[Path], progress: Progress, table: CaseTable) -> None:
    plan = cohort.plan(path)
    progress.tell_plan(plan)
    for case in plan:
        if case.left.skips:
            progress.tell_skipped(cohort.skipped(case))
    keep_up = [] if cohort.shard else [Seldom(table.update)]
    if not cohort.shard and cohort.request.choices.objects:
        keep_up.append(Seldom(lambda: update_worklist(cohort.request.out)))
    for result in cohort.run([case for case in plan if not case.left.skips]):
        progress.tell(result)
        for update in keep_up:
            update()


def _list(cohort: Cohort, progress: Progress, table: CaseTable) -> None:
    """Write worklist and table at the end of a run that has begun."""
    request = cohort.request
    if not progress.n_all or not request.out.is_dir():
        return
    if cohort.shard:
        typer.echo("worklist and table: by the same command without `--shard`, once all shares are done", err=True)
        return
    table.update()
    if request.choices.objects:
        typer.echo(f"worklist: {update_worklist(request.out)}", err=True)
