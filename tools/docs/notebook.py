"""The notebook as a page of the site, and its outputs made anew.

    python -m tools.docs.notebook

runs docs/notebooks/study.ipynb and keeps its outputs in it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

from tools.docs.commands import ROOT

__all__ = ["NOTEBOOK", "notebook_page", "run_notebook"]

NOTEBOOK = ROOT / "docs/notebooks/study.ipynb"


def notebook_page(path: Path = NOTEBOOK) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, with its pictures by their file names beside the page."""
    text, resources = MarkdownExporter().from_filename(str(path), resources={"output_files_dir": f"{path.stem}_files"})
    return text, resources["outputs"]


def run_notebook(folder: Path, path: Path = NOTEBOOK) -> Any:
    """Run a notebook from top to bottom in a folder.

    Returns:
        The notebook with its outputs, and without times and counts of its run.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=1800, kernel_name="python3").execute(cwd=str(folder))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return notebook


def main() -> None:
    """Keep the outputs of a run in the notebook."""
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(run_notebook(Path(folder)), NOTEBOOK)


if __name__ == "__main__":
    main()
