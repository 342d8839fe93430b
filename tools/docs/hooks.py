"""What MkDocs does here besides: it adds made pages, keeps links within the site, and lists the decisions."""

from __future__ import annotations

import logging
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from tools.docs.notebook import notebook_page
from tools.docs.pages import MADE_PAGES, ROOT, carried_files, decisions, made_pages, retarget

__all__ = ["on_config", "on_files", "on_page_markdown"]

_log = logging.getLogger("mkdocs.hooks.site")
_NOTEBOOK_PAGE = "notebooks/study.md"
_MADE: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the pages, put the decisions into the navigation, and leave out pages that nobody has written yet."""
    _MADE.update(made_pages())
    config.nav = _complete(config.nav)
    return config


def _complete(item: Any) -> Any:
    if isinstance(item, list):
        return [whole for one in item if (whole := _complete(one)) is not None]
    if isinstance(item, dict):
        ((title, content),) = item.items()
        if content == "decisions/":
            return {title: ["decisions/index.md", *decisions()]}
        whole = _complete(content)
        return None if whole is None else {title: whole}
    if item in MADE_PAGES or (ROOT / "docs" / item).is_file():
        return item
    _log.info("docs/%s is not written yet, and left out", item)
    return None


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add made pages, and files outside docs/ that pages link to."""
    for path, text in _MADE.items():
        files.append(File.generated(config, path, content=text))
    text, pictures = notebook_page()
    for path, content in {
        _NOTEBOOK_PAGE: text,
        **{f"notebooks/{name}": data for name, data in pictures.items()},
    }.items():
        files.append(File.generated(config, path, content=content))
    for path, source in carried_files().items():
        place = InclusionLevel.NOT_IN_NAV if path.endswith(".md") else InclusionLevel.UNDEFINED
        files.append(File.generated(config, path, abs_src_path=str(source), inclusion=place))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let links to files of the checkout lead to their places in the site."""
    path = page.file.src_uri
    source = path.removeprefix("files/") if path.startswith("files/") else f"docs/{path}"
    return markdown if path in _MADE or not path.endswith(".md") else retarget(markdown, source, path)
