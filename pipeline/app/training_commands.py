"""Commands on labelled data: check, pack, plan, train, cross-validate, evaluate, compare, pseudo-label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.app.bundle_commands import BundleOption
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.logs import log_to_stderr
from pipeline.core.errors import ConfigError

__all__ = ["training_app"]

training_app = typer.Typer()

SetOption = Annotated[list[str] | None, typer.Option("--set", help="ID=VALUE: change an entry of the configuration")]
NetworkOption = Annotated[
    str | None, typer.Option(help="a name that `cmr networks` lists, or your own as module:Class [the bundle's own]")
]
SchemeOption = Annotated[
    str | None,
    typer.Option(help="label values: cmr, acdc, mnms, lv_cavity, or as 1=LV,2=MYO,3=RV,4=ignore [the data set's own]"),
]
LossOption = Annotated[str | None, typer.Option(help="a name that `cmr losses` lists [the bundle's own]")]


@training_app.command()
def check(
    data: Annotated[Path, typer.Argument(help="data set with labels, as for train")],
    scheme: SchemeOption = None,
    layout: Annotated[str, typer.Option(help="of the data set, where several fit")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Read a data set from end to end: each case, every fault and how to mend it; exit code 1 if there is any."""
    from pipeline.app import check as checking
    from pipeline.read.datalists.cases import parse_scheme

    log_to_stderr(quiet=True)
    checked = checking.check_data(data, scheme=None if scheme is None else parse_scheme(scheme), layout=layout)
    typer.echo(json.dumps(checking.as_json(checked), indent=1) if as_json else checking.as_text(checked))
    if checked.n_bad:
        raise typer.Exit(1)


@training_app.command()
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
    scheme: SchemeOption = None,
    settings: SetOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on where a killed run stopped")] = False,
) -> None:
    """Train a bundle on your own patients; OUT is then a bundle itself."""
    from pipeline.app.bundles import copy_bundle, find_bundle, run_workflow
    from pipeline.app.checks import check_training, require_sound_data
    from pipeline.app.named import named_parts
    from pipeline.train.plan import read_plan

    source = _training_source(data, pack)
    overrides = (read_plan(plan) if plan else {}) | _with_scheme(settings, scheme)
    chosen = named_parts(network, loss)
    check_training(find_bundle(bundle), overrides, chosen)
    require_sound_data(source, overrides)
    root = copy_bundle(find_bundle(bundle), out, overrides, code=chosen)
    run_workflow(root, config="train", run_id="training", overrides={"dataset_dir": str(source), "resume": resume})


@training_app.command()
def crossvalidate(
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the folds' bundles and of the evaluation")],
    data: Annotated[Path | None, typer.Option(help="data set, as for train")] = None,
    pack: Annotated[Path | None, typer.Option(help="a prepared data set instead, as `cmr pack` writes it")] = None,
    bundle: BundleOption = DEFAULT_BUNDLE,
    network: NetworkOption = None,
    loss: LossOption = None,
    folds: Annotated[int, typer.Option(min=2, help="how many")] = 5,
    minutes: Annotated[float | None, typer.Option(help="for all folds together; schedules end with the time")] = None,
    scheme: SchemeOption = None,
    settings: SetOption = None,
) -> None:
    """Train a network for each fold and score every patient by the one that never saw them; goes on if repeated."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.crossvalidation import Training, cross_validate
    from pipeline.app.named import named_parts
    from pipeline.evaluate.scores import summarise

    log_to_stderr(quiet=False)
    code = named_parts(network, loss)
    training = Training(find_bundle(bundle), _training_source(data, pack), _with_scheme(settings, scheme), code)
    scores = cross_validate(training, out, n_folds=folds, minutes=minutes)
    for row in summarise(scores):
        typer.echo(json.dumps(row))


@training_app.command()
def pack(
    data: Annotated[Path, typer.Argument(help="data set with labels, as for train")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="pack to write, as acdc.pack")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    plan: Annotated[Path | None, typer.Option(help="settings from `cmr plan`; --set goes before them")] = None,
    scheme: SchemeOption = None,
    settings: SetOption = None,
    bits: Annotated[int, typer.Option(min=1, max=16, help="of an intensity: 8 a byte, 16 all but lossless")] = 8,
) -> None:
    """Prepare a data set once, as one small file: a training from it needs neither the images nor N4."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.packing import pack_dataset
    from pipeline.train.plan import read_plan

    log_to_stderr(quiet=False)
    overrides = (read_plan(plan) if plan else {}) | _with_scheme(settings, scheme)
    measured = pack_dataset(find_bundle(bundle), data, file, overrides=overrides, bits=bits)
    typer.echo(
        f"{measured['n_patients']} patients, {measured['n_stacks']} stacks, {measured['n_slices']} slices in {file}, "
        f"{measured['megabytes']:.1f} MB; rounded to {bits} bits: {measured['rounding_rms']:.4f} (RMS)"
    )


