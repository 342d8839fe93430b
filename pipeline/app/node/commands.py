"""`cmr node`: run a node, list its queue, let a study run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.errors import ConfigError

__all__ = ["node_app"]

node_app = typer.Typer()


@node_app.command()
def node(
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="what it does (docs/pacs-node.md)")],
    check: Annotated[bool, typer.Option("--check", help="only say whether the file is right")] = False,
    show: Annotated[bool, typer.Option("--list", help="list the queue, with reasons of failures")] = False,
    again: Annotated[
        str | None,
        typer.Option(metavar="STUDY", help="let a study of the list run and be sent again; failed: all such"),
    ] = None,
) -> None:
    """Receive studies as a DICOM node, segment them and send segmentations and reports back. Not for diagnosis.

    It runs until Ctrl-C or SIGTERM. Exit codes: 0 it was ended; 2 it could not begin or not go on.
    """
    try:
        from pipeline.app.node import running
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pipeline"):  # our own, so no extra would bring it
            raise
        raise ConfigError(
            f"`cmr node` needs {error.name}, of the extra: pip install 'cardiac-mr-pipeline[node]'"
        ) from error
    from pipeline.app.node.settings import load_settings

    settings = load_settings(config)
    if check:
        settings.require_secrets()
        typer.echo(f"{config} is right: {len(settings.rules)} rule(s), {len(settings.destinations)} destination(s)")
    elif show:
        for line in running.list_queue(settings):
            typer.echo(line)
    elif again is not None:
        typer.echo(f"{running.let_run_again(settings, again)} to run again")
    else:
        running.run_node(settings)
