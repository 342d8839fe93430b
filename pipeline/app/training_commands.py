"""Commands on labelled data: check, pack, plan, train, baseline, cross-validate, evaluate, compare, pseudo-label."""

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

SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="ID=VALUE", help="change an entry of the configuration")
]
NetworkOption = Annotated[
    str | None, typer.Option(help="a name from `cmr networks`, or your own as module:Class (default: the bundle's)")
]
LossOption = Annotated[str | None, typer.Option(help="a name from `cmr losses` (default: the bundle's)")]
SchemeOption = Annotated[
    str | None,
    typer.Option(
        help="label values: cmr, acdc, mnms, lv_cavity, or as 1=LV,2=MYO,3=RV,4=ignore (default: the data set's own)"
    ),
]

AcceptedOption = Annotated[
    bool, typer.Option("--accepted", help="DATA is a folder of results: take the cases accepted in `cmr review`")
]


@training_app.command()
def check(
    data: Annotated[Path, typer.Argument(help="data set with labels, as for train")],
    scheme: SchemeOption = None,
    layout: Annotated[str, typer.Option(help="of the data set, where several fit")] = "auto",
    accepted: AcceptedOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Read a data set from end to end: each case, every fault and how to mend it; exit code 1 if there is any."""
    from pipeline.app import check as checking
    from pipeline.read.datalists.cases import parse_scheme

    log_to_stderr(quiet=True)
    layout = "accepted" if accepted else layout
    checked = checking.check_data(data, scheme=None if scheme is None else parse_scheme(scheme), layout=layout)
    typer.echo(json.dumps(checking.as_json(checked), indent=1) if as_json else checking.as_text(checked))
    if checked.n_bad:
        raise typer.Exit(1)


@training_app.command()
def train(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="output folder, which becomes the trained bundle")],
    data: Annotated[
        Path | None, typer.Option(help="data set: a folder of a known layout, as ACDC, or a CSV or JSON list")
    ] = None,
    pack: Annotated[Path | None, typer.Option(help="a prepared data set instead, as `cmr pack` writes it")] = None,
    bundle: Annotated[
        str | None, typer.Option("--bundle", help=f"name or folder of the bundle [{DEFAULT_BUNDLE}]")
    ] = None,
    network: NetworkOption = None,
    loss: LossOption = None,
    plan: Annotated[Path | None, typer.Option(help="settings from `cmr plan` (--set overrides them)")] = None,
    scheme: SchemeOption = None,
    settings: SetOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with the training in OUT, as it was begun and on its own data")
    ] = False,
    processes: Annotated[
        int,
        typer.Option(min=1, help="processes that share each batch, one a GPU, or on the CPU; the result is as by one"),
    ] = 1,
) -> None:
    """Train a bundle on your own patients; OUT, a new folder, is then a bundle itself."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.named import named_parts
    from pipeline.app.training import Training, begin, go_on, recorded_data, run_training
    from pipeline.train.plan import read_plan

    overrides = (read_plan(plan) if plan else {}) | _with_scheme(settings, scheme)
    chosen = named_parts(network, loss)
    source = recorded_data(out) if resume and data is None and pack is None else _training_source(data, pack)
    root = out if resume and bundle is None else find_bundle(bundle or DEFAULT_BUNDLE)
    training = Training(root, source, overrides, chosen)
    workflow = go_on(training, out) if resume else begin(training, out)
    typer.echo(run_training(workflow, out, n_processes=processes))


@training_app.command()
def baseline(
    data: Annotated[Path, typer.Argument(help="data set with labels, as for train")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder of the evaluation")],
    trees: Annotated[int, typer.Option(min=1, help="of the forest")] = 100,
    scheme: SchemeOption = None,
    settings: SetOption = None,
) -> None:
    """Train a random forest of pixels on the patients that train would take, and evaluate it on the others."""
    from pipeline.app.baseline import evaluate_baseline
    from pipeline.app.summary import scores_table

    typer.echo(scores_table(evaluate_baseline(data, out, overrides=_with_scheme(settings, scheme), n_trees=trees)))


@training_app.command()
def crossvalidate(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="output folder of the folds' bundles and the evaluation")],
    data: Annotated[Path | None, typer.Option(help="data set, as for train")] = None,
    pack: Annotated[Path | None, typer.Option(help="a pack written by `cmr pack`, instead of --data")] = None,
    bundle: BundleOption = DEFAULT_BUNDLE,
    network: NetworkOption = None,
    loss: LossOption = None,
    folds: Annotated[int, typer.Option(min=2, help="number of folds")] = 5,
    minutes: Annotated[float | None, typer.Option(help="time limit for all folds together")] = None,
    scheme: SchemeOption = None,
    settings: SetOption = None,
) -> None:
    """Train a network per fold and score every patient by the one that never saw them. Repeat to continue."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.crossvalidation import cross_validate
    from pipeline.app.named import named_parts
    from pipeline.app.training import Training
    from pipeline.evaluate.scores import summarise

    log_to_stderr(quiet=False)
    code = named_parts(network, loss)
    training = Training(find_bundle(bundle), _training_source(data, pack), _with_scheme(settings, scheme), code)
    scores = cross_validate(training, out, n_folds=folds, minutes=minutes)
    for row in summarise(scores):
        typer.echo(json.dumps(row))


@training_app.command()
def pack(
    data: Annotated[list[Path], typer.Argument(metavar="DATA...", help="data sets with labels, as for train")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="pack to write, e.g. acdc.pack")],
    *,
    bundle: BundleOption = DEFAULT_BUNDLE,
    plan: Annotated[Path | None, typer.Option(help="settings from `cmr plan` (--set overrides them)")] = None,
    scheme: SchemeOption = None,
    settings: SetOption = None,
    bits: Annotated[int, typer.Option(min=1, max=16, help="bits per intensity; 16 is nearly lossless")] = 8,
    accepted: AcceptedOption = False,
) -> None:
    """Prepare a data set, or several as one, once, as one small file. A training from it needs no images and no N4."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.packing import pack_dataset
    from pipeline.train.plan import read_plan

    log_to_stderr(quiet=False)
    overrides = (read_plan(plan) if plan else {}) | _with_scheme(settings, scheme)
    layout = "accepted" if accepted else "auto"
    measured = pack_dataset(find_bundle(bundle), data, file, layout=layout, overrides=overrides, bits=bits)
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
        typer.Option("--subtract-mean", help="normalise as in the 2017 study, by the training images' mean"),
    ] = False,
    scheme: SchemeOption = None,
) -> None:
    """Plan a U-Net's pixel size, window, depth and batch size for a data set, as settings to edit and train with."""
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
    path: Annotated[Path, typer.Argument(metavar="INPUT", help="unlabelled studies, as for segment")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the data set to write")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    keep: Annotated[float, typer.Option(help="fraction of the phases to keep, the most confident ones")] = 0.5,
    threshold: Annotated[float, typer.Option(help="least probability of a pixel's label")] = 0.5,
) -> None:
    """Pseudo-label studies and keep the most confident phases, for training with --set extra_data=OUT/datalist.csv."""
    from pipeline.app.pseudo import label_studies
    from pipeline.app.segmenter import Segmenter

    typer.echo(label_studies(Segmenter(bundle), path, out, keep=keep, threshold=threshold))


