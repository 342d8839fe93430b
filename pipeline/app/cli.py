"""The command line `cmr`: a thin shell over the library. Not for diagnosis."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from pipeline.app.bundle_commands import DEFAULT_BUNDLE, BundleOption, bundle_app
from pipeline.app.memory import collect_garbage_seldom, keep_freed_memory
from pipeline.core.errors import ConfigError, own_error

if TYPE_CHECKING:
    from pipeline.app.predict import CaseResult
    from pipeline.measure.measurements import PhaseChoice

__all__ = ["app", "main"]

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(bundle_app, name="bundle")

SetOption = Annotated[list[str] | None, typer.Option("--set", help="ID=VALUE: change an entry of the configuration")]
NetworkOption = Annotated[
    str | None, typer.Option(help="a name that `cmr networks` lists, or your own as module:Class [the bundle's own]")
]
LossOption = Annotated[str | None, typer.Option(help="a name that `cmr losses` lists [the bundle's own]")]
EdOption = Annotated[int | None, typer.Option(help="end-diastolic phase, from 0 [found on the volume curve]")]
EsOption = Annotated[int | None, typer.Option(help="end-systolic phase, from 0 [found on the volume curve]")]
BsaOption = Annotated[str, typer.Option(help="formula of the body surface area: mosteller or dubois")]
AllPhasesOption = Annotated[bool, typer.Option("--all-phases", help="a DICOM SEG of every phase")]
IdentifyOption = Annotated[bool, typer.Option("--identify", help="name the patient in the report")]


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
    from pipeline.app.predict import Segmenter, segment_path  # torch and MONAI load only when needed
    from pipeline.app.summary import case_json, case_line

    _log_to_stderr(quiet)
    choices = Choices(_phase_choice(ed, es, bsa), all_phases, objects, identify)
    segmenter = Segmenter(bundle, out, device=device, series_uid=series, choices=choices, secret=pseudonym)
    failed = []
    for result in segment_path(segmenter, path):
        if result.error is not None:
            failed.append(result)
        if as_json:
            typer.echo(json.dumps(case_json(result)))
        elif result.error is not None:
            typer.echo(case_line(result), err=True)
        elif not quiet:
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

    _log_to_stderr(quiet=False)
    choices = Choices(_phase_choice(ed, es, bsa), all_phases, identify=identify)
    case = report_again(folder, mask=mask, images=images, choices=choices)
    typer.echo(measured_line(case.name, case.measurements, folder))
    _worklist(folder.resolve().parent, [])


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", "-o", help="folder that becomes the trained bundle")],
    data: Annotated[
        Path | None, typer.Option(help="data set: ACDC, Sunnybrook, nnU-Net, MSD, or a CSV or JSON list")
    ] = None,
    pack: Annotated[Path | None, typer.Option(help="a prepared data set instead, as `cmr pack` writes it")] = None,
    bundle: BundleOption = DEFAULT_BUNDLE,
    network: NetworkOption = None,
    loss: LossOption = None,
    plan: Annotated[Path | None, typer.Option(help="settings from `cmr plan`; --set goes before them")] = None,
    settings: SetOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on where a killed run stopped")] = False,
) -> None:
    """Train a bundle on your own patients; OUT is then a bundle itself."""
    from pipeline.app.bundles import copy_bundle, find_bundle, run_workflow
    from pipeline.app.checks import check_training
    from pipeline.app.named import named_parts
    from pipeline.train.plan import read_plan

    source = _training_source(data, pack)
    overrides = (read_plan(plan) if plan else {}) | _parse_settings(settings)
    chosen = named_parts(network, loss)
    check_training(find_bundle(bundle), overrides, chosen)
    root = copy_bundle(find_bundle(bundle), out, overrides, code=chosen)
    run_workflow(root, config="train", run_id="training", overrides={"dataset_dir": str(source), "resume": resume})


@app.command()
def crossvalidate(
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the folds' bundles and of the evaluation")],
    data: Annotated[Path | None, typer.Option(help="data set, as for train")] = None,
    pack: Annotated[Path | None, typer.Option(help="a prepared data set instead, as `cmr pack` writes it")] = None,
    bundle: BundleOption = DEFAULT_BUNDLE,
    network: NetworkOption = None,
    loss: LossOption = None,
    folds: Annotated[int, typer.Option(min=2, help="how many")] = 5,
    minutes: Annotated[float | None, typer.Option(help="for all folds together; schedules end with the time")] = None,
    settings: SetOption = None,
) -> None:
    """Train a network for each fold and score every patient by the one that never saw them; goes on if repeated."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.crossvalidation import Training, cross_validate
    from pipeline.app.named import named_parts
    from pipeline.evaluate.scores import summarise

    _log_to_stderr(quiet=False)
    code = named_parts(network, loss)
    training = Training(find_bundle(bundle), _training_source(data, pack), _parse_settings(settings), code)
    scores = cross_validate(training, out, n_folds=folds, minutes=minutes)
    for row in summarise(scores):
        typer.echo(json.dumps(row))


