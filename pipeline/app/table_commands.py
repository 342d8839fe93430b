"""The command on a cohort's table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.errors import InputError

__all__ = ["table_app"]

table_app = typer.Typer()


@table_app.command()
def table(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder of results written by `cmr segment`")],
    parquet: Annotated[bool, typer.Option("--parquet", help="also write cohort.parquet (needs pyarrow)")] = False,
) -> None:
    """Make the table of all studies in a folder of results anew from their records: cohort.csv and its dictionaries."""
    from pipeline.app.case_table import CaseTable

    if not out.is_dir():
        raise InputError("a folder of results was expected here, but there is none", out)
    typer.echo(CaseTable(out, parquet=parquet).update(anew=True))