@training_app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="data set with labels")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="output folder (default: the bundle's eval)")] = None,
    scheme: SchemeOption = None,
    settings: SetOption = None,
) -> None:
    """Measure a bundle on labelled data: overlap, distances, volumes and function, as tables and evaluation.html."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.training import evaluate_bundle

    overrides = _with_scheme(settings, scheme) | ({} if out is None else {"output_dir": str(out)})
    evaluate_bundle(find_bundle(bundle), data, overrides)


@training_app.command()
def calibrate(
    folds: Annotated[list[Path], typer.Argument(help="folders of a cross-validation's folds")],
    data: Annotated[
        list[Path], typer.Option(help="the data set that they were trained on, its images; once for each of several")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of calibration.json and its tables")],
    bundle: Annotated[
        str | None, typer.Option(help="name or folder of a bundle of the same recipe that is to use the calibration")
    ] = None,
    scheme: SchemeOption = None,
) -> None:
    """Find out what Dice a network's certainty stands for, and how far its volumes are off, from a cross-validation."""
    from pipeline.app.calibration import calibrate as calibrate_folds

    log_to_stderr(quiet=False)
    typer.echo(json.dumps(calibrate_folds(folds, data, out, bundle=bundle, scheme=scheme), indent=2))


@training_app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="folder of an evaluation")],
    second: Annotated[Path, typer.Argument(help="folder of another one, of the same volumes")],
) -> None:
    """Compare two evaluations: difference in Dice with its interval, by bootstrap over patients."""
    from pipeline.evaluate.compare import compare_evaluations

    typer.echo(compare_evaluations(first, second))


def _with_scheme(settings: list[str] | None, scheme: str | None) -> dict[str, Any]:
    """Settings, with the label scheme as one more if one is given."""
    from pipeline.app.settings import parse_settings

    return parse_settings(settings) | ({} if scheme is None else {"scheme": scheme})


def _training_source(data: Path | None, pack: Path | None) -> Path:
    """The data set or pack to train on. A file that is not a pack is refused before anything is written."""
    from pipeline.read.packs import read_pack_header

    if pack is not None and data is None:
        read_pack_header(pack)
        return pack
    if data is None or pack is not None:
        raise ConfigError("a training needs a data set (`--data`) or a pack (`--pack`), one of the two")
    return data