@training_app.command()
def networks() -> None:
    """List the networks that `cmr train --network` takes."""
    from pipeline.networks.registry import NETWORKS

    for name, design in NETWORKS.items():
        typer.echo(f"{name:<24s}{design.note} ({design.paper})")


@training_app.command()
def losses() -> None:
    """List the losses that `cmr train --loss` takes."""
    from pipeline.app.named import LOSSES, describe_loss

    for name in LOSSES:
        typer.echo(f"{name:<36s}{describe_loss(name)}")


@training_app.command()
def plan(
    data: Annotated[Path, typer.Argument(help="data set to train on")],
    out: Annotated[Path, typer.Option("--out", "-o", help="YAML file to write")] = Path("plan.yaml"),
    subtract_mean: Annotated[
        bool,
        typer.Option("--subtract-mean", help="normalise as in 2017, by the mean of a default split's training side"),
    ] = False,
    scheme: SchemeOption = None,
) -> None:
    """Plan a U-Net's pixel size, window, depth and batch for a data set, to be read, changed and trained with."""
    from pipeline.prepare.intensity import training_mean
    from pipeline.read.cine import read_cine
    from pipeline.read.datasets import checked_datalist
    from pipeline.train.fingerprint import take_fingerprint
    from pipeline.train.plan import make_plan, write_plan
    from pipeline.train.splits import split_patients

    datalist = checked_datalist(data, scheme=scheme)
    fingerprint = take_fingerprint(datalist)
    mean = None
    if subtract_mean:
        mean = training_mean(read_cine(case["image"]).array for case in split_patients(datalist)[0])
    planned = make_plan(fingerprint, training_mean=mean)
    typer.echo(write_plan(planned, fingerprint, out).read_text(encoding="utf-8"))
    typer.echo(f"written to {out}; train with: cmr train --data {data} --plan {out} --out RUN")


@training_app.command()
def pseudo(
    path: Annotated[Path, typer.Argument(metavar="INPUT", help="studies that nobody has labelled, as for segment")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the data set to write")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    keep: Annotated[float, typer.Option(help="fraction of the phases to keep, the surest ones")] = 0.5,
    threshold: Annotated[float, typer.Option(help="least probability of a pixel's label")] = 0.5,
) -> None:
    """Let a bundle label studies, and keep what it is surest of: a data set for --set extra_data=OUT/datalist.csv."""
    from pipeline.app.pseudo import label_studies
    from pipeline.app.segmenter import Segmenter

    typer.echo(label_studies(Segmenter(bundle), path, out, keep=keep, threshold=threshold))


@training_app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="data set with labels")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="folder of the results [the bundle's eval]")] = None,
    scheme: SchemeOption = None,
    settings: SetOption = None,
) -> None:
    """Measure a bundle on labelled data: overlap, distances, volumes and function, as tables and evaluation.html."""
    from pipeline.app.bundles import find_bundle, run_workflow

    root = find_bundle(bundle)
    overrides: dict[str, Any] = {"dataset_dir": str(data), **_with_scheme(settings, scheme)}
    if out is not None:
        overrides["output_dir"] = str(out)
    run_workflow(root, config="evaluate", run_id="evaluating", overrides=overrides)


@training_app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="folder of an evaluation")],
    second: Annotated[Path, typer.Argument(help="folder of another one, of the same volumes")],
) -> None:
    """Compare two evaluations: difference in Dice with its interval, by bootstrap over patients."""
    from pipeline.evaluate.compare import compare_evaluations

    typer.echo(compare_evaluations(first, second))


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


def _with_scheme(settings: list[str] | None, scheme: str | None) -> dict[str, Any]:
    """`_parse_settings` with the label scheme, where one is given, as one more."""
    return _parse_settings(settings) | ({} if scheme is None else {"scheme": scheme})


def _training_source(data: Path | None, pack: Path | None) -> Path:
    """What to train on; what is no pack is refused before anything is written."""
    from pipeline.read.packs import read_pack_header

    if pack is not None and data is None:
        read_pack_header(pack)
        return pack
    if data is None or pack is not None:
        raise ConfigError("a training needs a data set (`--data`) or a pack (`--pack`), one of the two")
    return data
