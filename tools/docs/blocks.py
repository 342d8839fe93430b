"""The fenced blocks of the documentation, and whether each is what the program takes."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from tools.docs.commands import ROOT, DocumentationError, check_command, check_syntax

__all__ = ["Block", "check_block", "check_python", "collect_blocks", "commands_of", "documents"]

SHELL = ("", "sh", "bash", "console")
"""Languages of a block of commands. One without a language is taken for commands, so outputs must say `text`."""
OTHER = ("text", "csv", "json", "yaml", "toml", "ini", "dockerfile", "xml", "http")


@dataclass(frozen=True)
class Block:
    """A fenced block: its file below the checkout, its first line there, its language, its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def documents() -> list[Path]:
    """Files whose blocks are checked: what users read."""
    named = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [*named, *sorted((ROOT / "docs").rglob("*.md"))]


def collect_blocks(paths: Iterable[Path]) -> list[Block]:
    """All fenced blocks, in order.

    Raises:
        DocumentationError: a fence in an indented block, where the site shows it as text.
    """
    found = []
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        for token in MarkdownIt().parse(path.read_text("utf-8")):
            if token.type == "code_block" and "```" in token.content:
                raise DocumentationError(f"{name}: a fence must not be indented as code: {token.content[:60]!r}")
            if token.type == "fence" and token.map is not None:
                language = (token.info.split() or [""])[0]
                found.append(Block(name, token.map[0] + 2, language, token.content))
    return found


def commands_of(block: Block) -> Iterator[tuple[int, str]]:
    """The commands of a block with their lines, without comments; a line that ends in a backslash goes on."""
    kept, first = "", block.line
    for number, line in enumerate(block.text.splitlines(), block.line):
        first = first if kept else number
        kept += re.sub(r"^#.*|(^|\s)#(\s.*|$)", "", line.removeprefix("$ ")).rstrip()
        if kept.endswith("\\"):
            kept = kept[:-1] + " "
        elif kept:
            yield first, kept.strip()
            kept = ""


def check_python(block: Block) -> ast.Module:
    """Parse a block of Python, and find every name that it imports.

    Raises:
        DocumentationError: it does not parse, or a module or name is not there.
    """
    try:
        tree = ast.parse(block.text)
    except SyntaxError as error:
        raise DocumentationError(f"{block}: {error}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = _module(node.module)
            gone = [name.name for name in node.names if not hasattr(module, name.name)]
            if gone:
                raise DocumentationError(f"{block}: {node.module} has no {gone}")
    return tree


@functools.cache
def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise DocumentationError(f"there is no module {name}") from error


def check_block(block: Block) -> list[str]:
    """Check a block by its language; how each of its commands was checked, empty for what is no code.

    Raises:
        DocumentationError: something in it is not so, with page and line.
    """
    if block.language == "python":
        check_python(block)
        return []
    if block.language in OTHER:
        if block.language == "json":
            json.loads(block.text)
        return []
    if block.language not in SHELL:
        raise DocumentationError(f"{block}: {block.language!r} is no language of a block; use sh, text, csv, json, ...")
    found = []
    check_syntax(block.text, str(block))
    for line, command in commands_of(block):
        try:
            found.append(check_command(command))
        except (Exception, SystemExit) as error:  # Typer's parser raises what is of no public class
            raise DocumentationError(f"{block.page}:{line}: {command}: {error}") from error
    return found
