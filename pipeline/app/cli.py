"""The command line `cmr`: a thin shell over the library. Not for diagnosis."""

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

EdOption = Annotated[int | None, typer.Option(help="end-diastolic phase, from 0 [found on the volume curve]")]
EsOption = Annotated[int | None, typer.Option(help="end-systolic phase, from 0 [found on the volume curve]")]
BsaOption = Annotated[str, typer.Option(help="formula of the body surface area: mosteller or dubois")]
AllPhasesOption = Annotated[bool, typer.Option("--all-phases", help="a DICOM SEG of every phase")]
IdentifyOption = Annotated[bool, typer.Option("--identify", help="name the patient in the report")]


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
        Path, typer.Argument(metavar="INPUT", help="DICOM file or folder, NIfTI file, or folder of either")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the results")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    series: Annotated[str | None, typer.Option(help="SeriesInstanceUID of the short-axis stack")] = None,
    device: Annotated[str | None, typer.Option(help="torch device, as cpu or cuda:0")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="print failures only")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object a case")] = False,
    ed: EdOption = None,
    es: EsOption = None,
    bsa: BsaOption = "mosteller",
    all_phases: AllPhasesOption = False,
    objects: Annotated[bool, typer.Option(help="DICOM objects, report, worklist beside label map and JSON")] = True,
    identify: IdentifyOption = False,
    pseudonym: Annotated[
        str | None,
        typer.Option(metavar="SECRET", help="put a pseudonym, made with this secret, in the patient's place"),
    ] = None,
) -> None:
    """Segment studies: a folder each, with label map, measurements, DICOM SEG and SR and a report; and a worklist."""
    from pipeline.app.choices import Choices
    from pipeline.app.predict import CaseRunner, segment_path  # torch and MONAI load only when needed
    from pipeline.app.segmenter import Segmenter
    from pipeline.app.summary import case_json, case_line

    log_to_stderr(quiet=quiet)
    choices = Choices(_phase_choice(ed, es, bsa), all_phases, objects, identify)
    runner = CaseRunner(Segmenter(bundle, device=device), out, series_uid=series, choices=choices, secret=pseudonym)
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
def report(
    folder: Annotated[Path, typer.Argument(metavar="CASE", help="folder of a case, as `cmr segment` leaves it")],
    mask: Annotated[
        Path | None, typer.Option(help="corrected labels: NIfTI, or DICOM SEG [CASE/segmentation.nii.gz]")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="the images, where they have moved")] = None,
    ed: EdOption = None,
    es: EsOption = None,
    bsa: BsaOption = "mosteller",
    all_phases: AllPhasesOption = False,
    identify: IdentifyOption = False,
) -> None:
    """Measure a case again, after its mask was corrected or its phases chosen otherwise, and write all that follows."""
    from pipeline.app.choices import Choices
    from pipeline.app.correct import report_again
    from pipeline.app.summary import measured_line

    log_to_stderr(quiet=False)
    choices = Choices(_phase_choice(ed, es, bsa), all_phases, identify=identify)
    case = report_again(folder, mask=mask, images=images, choices=choices)
    typer.echo(measured_line(case.name, case.measurements, folder))
    _worklist(folder.resolve().parent, [])


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="folder to write to")],
    patients: Annotated[int, typer.Option(min=1, help="how many")] = 8,
    layout: Annotated[
        str, typer.Option(help="nifti, one_series, series_per_slice, series_per_phase, enhanced, static")
    ] = "one_series",
    seed: Annotated[int, typer.Option(help="the first patient's seed")] = 0,
) -> None:
    """Write synthetic beating hearts with their true masks, volumes and ejection fractions."""
    from pipeline.phantom.dataset import write_dataset

    write_dataset(out, n_patients=patients, layout=layout, seed=seed)
    typer.echo(f"{patients} synthetic patients in {out}")


@app.command()
def demo(out: Annotated[Path, typer.Argument(help="folder to write to")]) -> None:
    """Phantom studies, a short training, and a held-out study segmented: the whole way in minutes."""
    from pipeline.app.demo import run_demo

    typer.echo(run_demo(out))


def main() -> None:
    """Run the command line; errors raised on purpose, and those of disks, end in one sentence and exit code 2."""
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
    from pipeline.measure.measurements import PhaseChoice

    if bsa not in ("mosteller", "dubois"):
        raise ConfigError(f"`--bsa` must be mosteller or dubois, got {bsa!r}")
    return PhaseChoice(ed, es, cast(Literal["mosteller", "dubois"], bsa))


def _worklist(out: Path, failed: list[CaseResult]) -> None:
    from pipeline.app.worklist import update_worklist

    typer.echo(f"worklist: {update_worklist(out, failed)}", err=True)
