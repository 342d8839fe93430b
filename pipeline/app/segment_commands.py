"""Commands on studies: segment, inspect, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from pipeline.app.bundle_commands import BundleOption
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.logs import log_to_stderr
from pipeline.core.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.measure.measurements import PhaseChoice
    from pipeline.read.cine import SeriesOptions

__all__ = ["segment_app"]

segment_app = typer.Typer()

SeriesOption = Annotated[str | None, typer.Option(help="SeriesInstanceUID of the short-axis stack (default: found)")]
PreferOption = Annotated[str, typer.Option(help="of a slice or stack acquired twice: later or first")]
DropOption = Annotated[
    bool, typer.Option("--drop-incomplete", help="leave out incomplete phases or slices instead of refusing the study")
]
_PHASE_HELP = "phase, from 0, or auto for the volume curve's (default: as given before, else auto)"
EdOption = Annotated[str | None, typer.Option(metavar="PHASE", help=f"end-diastolic {_PHASE_HELP}")]
EsOption = Annotated[str | None, typer.Option(metavar="PHASE", help=f"end-systolic {_PHASE_HELP}")]
BsaOption = Annotated[str, typer.Option(help="formula of the body surface area: mosteller or dubois")]
AllPhasesOption = Annotated[bool, typer.Option("--all-phases", help="write a DICOM SEG of every phase")]
IdentifyOption = Annotated[bool, typer.Option("--identify", help="print the patient's name in the report")]


@segment_app.command()
def segment(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="DICOM, NIfTI, MetaImage or NRRD file, zip or tar archive, or folder of any"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="output folder")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    series: SeriesOption = None,
    prefer: PreferOption = "later",
    drop_incomplete: DropOption = False,
    device: Annotated[str | None, typer.Option(help="torch device, as cpu or cuda:0")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="print failures only")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object per case")] = False,
    ed: EdOption = None,
    es: EsOption = None,
    bsa: BsaOption = "mosteller",
    heart_rate: Annotated[
        float | None, typer.Option(help="beats a minute, where the images state no credible times or no rate")
    ] = None,
    all_phases: AllPhasesOption = False,
    objects: Annotated[bool, typer.Option(help="also write DICOM objects, reports and worklist")] = True,
    identify: IdentifyOption = False,
    pseudonym: Annotated[
        str | None,
        typer.Option(metavar="SECRET", help="replace the patient's identity by a pseudonym made with this secret"),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="redo all; what a reader has corrected is kept under CASE/history")
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            min=0, envvar="CMR_JOBS", help="processes that segment; 0 segments in the command's own, unprotected"
        ),
    ] = 1,
    timeout: Annotated[float, typer.Option(min=0, help="seconds that a study may take; 0 sets no limit")] = 900,
) -> None:
    """Segment studies. Writes label map, measurements, DICOM SEG and SR and a report per study, and a worklist.

    Studies that are done are skipped, and so are those that a reader has corrected, accepted or rejected. Exit codes: 0
    all went well; 1 a study failed; 2 nothing could be done, or not go on; 130 and 143 ended by Ctrl-C and SIGTERM.
    """
    from pipeline.app.choices import Choices
    from pipeline.app.cohort import Cohort, LoadRunner, threads_a_job
    from pipeline.app.progress import Progress
    from pipeline.app.request import Request
    from pipeline.app.run_cohort import run_cohort

    log_to_stderr(quiet=quiet)
    phases, said = _phase_choice(ed, es, bsa), _said(context)
    choices = Choices(phases, all_phases, objects, identify, heart_rate, again, said)
    request = Request(out, _series_options(series, prefer, drop_incomplete), choices, pseudonym)
    load = LoadRunner(str(bundle), device, request, quiet, threads_a_job(jobs))
    cohort = Cohort(load, request, jobs=jobs, timeout_s=timeout or None)
    code = run_cohort(cohort, path, Progress(as_json=as_json, quiet=quiet))
    if code:
        raise typer.Exit(code)


@segment_app.command()
def inspect(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="DICOM, NIfTI, MetaImage or NRRD file, zip or tar archive, or folder of any"
        ),
    ],
    series: SeriesOption = None,
    prefer: PreferOption = "later",
    drop_incomplete: DropOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object a case")] = False,
) -> None:
    """List every series of a study, what it is taken for and why, and what would be segmented."""
    from pipeline.app.inspection import to_json, to_text
    from pipeline.read.discover import find_cases
    from pipeline.read.inspection import inspect_case

    options = _series_options(series, prefer, drop_incomplete)
    inspections = [inspect_case(case, options=options) for case in find_cases(path)]
    for inspection in inspections:
        typer.echo(to_json(inspection) if as_json else to_text(inspection))
    if any(inspection.refusal for inspection in inspections):
        raise typer.Exit(1)


@segment_app.command()
def report(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="CASE", help="folder of a case written by `cmr segment`")],
    mask: Annotated[
        Path | None, typer.Option(help="corrected labels, NIfTI or DICOM SEG (default: CASE/segmentation.nii.gz)")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="the images, if they have moved")] = None,
    series: SeriesOption = None,
    ed: EdOption = None,
    es: EsOption = None,
    bsa: BsaOption = "mosteller",
    all_phases: AllPhasesOption = False,
    identify: IdentifyOption = False,
) -> None:
    """Measure a case again after its mask was corrected or with other phases, and rewrite its files.

    Phases, formula and SEGs of all phases stay as they were once asked for.
    """
    from pipeline.app.choices import Choices
    from pipeline.app.correct import report_again
    from pipeline.app.summary import measured_line
    from pipeline.app.worklist import update_worklist

    log_to_stderr(quiet=False)
    choices = Choices(_phase_choice(ed, es, bsa), all_phases, identify=identify, said=_said(context))
    case = report_again(folder, mask=mask, images=images, series_uid=series, choices=choices)
    typer.echo(measured_line(case.name, case.measurements, folder))
    typer.echo(f"worklist: {update_worklist(folder.resolve().parent)}", err=True)


def _said(context: typer.Context) -> frozenset[str]:
    """Which of the choices that are kept from run to run were made outright."""
    from pipeline.app.choices import KEPT

    sources = {name: context.get_parameter_source(name) for name in KEPT}
    return frozenset(name for name, source in sources.items() if source is not None and source.name != "DEFAULT")


def _phase_choice(ed: str | None, es: str | None, bsa: str) -> PhaseChoice:
    from pipeline.measure.measurements import PhaseChoice

    if bsa not in ("mosteller", "dubois"):
        raise ConfigError(f"`--bsa` must be mosteller or dubois, got {bsa!r}")
    method = cast(Literal["mosteller", "dubois"], bsa)
    return PhaseChoice(_phase("--ed", ed), _phase("--es", es), method)


def _phase(option: str, stated: str | None) -> int | None:
    if stated is None or stated == "auto":
        return None
    if not stated.isdecimal():
        raise ConfigError(f"`{option}` must be a phase from 0, or auto, got {stated!r}")
    return int(stated)


def _series_options(series: str | None, prefer: str, drop_incomplete: bool) -> SeriesOptions:
    from pipeline.read.cine import SeriesOptions

    if prefer not in ("later", "first"):
        raise ConfigError(f"`--prefer` must be later or first, got {prefer!r}")
    return SeriesOptions(series, cast(Literal["later", "first"], prefer), drop_incomplete)
