"""Pages of the site that are made from the code and from files beside docs/: they cannot fall behind."""

from __future__ import annotations

import functools
import posixpath
import re
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

from pipeline.app.cli import app
from tools.docs.messages import messages_page

__all__ = ["MADE_PAGES", "ROOT", "broken_links", "carried_files", "decisions", "made_pages", "retarget"]

ROOT = Path(__file__).parents[2]
_FROM_ROOT = {"SECURITY.md": "security.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"(?<=\]\()([^)#\s:]+)(#[^)\s]*)?(?=\))")


def made_pages() -> dict[str, str]:
    """Each made page's Markdown, by its path in the site."""
    pages = {page: retarget((ROOT / source).read_text("utf-8"), source, page) for source, page in _FROM_ROOT.items()}
    return pages | {page: make() for page, make in _MADE.items()}


def decisions() -> list[str]:
    """The decisions' pages, in their order."""
    return [f"decisions/{path.name}" for path in sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))]


def _commands() -> str:
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="cmr")
    text = re.sub(r"\n\* `[^`]*-h, --help`: [^\n]*|\n\* `--(install|show)-completion`: [^\n]*", "", text)
    text = text.replace("```console\n$ ", "```text\n").replace(
        "(docs/inputs.md)", "([table](inputs.md#a-table-of-subjects))"
    )
    text = re.sub(r"\n(\*\*Options\*\*:)\n\n(?!\*)", "\n", text)
    return text.replace("# `cmr`\n", "# Commands\n\nEvery command and every option, made from the program itself.\n", 1)


def _list_of_decisions() -> str:
    titles = ((page, (ROOT / "docs" / page).read_text("utf-8").splitlines()[0].lstrip("# ")) for page in decisions())
    rows = "\n".join(f"- [{title}]({posixpath.basename(page)})" for page, title in titles)
    return f"# Decisions\n\nChoices that bind others, each with its reason and with what was rejected.\n\n{rows}\n"


_MADE = {
    "commands.md": _commands,
    "messages.md": lambda: messages_page(ROOT / "pipeline"),
    "decisions/index.md": _list_of_decisions,
}
MADE_PAGES = (*_FROM_ROOT.values(), *_MADE, "notebooks/study.md")
"""The made pages' paths in the site."""


def retarget(markdown: str, source: str, page: str) -> str:
    """Turn the links of a file of the checkout into links of the site.

    Args:
        markdown: the file's text.
        source: its path below the checkout, as docs/inputs.md.
        page: its path in the site, as inputs.md.

    Returns:
        The text. Links to pages lead to pages, those to other files of the checkout to copies in the site.
    """

    def change(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        return posixpath.relpath(_place(target), posixpath.dirname(page) or ".") + (match[2] or "")

    return _LINK.sub(change, markdown)


def _place(target: str) -> str:
    """Where a file of the checkout is in the site."""
    if target in _FROM_ROOT:
        return _FROM_ROOT[target]
    if target == "README.md":
        return "index.md"
    if target.rstrip("/") == "docs/decisions":
        return "decisions/index.md"
    return target.removeprefix("docs/") if target.startswith("docs/") else f"files/{target}"


def carried_files() -> dict[str, Path]:
    """Files outside docs/ that pages link to, by their path in the site: schemas, tables, settings."""
    texts = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "docs").rglob("*.md")}
    texts |= {name: ROOT / name for name in _FROM_ROOT}
    targets = {
        posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        for source, path in texts.items()
        for match in _LINK.finditer(path.read_text("utf-8"))
    }
    return {_place(one): ROOT / one for one in targets if _place(one).startswith("files/") and (ROOT / one).is_file()}


def broken_links(path: Path, markdown: str | None = None) -> list[str]:
    """The links of a file of the checkout that lead nowhere: to no file, no made page or no heading.

    Args:
        path: the file, below the checkout.
        markdown: its text, if not the file's own.
    """
    text = path.read_text("utf-8") if markdown is None else markdown
    folder = path.relative_to(ROOT).parent.as_posix()
    broken = []
    for match in _LINK.finditer(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        target = posixpath.normpath(posixpath.join(folder, match[1]))
        is_made = target.removeprefix("docs/") in MADE_PAGES
        file = ROOT / target
        if not is_made and (not file.exists() or (match[2] and match[2][1:] not in _anchors(file))):
            broken.append(match[0])
    return broken


@functools.cache
def _anchors(file: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#{1,6} (.+)$", file.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
