"""Segment cardiac cine MRI, measure the ventricles and train networks. Not for diagnosis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

import pipeline
from pipeline.app.bundle_commands import BundleOption, bundle_app
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.logs import log_to_stderr
from pipeline.app.memory import collect_garbage_seldom, keep_freed_memory
from pipeline.app.training_commands import training_app
from pipeline.core.errors import ConfigError, own_error

if TYPE_CHECKING:
    from pipeline.app.predict import CaseResult
    from pipeline.measure.measurements import PhaseChoice
    from pipeline.read.cine import SeriesOptions

__all__ = ["app", "main"]

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # else `[default]` in a help text is taken for markup, and vanishes
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(training_app)
app.add_typer(bundle_app, name="bundle")

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


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"cmr {pipeline.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Segment, measure and train on cardiac MRI. Not for diagnosis."""


@app.command()
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


@app.command()
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


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="CASE", help="folder of a case written by `cmr segment`")],
    mask: Annotated[
        Path | None, typer.Option(help="corrected labels, NIfTI or DICOM SEG (default: CASE/segmentation.nii.gz)")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="the images, if they have moved")] = None,
    series: SeriesOption = None,
    ed: Annotated[int | None, typer.Option(help="end-diastolic phase, from 0 (default: as before)")] = None,
    es: Annotated[int | None, typer.Option(help="end-systolic phase, from 0 (default: as before)")] = None,
    find_phases: Annotated[
        bool, typer.Option("--find-phases", help="take phases not given here from the volume curve again")
    ] = False,
    exclude: Annotated[
        str | None,
        typer.Option(metavar="SLICES", help="slices that nothing counts, from 0, as 0,1; none: all count again"),
    ] = None,
    bsa: Annotated[str | None, typer.Option(help="mosteller or dubois (default: as before)")] = None,
    all_phases: Annotated[
        bool | None, typer.Option(help="write a DICOM SEG of every phase (default: as before)")
    ] = None,
    identify: Annotated[
        bool | None, typer.Option(help="print the patient's name in the report (default: as before)")
    ] = None,
) -> None:
    """Measure a case again after its mask was corrected or with other choices, and rewrite its files.

    What was chosen before holds until it is chosen otherwise.
    """
    from pipeline.app.choices import change_choices, parse_slices
    from pipeline.app.correct import report_again
    from pipeline.app.recorded import read_result
    from pipeline.app.summary import measured_line

    log_to_stderr(quiet=False)
    given = {"ed": ed, "es": es, "bsa": bsa, "all_phases": all_phases, "identify": identify}
    choices = change_choices(read_result(folder).choices, given, find_phases=find_phases)
    excluded = None if exclude is None else parse_slices(exclude)
    case = report_again(folder, mask=mask, images=images, series_uid=series, choices=choices, excluded_slices=excluded)
    typer.echo(measured_line(case.name, case.measurements, folder))
    _worklist(folder.resolve().parent, [])


@app.command()
def review(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder of results, as `cmr segment --out`")],
    host: Annotated[
        str, typer.Option(help="address to listen on; others than this machine's own are a risk")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one")] = 0,
    images: Annotated[Path | None, typer.Option(help="the images, if they have moved or cases have pseudonyms")] = None,
    trust_network: Annotated[
        bool, typer.Option("--trust-network", help="let others on the network in, unencrypted")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="check all audit trails instead; exit code 1 if one is broken")
    ] = False,
) -> None:
    """Correct, accept or reject segmentations in the browser, on this machine alone unless told otherwise."""
    from pipeline.app.review.commands import serve_results, verify_trails

    if not verify:
        serve_results(out, host=host, port=port, images=images, trust_network=trust_network)
    elif not verify_trails(out):
        raise typer.Exit(1)


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="folder to write to")],
    patients: Annotated[int, typer.Option(min=1, help="number of patients")] = 8,
    layout: Annotated[
        str, typer.Option(help="nifti, one_series, series_per_slice, series_per_phase, enhanced, static")
    ] = "one_series",
    seed: Annotated[int, typer.Option(help="seed of the first patient")] = 0,
) -> None:
    """Write synthetic beating hearts with their true masks, volumes and ejection fractions."""
    from pipeline.phantom.dataset import write_dataset

    write_dataset(out, n_patients=patients, layout=layout, seed=seed)
    typer.echo(f"{patients} synthetic patients in {out}")


@app.command()
def demo(out: Annotated[Path, typer.Argument(help="folder to write to")]) -> None:
    """Make phantom studies, train briefly and segment held-out studies, in a few minutes."""
    from pipeline.app.demo import run_demo

    typer.echo(run_demo(out))


def main() -> None:
    """Run the command line. The library's own errors and those of the disk end in one sentence and exit code 2."""
    collect_garbage_seldom()
    keep_freed_memory()
    try:
        app(prog_name="cmr")
    except Exception as error:
        reason = own_error(error)
        if reason is None:
            raise
        typer.echo(f"cmr: {reason}", err=True)
        raise SystemExit(2) from error


def _phase_choice(ed: int | None, es: int | None, bsa: str) -> PhaseChoice:
    from pipeline.app.choices import bsa_method
    from pipeline.measure.measurements import PhaseChoice

    return PhaseChoice(ed, es, bsa_method(bsa))


def _series_options(series: str | None, prefer: str, drop_incomplete: bool) -> SeriesOptions:
    from pipeline.read.cine import SeriesOptions

    if prefer not in ("later", "first"):
        raise ConfigError(f"`--prefer` must be later or first, got {prefer!r}")
    return SeriesOptions(series, cast(Literal["later", "first"], prefer), drop_incomplete)


def _worklist(out: Path, failed: list[CaseResult]) -> None:
    from pipeline.app.worklist import update_worklist

    typer.echo(f"worklist: {update_worklist(out, failed)}", err=True)
