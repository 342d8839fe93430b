"""Segment cardiac cine MRI, measure the ventricles and train networks. Not for diagnosis."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import pipeline
from pipeline.app.bundle_commands import bundle_app
from pipeline.app.defaults import TRUST_VARIABLE
from pipeline.app.memory import collect_garbage_seldom, keep_freed_memory
from pipeline.app.node.commands import node_app
from pipeline.app.segment_commands import segment_app
from pipeline.app.table_commands import table_app
from pipeline.app.training_commands import training_app
from pipeline.core.errors import own_error, tell

__all__ = ["app", "main"]

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # else `[default]` in a help text is taken for markup, and vanishes
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(segment_app)
app.add_typer(table_app)
app.add_typer(node_app)
app.add_typer(training_app)
app.add_typer(bundle_app, name="bundle")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"cmr {pipeline.__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=_print_version, is_eager=True)
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="run bundles whose configurations contain code of their own")
    ] = False,
) -> None:
    """Segment, measure and train on cardiac MRI. Not for diagnosis."""
    if trust:
        os.environ[TRUST_VARIABLE] = "1"


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
def demo(
    out: Annotated[Path, typer.Argument(help="folder to write to")] = Path("cmr-demo"),
    train: Annotated[
        bool, typer.Option("--train", help="train on synthetic patients for some minutes instead, and segment others")
    ] = False,
) -> None:
    """Segment a real heart, which comes with the program, and compare with experts' contours; opens the report."""
    if train:
        from pipeline.app.demo_training import run_training_demo

        typer.echo(run_training_demo(out))
        return
    from pipeline.app.demo import run_demo
    from pipeline.app.desktop import show_page

    typer.echo("segmenting a real heart, about half a minute on two cores ...", err=True)
    shown = run_demo(out)
    typer.echo(f"{shown.table}\nreport: {shown.report.resolve()}")
    show_page(shown.report)


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
        typer.echo(f"cmr: {tell(reason)}", err=True)
        raise SystemExit(2) from error
