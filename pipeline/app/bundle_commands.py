"""`cmr bundle`: render, check, ship, average, package and export bundles, and the option that selects one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.app.defaults import DEFAULT_BUNDLE

__all__ = ["BundleOption", "bundle_app"]

BundleOption = Annotated[str, typer.Option("--bundle", help="name or folder of the bundle")]

bundle_app = typer.Typer(help="Render, check, ship, combine, package and export bundles.", no_args_is_help=True)


@bundle_app.command()
def render(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="folder of the bundles [those of this checkout]")
    ] = None,
) -> None:
    """Render all bundles from configs/, without weights."""
    from pipeline.core.shipped import BUNDLES, CONFIGS, require_checkout

    if out is None:
        require_checkout()
    from pipeline.app.render import bundle_names, render_bundle  # which takes seconds

    for name in bundle_names(CONFIGS):
        render_bundle(CONFIGS, name, (out or BUNDLES) / name)
        typer.echo(f"rendered {(out or BUNDLES) / name}")


@bundle_app.command()
def check() -> None:
    """Fail if a bundle differs from what configs/ renders."""
    from pipeline.app.render import outdated_files
    from pipeline.core.shipped import BUNDLES, CONFIGS

    outdated = outdated_files(CONFIGS, BUNDLES)
    for path in outdated:
        typer.echo(f"differs from what configs/ render: {path}; run `make bundles`", err=True)
    if outdated:
        raise typer.Exit(1)


@bundle_app.command()
def ship(
    run: Annotated[Path, typer.Argument(help="folder of a trained bundle")],
    bundle: BundleOption = DEFAULT_BUNDLE,
) -> None:
    """Give a bundle of this checkout the weights of a run, in half precision."""
    from pipeline.core.shipped import BUNDLES, CONFIGS, require_checkout

    require_checkout()
    from pipeline.app.ship import ship_weights  # which takes seconds

    typer.echo(f"weights stored in {ship_weights(run, bundle, configs=CONFIGS, bundles=BUNDLES)}")


@bundle_app.command()
def safetensors(bundle: Annotated[str, typer.Argument(help="name or folder of a trained bundle")]) -> None:
    """Write a bundle's weights as safetensors beside its own: a format in which nothing can run."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.safe_weights import write_safetensors  # which takes seconds

    for path in write_safetensors(find_bundle(bundle)):
        typer.echo(f"weights in {path}")


@bundle_app.command()
def ensemble(
    runs: Annotated[list[Path], typer.Argument(help="folders of trained bundles, e.g. a cross-validation's folds")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the new bundle")],
) -> None:
    """Make one bundle of several, which averages their networks' outputs."""
    from pipeline.app.ensemble import make_ensemble

    typer.echo(make_ensemble(runs, out))


@bundle_app.command()
def package(
    bundle: Annotated[str, typer.Argument(help="name or folder of a trained bundle")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the zip")] = Path("dist"),
) -> None:
    """Zip a trained bundle with everything it needs to run elsewhere."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.package import package_bundle

    typer.echo(package_bundle(find_bundle(bundle), out))


@bundle_app.command()
def export(
    bundle: Annotated[str, typer.Argument(help="name or folder of a trained bundle")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the file to write, as model.ts, model.pt2 or model.onnx")],
    format_name: Annotated[str, typer.Option("--format", help="torchscript, export (torch.export) or onnx")] = "onnx",
) -> None:
    """Write a bundle's network for other runtimes, if it gives the same logits there at several sizes."""
    from pipeline.app.bundles import find_bundle
    from pipeline.app.export import export_bundle

    exported = export_bundle(find_bundle(bundle), out, format_name=format_name)
    for size, difference in exported.differences.items():
        typer.echo(f"input {' x '.join(map(str, size))}: logits differ by at most {difference:.1e}")
    typer.echo(exported.path)
