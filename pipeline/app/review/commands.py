"""`cmr review`, as the command line calls it."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.app.logs import log_to_stderr
from pipeline.app.results import MEASUREMENTS
from pipeline.app.review.audit import verify_chain
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.measurements import DISCLAIMER

__all__ = ["serve_results", "verify_trails"]


def serve_results(out: Path, *, host: str, port: int, images: Path | None, trust_network: bool) -> None:
    """Serve until Ctrl-C, see `serve.serve`.

    Raises:
        ConfigError: the extra `review` is not installed; and what `serve.serve` refuses.
    """
    try:
        from pipeline.app.review.serve import serve
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"`cmr review` needs {error.name}, of the extra: pip install 'cardiac-mr-pipeline[review]'"
        ) from error
    log_to_stderr(quiet=True)
    typer.echo(f"{DISCLAIMER} Ctrl-C ends. Each link opens once.")
    serve(out, host=host, port=port, images=images, trust_network=trust_network, tell=typer.echo)


def verify_trails(out: Path) -> bool:
    """Print what is found of each case's audit trail.

    Returns:
        Whether all are as they were written.

    Raises:
        InputError: no case is there.
    """
    findings = [verify_chain(path.parent) for path in sorted(out.glob(f"*/{MEASUREMENTS}"))]
    if not findings:
        raise InputError("a folder of results of `cmr segment` is needed, no case is in this one", out)
    for found in findings:
        state = f"{found.n_entries} entries, ends in {found.head}" if found.fault is None else f"BROKEN: {found.fault}"
        typer.echo(f"{found.case}: {state}")
    return all(found.fault is None for found in findings)
