"""Commands on studies: segment, inspect, report."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from pipeline.app.bundle_commands import BundleOption
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.logs import log_to_stderr
from pipeline.core.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.read.cine import SeriesOptions

__all__ = ["segment_app"]

segment_app = typer.Typer()

InputArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT...", help="DICOM, NIfTI, MetaImage or NRRD file, zip or tar archive, or folder of any"
    ),
]
SeriesOption = Annotated[str | None, typer.Option(help="SeriesInstanceUID of the short-axis stack (default: found)")]
PreferOption = Annotated[str, typer.Option(help="of a slice or stack acquired twice: later or first")]
DropOption = Annotated[
    bool, typer.Option("--drop-incomplete", help="leave out incomplete phases or slices instead of refusing the study")
]
EdOption = Annotated[int | None, typer.Option(help="end-diastolic phase, from 0 (default: as before)")]
EsOption = Annotated[int | None, typer.Option(help="end-systolic phase, from 0 (default: as before)")]
FindPhasesOption = Annotated[
    bool, typer.Option("--find-phases", help="take phases not given here from the volume curve again")
]
BsaOption = Annotated[
    str | None, typer.Option(help="formula of the body surface: mosteller or dubois (default: as before)")
]
PapillaryOption = Annotated[
    str | None, typer.Option(help="what papillary muscles count as: cavity or mass (default: as before)")
]
AllPhasesOption = Annotated[bool | None, typer.Option(help="write a DICOM SEG of every phase (default: as before)")]
ReferencesOption = Annotated[
    Path | None, typer.Option(metavar="CSV", help="a centre's own reference values, which come before the package's")
]
SubjectsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV", help="table of subjects: id, sex, age, height_cm, weight_kg, heart_rate_bpm (docs/inputs.md)"
    ),
]
EngineOption = Annotated[
    Literal["local", "ray"],
    typer.Option(help="where studies are processed: here, or by Ray, on the cluster that RAY_ADDRESS names"),
]
ShardOption = Annotated[
    str | None, typer.Option(metavar="K/N", help="the K-th of N shares of the studies; others may do theirs meanwhile")
]
IdentifyOption = Annotated[bool, typer.Option("--identify", help="print the patient's name in the report")]


@segment_app.command()
def segment(
    path: InputArgument,
    *,
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
    find_phases: FindPhasesOption = False,
    bsa: BsaOption = None,
    papillary: PapillaryOption = None,
    references: ReferencesOption = None,
    heart_rate: Annotated[
        float | None, typer.Option(help="beats a minute, where the images state no credible times or no rate")
    ] = None,
    all_phases: AllPhasesOption = None,
    objects: Annotated[bool, typer.Option(help="also write DICOM objects, reports and worklist")] = True,
    identify: IdentifyOption = False,
    pseudonym: Annotated[
        str | None,
        typer.Option(metavar="SECRET", help="replace the patient's identity by a pseudonym made with this secret"),
    ] = None,
    subjects: SubjectsOption = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="also write the table as cohort.parquet")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="redo all; what a reader has corrected is kept under CASE/history")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=0,
            envvar="CMR_JOBS",
            help="processes that segment; 0 segments in the command's own, unprotected (default: 1; by Ray: all cores)",
        ),
    ] = None,
    engine: EngineOption = "local",
    shard: ShardOption = None,
    timeout: Annotated[float, typer.Option(min=0, help="seconds that a study may take; 0 sets no limit")] = 900,
) -> None:
    """Segment studies. Writes label map, measurements, DICOM SEG and SR and a report per study, worklist and table.

    Studies that are done are skipped, and so are those that a reader has corrected, accepted or rejected. Exit codes: 0
    all went well; 1 a study failed; 2 nothing could be done, or not go on; 130 and 143 ended by Ctrl-C and SIGTERM.
    """
    from pipeline.app.case_table import CaseTable
    from pipeline.app.choices import Choices, change_choices
    from pipeline.app.cohort import Cohort, LoadRunner, threads_a_job
    from pipeline.app.engines import this_machine
    from pipeline.app.progress import Progress
    from pipeline.app.ray_engine import ray_cluster
    from pipeline.app.request import Request
    from pipeline.app.run_cohort import run_cohort
    from pipeline.app.shards import parse_shard

    log_to_stderr(quiet=quiet)
    given: dict[str, Any] = {
        "ed": ed,
        "es": es,
        "bsa": bsa,
        "papillary": papillary,
        "references": _reference_rows(references),
        "all_phases": all_phases,
    }
    said = {key for key, value in given.items() if value is not None} | ({"ed", "es"} if find_phases else set())
    choices = replace(
        change_choices(Choices(), given),
        objects=objects,
        identify=identify,
        heart_rate_bpm=heart_rate,
        again=again,
        said=frozenset(said),
    )
    request = Request(out, _series_options(series, prefer, drop_incomplete), choices, pseudonym, subjects)
    by_ray = engine == "ray"
    jobs = jobs if jobs is not None else int(not by_ray)
    cohort = Cohort(
        LoadRunner(str(bundle), device, request, quiet, 1 if by_ray else threads_a_job(jobs)),
        request,
        jobs=jobs,
        timeout_s=timeout or None,
        engine=ray_cluster if by_ray else this_machine,
        shard=None if shard is None else parse_shard(shard),
    )
    code = run_cohort(cohort, path, Progress(as_json=as_json, quiet=quiet), CaseTable(out, parquet=parquet))
    if code:
        raise typer.Exit(code)


@segment_app.command()
def inspect(
    path: InputArgument,
    *,
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
    folder: Annotated[Path, typer.Argument(metavar="CASE", help="folder of a case written by `cmr segment`")],
    *,
    mask: Annotated[
        Path | None, typer.Option(help="corrected labels, NIfTI or DICOM SEG (default: CASE/segmentation.nii.gz)")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="the images, if they have moved")] = None,
    series: SeriesOption = None,
    ed: EdOption = None,
    es: EsOption = None,
    find_phases: FindPhasesOption = False,
    exclude: Annotated[
        str | None,
        typer.Option(metavar="SLICES", help="slices that nothing counts, from 0, as 0,1; none: all count again"),
    ] = None,
    bsa: BsaOption = None,
    papillary: PapillaryOption = None,
    all_phases: AllPhasesOption = None,
    identify: Annotated[
        bool | None, typer.Option(help="print the patient's name in the report (default: as before)")
    ] = None,
    references: ReferencesOption = None,
    subjects: SubjectsOption = None,
    prior: Annotated[
        Path | None, typer.Option(metavar="CASE", help="folder of an earlier case of the same patient to compare with")
    ] = None,
    same_patient: Annotated[
        bool, typer.Option("--same-patient", help="say that the prior is of the same patient where files do not tell")
    ] = False,
) -> None:
    """Measure a case again after its mask was corrected or with other choices, and rewrite its files.

    What was chosen before holds until it is chosen otherwise.
    """
    from pipeline.app.case_table import CaseTable
    from pipeline.app.choices import change_choices, parse_slices
    from pipeline.app.correct import report_again
    from pipeline.app.prior import PriorChoice
    from pipeline.app.recorded import read_result
    from pipeline.app.summary import measured_line
    from pipeline.app.worklist import update_worklist

    log_to_stderr(quiet=False)
    given: dict[str, Any] = {"ed": ed, "es": es, "bsa": bsa, "papillary": papillary}
    given |= {"references": _reference_rows(references), "all_phases": all_phases, "identify": identify}
    choices = change_choices(read_result(folder).choices, given, find_phases=find_phases)
    excluded = None if exclude is None else parse_slices(exclude)
    case = report_again(
        folder,
        mask=mask,
        images=images,
        series_uid=series,
        choices=choices,
        excluded_slices=excluded,
        subjects=subjects,
        prior=None if prior is None else PriorChoice(prior, same_patient),
    )
    typer.echo(measured_line(case.name, case.measurements, folder))
    CaseTable(folder.resolve().parent).update()
    typer.echo(f"worklist: {update_worklist(folder.resolve().parent)}", err=True)


def _reference_rows(table: Path | None) -> list[dict[str, Any]] | None:
    """A centre's reference values as records hold them."""
    from pipeline.measure.reference_tables import read_reference_table

    return None if table is None else [asdict(row) for row in read_reference_table(table)]


def _series_options(series: str | None, prefer: str, drop_incomplete: bool) -> SeriesOptions:
    from pipeline.read.cine import SeriesOptions

    if prefer not in ("later", "first"):
        raise ConfigError(f"`--prefer` must be later or first, got {prefer!r}")
    return SeriesOptions(series, cast(Literal["later", "first"], prefer), drop_incomplete)
