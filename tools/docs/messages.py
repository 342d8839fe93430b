"""Every sentence that the program ends with on purpose, collected from where it is raised.

The page of all messages is made of it (`tools.docs.hooks`), and each message belongs to a kind, which has its advice in
docs/troubleshooting.md.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import errors
from tools.docs.commands import DocumentationError

__all__ = ["KINDS", "Kind", "Message", "collect_messages", "error_classes", "kind_of", "messages_page"]

GAP = "…"
_FINDINGS = {"fault": "DatasetError"}  # what `cmr check` calls a fault is raised with all others as a DatasetError


@dataclass(frozen=True)
class Message:
    """A sentence, with `…` where a value stands, its error's class and its module below pipeline/."""

    text: str
    error: str
    module: str


@dataclass(frozen=True)
class Kind:
    """Messages with one advice: those of some classes, below some folders; an empty `rooms` is all others."""

    title: str
    errors: tuple[str, ...]
    rooms: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """Of its section in docs/troubleshooting.md."""
        return self.title.lower().replace(",", "").replace("'", "").replace(" ", "-")

    def has(self, message: Message) -> bool:
        """Whether this message is of this kind."""
        return message.error in self.errors and (not self.rooms or message.module.startswith(self.rooms))


KINDS = (
    Kind("A file cannot be read", ("UnreadableError",)),
    Kind("A header contradicts itself", ("HeaderError",)),
    Kind("A slice or phase is missing", ("LatticeError",)),
    Kind("Labelled data have faults", ("DatasetError",)),
    Kind("A label map holds other values", ("LabelError",)),
    Kind("Image and labels do not fit", ("GridError",)),
    Kind("A bundle cannot be used", ("BundleError",)),
    Kind("Review in the browser refuses", ("ConfigError", "InputError"), ("app/review",)),
    Kind("A folder of results is not as expected", ("InputError",)),
    Kind("A network cannot be built", ("ConfigError",), ("networks", "app/own_network", "app/named")),
    Kind("A training's setting cannot be", ("ConfigError",), ("train", "prepare", "infer", "app/resume", "app/rules")),
    Kind("An option or value cannot be", ("ConfigError", "PipelineError")),
)


def error_classes() -> dict[str, str]:
    """The classes of `pipeline.core.errors`, with what each says of itself."""
    classes = (getattr(errors, name) for name in errors.__all__ if name.endswith("Error"))
    return {one.__name__: (one.__doc__ or "").strip().splitlines()[0] for one in classes}


def collect_messages(package: Path) -> list[Message]:
    """Find each message in a package's source, in the order of modules and lines; what is said twice once."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package).with_suffix("").as_posix()
        found += [Message(text, error, module) for text, error in _in_module(ast.parse(path.read_text("utf-8")))]
    return list(dict.fromkeys(found))


def _in_module(tree: ast.Module) -> Iterator[tuple[str, str]]:
    classes = set(error_classes())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    scopes: dict[ast.AST, ast.FunctionDef] = {node: function for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        argument = node.args[1] if name in _FINDINGS and len(node.args) > 1 else next(iter(node.args), None)
        error = _FINDINGS.get(name, name)
        if error in classes and argument is not None:
            yield from (
                (text, error) for text in _sentences(argument, scopes.get(node), functions) if text.strip("… \n")
            )


def _sentences(node: ast.expr, scope: ast.FunctionDef | None, functions: list[ast.FunctionDef]) -> list[str]:
    """What an expression may say: a name by its assignments in the function, a call by what the function returns."""
    if isinstance(node, ast.Name) and scope is not None:
        assigned = [one.value for one in ast.walk(scope) if isinstance(one, ast.Assign) and _assigns(one, node.id)]
        return [text for value in assigned for text in _sentences(value, None, functions)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        named = [function for function in functions if function.name == node.func.id]
        returned = [one.value for f in named for one in ast.walk(f) if isinstance(one, ast.Return) and one.value]
        return [text for value in returned for text in _sentences(value, None, [])]
    if isinstance(node, ast.IfExp):
        return [text for branch in (node.body, node.orelse) for text in _sentences(branch, scope, functions)]
    return [" ".join(_text(node).split())]


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else GAP for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return GAP


def kind_of(message: Message) -> Kind:
    """The kind that a message is of.

    Raises:
        DocumentationError: there is none, since its class is new.
    """
    for kind in KINDS:
        if kind.has(message):
            return kind
    raise DocumentationError(
        f"{message.error} ({message.module}: {message.text[:60]!r}) is of no kind; name its class in KINDS of "
        "tools/docs/messages.py, and write its advice into docs/troubleshooting.md, in a section with the kind's title"
    )


def messages_page(package: Path) -> str:
    """The page of all messages, in Markdown, by kind."""
    by_kind: dict[Kind, list[Message]] = defaultdict(list)
    for message in collect_messages(package):
        by_kind[kind_of(message)].append(message)
    parts = [_HEAD.format(n=sum(map(len, by_kind.values())))]
    for kind in KINDS:
        rows = "\n".join(
            f"- {_escape(text)}" for text in sorted({message.text for message in by_kind[kind]}, key=str.lower)
        )
        parts.append(f"## {kind.title}\n\n[What to do](troubleshooting.md#{kind.anchor})\n\n{rows}\n")
    return "\n".join(parts)


_HEAD = """# All messages

To look up a sentence that the program ended with: all {n}, by kind, with a link to the advice. `…` stands for a value.
The page is made from the source. Search finds a message by a few of its words.
"""


def _escape(text: str) -> str:
    """Text that stands as it is in Markdown, but for code in backticks."""
    return "`".join(
        part if i % 2 else part.translate({ord(c): f"\\{c}" for c in "*_[]<>|#"})
        for i, part in enumerate(text.split("`"))
    )