@app.command()
def pack(
    data: Annotated[Path, typer.Argument(help="data set with labels, as for train")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="pack to write, as acdc.pack")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    plan: Annotated[Path | None, typer.Option(help="settings from `cmr plan`; --set goes before them")] = None,
    settings: SetOption = None,
    bits: Annotated[int, typer.Option(min=1, max=16, help="of an intensity: 8 a byte, 16 all but lossless")] = 8,
) -> None:
    """Prepare a data set once, as one small file: a training from it needs neither the images nor N4."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.packing import pack_dataset
    from pipeline.train.plan import read_plan

    _log_to_stderr(quiet=False)
    overrides = (read_plan(plan) if plan else {}) | _parse_settings(settings)
    measured = pack_dataset(find_bundle(bundle), data, file, overrides=overrides, bits=bits)
    typer.echo(
        f"{measured['n_patients']} patients, {measured['n_stacks']} stacks, {measured['n_slices']} slices in {file}, "
        f"{measured['megabytes']:.1f} MB; rounded to {bits} bits: {measured['rounding_rms']:.4f} (RMS)"
    )


@app.command()
def networks() -> None:
    """List the networks that `cmr train --network` takes."""
    from pipeline.networks.registry import NETWORKS

    for name, design in NETWORKS.items():
        typer.echo(f"{name:<24s}{design.note} ({design.paper})")


@app.command()
def losses() -> None:
    """List the losses that `cmr train --loss` takes."""
    from pipeline.app.named import LOSSES, describe_loss

    for name in LOSSES:
        typer.echo(f"{name:<36s}{describe_loss(name)}")


@app.command()
def plan(
    data: Annotated[Path, typer.Argument(help="data set to train on")],
    out: Annotated[Path, typer.Option("--out", "-o", help="YAML file to write")] = Path("plan.yaml"),
    subtract_mean: Annotated[
        bool,
        typer.Option("--subtract-mean", help="normalise as in 2017, by the mean of a default split's training side"),
    ] = False,
) -> None:
    """Plan a U-Net's pixel size, window, depth and batch for a data set, to be read, changed and trained with."""
    from pipeline.prepare.intensity import training_mean
    from pipeline.read.cine import read_cine
    from pipeline.read.datasets import load_datalist
    from pipeline.train.fingerprint import take_fingerprint
    from pipeline.train.plan import make_plan, write_plan
    from pipeline.train.splits import split_patients

    datalist = load_datalist(data)
    fingerprint = take_fingerprint(datalist)
    mean = None
    if subtract_mean:
        mean = training_mean(read_cine(case["image"]).array for case in split_patients(datalist)[0])
    planned = make_plan(fingerprint, training_mean=mean)
    typer.echo(write_plan(planned, fingerprint, out).read_text(encoding="utf-8"))
    typer.echo(f"written to {out}; train with: cmr train --data {data} --plan {out} --out RUN")


@app.command()
def pseudo(
    path: Annotated[Path, typer.Argument(metavar="INPUT", help="studies that nobody has labelled, as for segment")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the data set to write")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    keep: Annotated[float, typer.Option(help="fraction of the phases to keep, the surest ones")] = 0.5,
    threshold: Annotated[float, typer.Option(help="least probability of a pixel's label")] = 0.5,
) -> None:
    """Let a bundle label studies, and keep what it is surest of: a data set for --set extra_data=OUT/datalist.csv."""
    from pipeline.app.predict import Segmenter
    from pipeline.app.pseudo import label_studies

    typer.echo(label_studies(Segmenter(bundle, out), path, out, keep=keep, threshold=threshold))


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="data set with labels")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="folder of the results [the bundle's eval]")] = None,
    settings: SetOption = None,
) -> None:
    """Measure a bundle on labelled data: overlap, distances, volumes and function, as tables and evaluation.html."""
    from pipeline.app.bundles import find_bundle, run_workflow

    root = find_bundle(bundle)
    overrides: dict[str, Any] = {"dataset_dir": str(data), **_parse_settings(settings)}
    if out is not None:
        overrides["output_dir"] = str(out)
    run_workflow(root, config="evaluate", run_id="evaluating", overrides=overrides)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="folder of an evaluation")],
    second: Annotated[Path, typer.Argument(help="folder of another one, of the same volumes")],
) -> None:
    """Compare two evaluations: difference in Dice with its interval, by bootstrap over patients."""
    from pipeline.evaluate.compare import compare_evaluations

    typer.echo(compare_evaluations(first, second))


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
        app()
    except Exception as error:
        reason = own_error(error)
        if reason is None:
            raise
        typer.echo(f"cmr: {reason}", err=True)
        raise SystemExit(2) from error


def _parse_settings(settings: list[str] | None) -> dict[str, Any]:
    """`ID=VALUE` pairs; a value is JSON where it parses as such, else text."""
    parsed: dict[str, Any] = {}
    for setting in settings or []:
        key, separator, text = setting.partition("=")
        if not separator:
            raise ConfigError(f"a setting must read ID=VALUE, got {setting!r}")
        try:
            parsed[key] = json.loads(text)
        except json.JSONDecodeError:
            parsed[key] = text
    return parsed


def _training_source(data: Path | None, pack: Path | None) -> Path:
    """What to train on; what is no pack is refused before anything is written."""
    from pipeline.read.packs import read_pack_header

    if pack is not None and data is None:
        read_pack_header(pack)
        return pack
    if data is None or pack is not None:
        raise ConfigError("a training needs a data set (`--data`) or a pack (`--pack`), one of the two")
    return data


def _phase_choice(ed: int | None, es: int | None, bsa: str) -> PhaseChoice:
    from pipeline.measure.measurements import PhaseChoice

    if bsa not in ("mosteller", "dubois"):
        raise ConfigError(f"`--bsa` must be mosteller or dubois, got {bsa!r}")
    return PhaseChoice(ed, es, cast(Literal["mosteller", "dubois"], bsa))


def _worklist(out: Path, failed: list[CaseResult]) -> None:
    from pipeline.app.worklist import update_worklist

    typer.echo(f"worklist: {update_worklist(out, failed)}", err=True)


def _log_to_stderr(quiet: bool) -> None:
    level = logging.ERROR if quiet else logging.INFO
    logging.basicConfig(level=level, format="%(message)s")
    for noisy in ("monai", "ignite", "torch", "pydicom", "highdicom"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
