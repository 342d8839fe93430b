"""Commands on studies: segment, inspect, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from pipeline.app.bundle_commands import BundleOption
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.logs import log_to_stderr
from pipeline.core.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.app.predict import CaseResult
    from pipeline.measure.measurements import PhaseChoice
    from pipeline.read.cine import SeriesOptions

__all__ = ["segment_app"]

segment_app = typer.Typer()

SeriesOption = Annotated[str | None, typer.Option(help="SeriesInstanceUID of the short-axis stack (default: found)")]
PreferOption = Annotated[str, typer.Option(help="of a slice or stack acquired twice: later or first")]
DropOption = Annotated[
    bool, typer.Option("--drop-incomplete", help="leave out incomplete phases or slices instead of refusing the study")
]
EdOption = Annotated[int | None, typer.Option(help="end-diastolic phase, from 0 (default: from the volume curve)")]
EsOption = Annotated[int | None, typer.Option(help="end-systolic phase, from 0 (default: from the volume curve)")]
BsaOption = Annotated[str, typer.Option(help="formula of the body surface area: mosteller or dubois")]
AllPhasesOption = Annotated[bool, typer.Option("--all-phases", help="write a DICOM SEG of every phase")]
IdentifyOption = Annotated[bool, typer.Option("--identify", help="print the patient's name in the report")]


@segment_app.command()
def segment(
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
) -> None:
    """Segment studies. Writes label map, measurements, DICOM SEG and SR and a report per study, and a worklist."""
    from pipeline.app.choices import Choices
    from pipeline.app.predict import CaseRunner, segment_path  # torch and MONAI load only when needed
    from pipeline.app.segmenter import Segmenter
    from pipeline.app.summary import case_json, case_line

    log_to_stderr(quiet=quiet)
    choices = Choices(_phase_choice(ed, es, bsa), all_phases, objects, identify, heart_rate)
    options = _series_options(series, prefer, drop_incomplete)
    runner = CaseRunner(Segmenter(bundle, device=device), out, series=options, choices=choices, secret=pseudonym)
    failed = []
    for result in segment_path(runner, path):
        if result.error is not None:
            failed.append(result)
            typer.echo(case_line(result), err=True)
        if as_json:
            typer.echo(json.dumps(case_json(result)))
        elif result.error is None and not quiet:
            typer.echo(case_line(result))
    if objects:
        _worklist(out, failed)
    if failed:
        raise typer.Exit(1)


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
    """Measure a case again after its mask was corrected or with other phases, and rewrite its files."""
    from pipeline.app.choices import Choices
    from pipeline.app.correct import report_again
    from pipeline.app.summary import measured_line

    log_to_stderr(quiet=False)
    choices = Choices(_phase_choice(ed, es, bsa), all_phases, identify=identify)
    case = report_again(folder, mask=mask, images=images, series_uid=series, choices=choices)
    typer.echo(measured_line(case.name, case.measurements, folder))
    _worklist(folder.resolve().parent, [])


def _phase_choice(ed: int | None, es: int | None, bsa: str) -> PhaseChoice:
    from pipeline.measure.measurements import PhaseChoice

    if bsa not in ("mosteller", "dubois"):
        raise ConfigError(f"`--bsa` must be mosteller or dubois, got {bsa!r}")
    return PhaseChoice(ed, es, cast(Literal["mosteller", "dubois"], bsa))


def _series_options(series: str | None, prefer: str, drop_incomplete: bool) -> SeriesOptions:
    from pipeline.read.cine import SeriesOptions

    if prefer not in ("later", "first"):
        raise ConfigError(f"`--prefer` must be later or first, got {prefer!r}")
    return SeriesOptions(series, cast(Literal["later", "first"], prefer), drop_incomplete)


def _worklist(out: Path, failed: list[CaseResult]) -> None:
    from pipeline.app.worklist import update_worklist

    typer.echo(f"worklist: {update_worklist(out, failed)}", err=True)
